/** More than one of anything: sessions, laptops, commands at the same moment, people who delete the job. */
import {afterEach, describe, expect, test} from 'vitest'
import type {SessionView} from '../../src/flows/session-view.ts'
import {answers, jnodeIn, nothingLeft, OPEN, sweep} from './jnode.ts'
import {until} from './run.ts'
import {useLab} from './use-lab.ts'

const lab = await useLab()
const jnode = jnodeIn(lab)
const laptop2 = {host: 'laptop2'} as const

afterEach(async ({task}) => {
  if (task.result?.state === 'fail') await sweep(lab)
})

const keeperGone = (host: 'laptop' | 'laptop2') =>
  until(`no keeper of alice on ${host}`, async () => (await lab.processes(host, 'alice')).every(({args}) => args.includes('guard.js')))

describe('two sessions', () => {
  test('started at the same moment, on two nodes, each with its own URL; `stop --all` ends both', async () => {
    const [a, b] = await Promise.all([jnode.ok('start a --host head --node node1'), jnode.ok('start b --host head --node node2')])
    expect([a.node, b.node]).toEqual(['node1.local', 'node2.local'])
    expect([a.localPort, b.localPort]).toEqual([8888, 8888])
    expect(new URL(a.url!).hostname).not.toBe(new URL(b.url!).hostname)
    expect(await answers(lab, a.url!)).toEqual(OPEN)
    expect(await answers(lab, b.url!)).toEqual(OPEN)
    expect(new URL(a.url!).searchParams.get('token')).not.toBe(new URL(b.url!).searchParams.get('token'))
    expect(await jnode.fails('url')).toMatchObject({exitCode: 2, message: expect.stringContaining('Which session?') as string})
    expect(await jnode.fails('stop')).toMatchObject({exitCode: 2, message: expect.stringMatching(/a .*b |b .*a /) as string})
    const stopped = await jnode.ok<{stopped: {name: string}[]}>('stop --all')
    expect(stopped.stopped.map(({name}) => name).sort()).toEqual(['a', 'b'])
    await nothingLeft(lab)
    expect(await jnode.run('stop --all --host head')).toMatchObject({exitCode: 0, stdout: 'There is nothing to stop.\n'})
  })

  test('of the same name at the same moment: one starts, the other is told, nothing of the first is touched', async () => {
    const both = await Promise.all([jnode.json<SessionView>('start twin --host head'), jnode.json<SessionView>('start twin --host head', laptop2)])
    expect(both.map(({exitCode}) => exitCode).sort()).toEqual([0, 2])
    const [winner, loser] = both[0]!.exitCode === 0 ? both : [both[1], both[0]]
    expect(loser!.document).toMatchObject({error: {code: 'session-exists'}})
    expect(await answers(lab, winner!.document.url!, both[0]!.exitCode === 0 ? {} : laptop2)).toEqual(OPEN)
    await jnode.ok('stop twin --host head')
    await Promise.all([keeperGone('laptop'), keeperGone('laptop2')])
    await nothingLeft(lab)
  })
})

