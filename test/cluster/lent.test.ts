/** One connection for all commands: the process that keeps a session lends its own. */
import {afterEach, describe, expect, test} from 'vitest'
import type {SessionView} from '../../src/flows/session-view.ts'
import {answers, countLogins, jnodeIn, nothingLeft, OPEN, sweep} from './jnode.ts'
import {until} from './run.ts'
import {useLab} from './use-lab.ts'

const lab = await useLab()
const jnode = jnodeIn(lab)
const NONE = {gateway: 0, head: 0, node1: 0, node2: 0}

afterEach(async ({task}) => {
  if (task.result?.state === 'fail') await sweep(lab)
})

const signal = (name: string, pid: number | null) => lab.exec('laptop', 'alice', ['kill', `-${name}`, String(pid)])

const reconnected = (view: SessionView) =>
  until(`${view.name} is connected again`, async () => {
    // First, for a `list` while there is no connection to borrow would make one of its own.
    if ((await answers(lab, view.url!)).withToken !== 200) return false
    const {sessions} = await jnode.ok<{sessions: SessionView[]}>('list')
    return sessions.some(({name, tunnel}) => name === view.name && tunnel === 'connected')
  })

test('every command while a keeper lives goes over its connection, and another start as well', async () => {
  await jnode.ok('start a --host head --node node1')
  const logins = await countLogins(lab)
  expect((await jnode.ok<{sessions: SessionView[]}>('list')).sessions).toMatchObject([{name: 'a', state: 'ready', tunnel: 'connected'}])
  expect(await jnode.ok('status a')).toMatchObject({state: 'ready', node: 'node1.local'})
  expect((await jnode.run('logs a -n 1000')).stdout).toContain('Jupyter Notebook 6')
  const follower = jnode.spawn('logs a -f -n 1000')
  await until('the log is followed', () => follower.stdout().includes('Jupyter Notebook 6'))
  await lab.exec('head', 'alice', 'echo one line more >>~/.jnode/sessions/a/log')
  await until('a new line is heard', () => follower.stdout().includes('one line more'))
  follower.signal('SIGINT')
  expect((await follower.ended).exitCode).toBe(0)
  // The lender's own follower of the log has ended with the one it was for.
  await until('nobody follows', async () => !(await lab.processes('head', 'alice')).some(({command}) => command === 'tail'))
  expect(await logins(), 'one keeper, many commands').toEqual(NONE)

  const b = await jnode.ok('start b --host head --node node1')
  expect(await answers(lab, b.url!)).toEqual(OPEN)
  expect(await logins(), 'a second session on the same node').toEqual(NONE)
  const c = await jnode.ok('start c --host head --node node2')
  expect(await answers(lab, c.url!)).toEqual(OPEN)
  expect(await logins(), 'a third on another node').toEqual({...NONE, node2: 1})
  await jnode.ok('disconnect c')
  expect(await jnode.ok('connect c')).toMatchObject({url: c.url, tunnel: 'connected'})
  expect(await answers(lab, c.url!)).toEqual(OPEN)
  expect(await logins(), 'back to the third: its node was left').toEqual({...NONE, node2: 2})
  await jnode.ok('disconnect c')
  await jnode.ok('stop c')
  await until('nobody is logged in to node2', async () => (await lab.processes('node2', 'alice')).length === 0)

  // The lender's session goes, its connection stays as long as somebody uses it.
  await jnode.ok('stop a')
  expect(await answers(lab, b.url!)).toEqual(OPEN)
  expect((await jnode.ok<{sessions: SessionView[]}>('list')).sessions).toMatchObject([{name: 'b', tunnel: 'connected'}])
  expect((await logins()).head, 'no login for any of it').toBe(0)
  await jnode.ok('stop b')
  await nothingLeft(lab)
})

test('a session in the foreground lends its connection once it is ready', async () => {
  const front = jnode.spawn('start a --host head --no-browser')
  await until('it is ready', () => front.stdout().includes('token='))
  const logins = await countLogins(lab)
  expect((await jnode.ok<{sessions: SessionView[]}>('list')).sessions).toMatchObject([{name: 'a', tunnel: 'connected'}])
  expect(await logins()).toEqual(NONE)
  front.signal('SIGINT')
  expect((await front.ended).exitCode).toBe(130)
  await jnode.ok('stop a')
  await nothingLeft(lab)
})

test('five sessions at the same moment log in once', async () => {
  const logins = await countLogins(lab)
  const names = ['a', 'b', 'c', 'd', 'e']
  const sessions = await Promise.all(names.map((name) => jnode.ok(`start ${name} --host head`)))
  expect(await logins()).toEqual({gateway: 1, head: 1, node1: 1, node2: 1})
  expect(new Set(sessions.map(({url}) => new URL(url!).host)).size).toBe(5)
  for (const {url} of sessions) expect(await answers(lab, url!)).toEqual(OPEN)
  await jnode.ok('stop --all')
  await nothingLeft(lab)
  expect(await logins()).toEqual({gateway: 1, head: 1, node1: 1, node2: 1})
})

describe('when the lender is gone', () => {
  test('killed, another session comes back by one login of its own, and lends', async () => {
    const {keeperPid} = await jnode.ok('start a --host head --node node1')
    const b = await jnode.ok('start b --host head --node node1')
    const logins = await countLogins(lab)
    await signal('KILL', keeperPid)
    await reconnected(b)
    await jnode.ok('list')
    expect((await logins()).node1).toBe(1)
    const before = await logins()
    await jnode.ok('list')
    expect(await logins()).toEqual(before)
    await jnode.ok('stop --all')
    await nothingLeft(lab)
  })

  test('frozen, another session does not wait for it', async () => {
    const {keeperPid} = await jnode.ok('start a --host head --node node1')
    const b = await jnode.ok('start b --host head --node node1')
    await signal('STOP', keeperPid)
    await reconnected(b)
    await signal('KILL', keeperPid)
    await jnode.ok('stop --all')
    await nothingLeft(lab)
  })
})

test('a lost line is one loss for all: one login brings every session back', async () => {
  const sessions = await Promise.all(['a', 'b', 'c'].map((name) => jnode.ok(`start ${name} --host head --node node1`)))
  const logins = await countLogins(lab)
  await lab.exec('head', 'root', `pkill -KILL -u alice -x sshd; true`, {cwd: '/'})
  for (const view of sessions) await reconnected(view)
  expect(await logins()).toEqual({gateway: 1, head: 1, node1: 1, node2: 0})
  await jnode.ok('stop --all')
  await nothingLeft(lab)
})
