/** The way to the server is shut under a session that uses it, while the connection to the head stands. */
import {afterEach, expect, test} from 'vitest'
import type {SessionView} from '../../src/flows/session-view.ts'
import {answers, countLogins, jnodeIn, OPEN, sweep} from '../cluster/jnode.ts'
import {until} from '../cluster/run.ts'
import {siteIn} from '../cluster/site.ts'
import {useLab} from '../cluster/use-lab.ts'
import {through} from './scene.ts'

const lab = await useLab()
const jnode = jnodeIn(lab)
const site = siteIn(lab)

afterEach(async ({task}) => {
  await site.asBefore()
  await lab.exec('laptop', 'alice', 'rm -rf ~/.local/state/jnode/routes')
  if (task.result?.state === 'fail') await sweep(lab)
})

/** Waits until the session goes another way, as somebody does who uses it meanwhile. */
async function goesBy(route: string, {name, url}: SessionView & {url: string}): Promise<SessionView> {
  return until(`route ${route}`, async () => {
    const {withToken} = await answers(lab, url)
    const view = await jnode.ok(`status ${name}`)
    return withToken === 200 && view.route === route && view.tunnel === 'connected' && view
  }, 120_000)
}

test('one way after the other: the same URL and kernel, and no further login of the laptop', async () => {
  await site.set({internalKey: ['head']})
  await through(lab, 'moving', async ({session, kernel}) => {
    expect(session.route).toBe('socket')
    const logins = await countLogins(lab)
    await site.set({internalKey: ['head'], nodes: ['AllowStreamLocalForwarding no']})
    await lab.endSessions('node1')
    expect((await goesBy('node', session)).routes).toMatchObject([{route: 'socket', works: false}, {route: 'node', works: true}])
    await kernel.survives()
    await site.set({internalKey: ['head'], nodesWithoutSshd: true})
    await lab.exec('node1', 'root', 'pkill -KILL -x sshd', {cwd: '/'})
    await goesBy('direct', session)
    await kernel.survives()
    // Streams that are open go on: it is the next one that shows it.
    await site.set({internalKey: ['head'], nodesWithoutSshd: true, firewall: 'shut'})
    const {routes} = await goesBy('reverse', session)
    expect(routes!.map(({route, works}) => [route, works])).toEqual([['socket', false], ['node', false], ['head', false], ['direct', false], ['reverse', true]])
    // Those to the head are the job's own, which a busy cluster makes already while another way takes its time.
    expect(await logins()).toMatchObject({gateway: 0})
    expect(await answers(lab, session.url)).toEqual(OPEN)
    await kernel.survives()
    await site.set({})
  }, {flags: '--node node1'})
})

test('a relay that is killed: another one takes its place', async () => {
  await site.set({nodes: ['AllowStreamLocalForwarding no']})
  await through(lab, 'relay', async ({session}) => {
    expect(session.route).toBe('node')
    await lab.exec('node1', 'root', 'pkill -KILL -u alice -f "/relay-[0-9a-f]*[.]py"', {cwd: '/'})
    await goesBy('node', session)
  }, {flags: '--node node1'})
})
