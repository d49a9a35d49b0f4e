/** Other ways to be somebody: on the head node itself, and with login shells that are not sh. */
import {afterEach, expect, onTestFinished, test} from 'vitest'
import {answers, countLogins, jnodeIn, nothingLeft, OPEN, statusOf, sweep} from './jnode.ts'
import {useLab} from './use-lab.ts'

const lab = await useLab()
const jnode = jnodeIn(lab)
const head = {host: 'head'} as const

afterEach(async ({task}) => {
  if (task.result?.state === 'fail') await sweep(lab)
})

test('on the head node itself: the same commands, without SSH to the head', async () => {
  expect(await jnode.fails('start here --route socket', head), 'without a key for the node').toMatchObject({exitCode: 9, code: 'no-route'})
  await nothingLeft(lab)

  onTestFinished(async () => void (await lab.exec('head', 'alice', 'cd ~/.ssh && mv before authorized_keys && rm id_ed25519 id_ed25519.pub')))
  await lab.exec('head', 'alice', 'ssh-keygen -q -t ed25519 -N "" -f ~/.ssh/id_ed25519 && cp ~/.ssh/authorized_keys ~/.ssh/before && cat ~/.ssh/id_ed25519.pub >>~/.ssh/authorized_keys')
  const logins = await countLogins(lab)
  const session = await jnode.ok('start here --node node1', head)
  expect(session).toMatchObject({cluster: 'local', state: 'ready', node: 'node1.local', tunnel: 'connected'})
  expect(await answers(lab, session.url!, head)).toEqual(OPEN)
  expect(await logins()).toEqual({gateway: 0, head: 0, node1: 1, node2: 0})
  expect((await jnode.run('list', head)).stdout).toMatch(/^here +\d+ +ready/m)
  // It is an ordinary session of the cluster: a laptop can come to it.
  const there = await jnode.ok('connect here --host head')
  expect(there).toMatchObject({jobId: session.jobId, url: session.url})
  expect(await statusOf(lab, there.url!)).toBe(200)
  await jnode.ok('disconnect')
  await jnode.ok('stop here', head)
  await lab.exec('laptop', 'alice', 'rm -r ~/.local/state/jnode/sessions')
  await nothingLeft(lab)
})

test.each([['carol', 'tcsh'], ['dave', 'fish']])('%s, whose login shell is %s, gets a session', async (user) => {
  const session = await jnode.ok('start shell --host head --cores 2 --setup "export FROM_SETUP=\'a b\'"', {user})
  expect(session).toMatchObject({host: `${user}@head`, state: 'ready', slots: 2})
  expect(await answers(lab, session.url!, {user})).toEqual(OPEN)
  expect(await jnode.ok('stop', {user})).toMatchObject({stopped: [{name: 'shell', was: 'running'}]})
  await nothingLeft(lab)
})