describe('a second laptop, which knows nothing', () => {
  test('lists, connects beside the first, and stops; the first one notices', async () => {
    const session = await jnode.ok('start s --host head')
    expect(await jnode.ok<{sessions: unknown[]}>('list --host head', laptop2)).toMatchObject({sessions: [{name: 's', jobId: session.jobId, state: 'ready', tunnel: 'closed', url: null}]})
    expect(await jnode.fails('connect s', laptop2)).toMatchObject({exitCode: 8, hint: expect.stringContaining('--host') as string})
    const there = await jnode.ok(`connect ${session.jobId} --host head`, laptop2)
    expect(there).toMatchObject({name: 's', jobId: session.jobId, url: session.url, localPort: 8888, tunnel: 'connected'})
    expect(await answers(lab, session.url!)).toEqual(OPEN)
    expect(await answers(lab, session.url!, laptop2)).toEqual(OPEN)

    const again = await jnode.ok('connect s')
    expect(again).toMatchObject({url: session.url, keeperPid: session.keeperPid})

    expect(await jnode.ok('stop', laptop2)).toMatchObject({stopped: [{name: 's', was: 'running'}]})
    await keeperGone('laptop')
    await nothingLeft(lab)
    expect((await lab.exec('laptop', 'alice', 'cat ~/.local/state/jnode/keeper.log')).stdout).toMatch(new RegExp(`s: Job ${session.jobId} ended`))
    expect(await jnode.fails('connect s --host head')).toMatchObject({exitCode: 8})
  })

  test('connects twice at the same moment: one tunnel stands', async () => {
    await jnode.ok('start s --host head')
    await jnode.ok('disconnect')
    const both = await Promise.all([1, 2].map(() => jnode.json<SessionView>('connect s')))
    const url = (await jnode.run('url')).stdout.trim()
    expect(both.map(({exitCode, document}) => [exitCode, document.url])).toEqual([[0, url], [0, url]])
    expect(new Set(both.map(({document}) => document.keeperPid)).size).toBe(1)
    expect(await answers(lab, url)).toEqual(OPEN)
    await jnode.ok('disconnect')
    await keeperGone('laptop')
    await jnode.ok('stop')
    await nothingLeft(lab)
  })
})

test('--no-wait submits and returns; `connect` waits for the rest', async () => {
  const submitted = await jnode.ok('start later --host head --no-wait')
  expect(submitted).toMatchObject({name: 'later', state: 'queued', tunnel: 'closed', url: null, keeperPid: null})
  expect(await lab.jobs('alice')).toMatchObject([{id: submitted.jobId, name: 'jnode-later'}])
  const session = await jnode.ok('connect later')
  expect(session).toMatchObject({jobId: submitted.jobId, state: 'ready', tunnel: 'connected'})
  expect(await answers(lab, session.url!)).toEqual(OPEN)
  await jnode.ok('stop later')
  await nothingLeft(lab)
})

describe('a job that somebody deletes', () => {
  test('brings the tunnel in the foreground down, and says so', async () => {
    const held = jnode.spawn('start gone --host head')
    await held.says('Ctrl-C closes the tunnel')
    const [job] = await lab.jobs('alice')
    await lab.exec('head', 'alice', ['qdel', job!.id])
    const {stderr} = await held.ended
    expect(stderr).toMatch(new RegExp(`Job ${job!.id} ended: .*deleted`))
    expect(stderr).toContain('The tunnel is closed and nothing is left of session gone.')
    await nothingLeft(lab)
  })

  test('as root, without a warning: the keeper ends and leaves nothing', async () => {
    const session = await jnode.ok('start gone --host head')
    await lab.exec('head', 'root', ['qdel', '-f', session.jobId!])
    await keeperGone('laptop')
    await until('the job is gone', async () => (await lab.jobs()).length === 0)
    await nothingLeft(lab)
    expect((await lab.exec('laptop', 'alice', 'cat ~/.local/state/jnode/keeper.log')).stdout).toContain(`gone: Job ${session.jobId} ended`)
  })

  test('while nobody is connected is shown as ended, and `stop` and `connect` say so', async () => {
    const session = await jnode.ok('start gone --host head')
    await jnode.ok('disconnect')
    await lab.exec('head', 'alice', ['qdel', session.jobId!])
    await until('the job is gone', async () => (await lab.jobs()).length === 0)
    expect(await jnode.ok('status')).toMatchObject({state: 'ended', jobId: session.jobId, reason: expect.stringContaining('deleted') as string})
    expect(await jnode.fails('connect gone')).toMatchObject({exitCode: 6, code: 'job-ended', hint: expect.stringContaining('jnode stop gone') as string})
    expect((await jnode.run('stop')).stdout).toBe('gone had ended already; what was left of it is removed.\n')
    await nothingLeft(lab)
  })
})
