/** What happens to the job while its session is held: the user is told what it was, and nothing is left. */
import {afterEach, describe, expect, onTestFinished, test} from 'vitest'
import type {SessionView} from '../../src/flows/session-view.ts'
import {answers, fillSlots, jnodeIn, nothingLeft, OPEN, pageOf, statusOf, sweep} from '../cluster/jnode.ts'
import {openKernel, runCell} from '../cluster/kernel.ts'
import {until} from '../cluster/run.ts'
import {useLab} from '../cluster/use-lab.ts'
import {limitMemory} from './memory.ts'
import {openTab} from './tab.ts'

const lab = await useLab()
const jnode = jnodeIn(lab)

afterEach(async ({task}) => {
  if (task.result?.state === 'fail') await sweep(lab)
})

const seconds = (n: number) => new Promise((resolve) => setTimeout(resolve, n * 1000))
const asRoot = (host: 'head' | 'node1' | 'node2', command: string) => lab.exec(host, 'root', command, {cwd: '/'})
const keeperGone = () => until('no process of alice on the laptop', async () => (await lab.processes('laptop', 'alice')).length === 0, 300_000)
const keeperLog = async () => (await lab.exec('laptop', 'alice', 'cat ~/.local/state/jnode/keeper.log')).stdout

/** Grid Engine's master dies; answers with the way to start it again, which happens in any case. */
async function killMaster(): Promise<() => Promise<void>> {
  let down = true
  const start = async () => {
    // A second one would wait to take its place.
    if (down) await lab.startDaemon('head', 'sge_qmaster')
    down = false
  }
  onTestFinished(start)
  await lab.stopDaemon('head', 'sge_qmaster', 'KILL')
  return start
}

test('waits, with the browser opened by `start --detach`: the tab says why, and becomes Jupyter by itself', async () => {
  const free = await fillSlots(lab)
  onTestFinished(free)
  const opened = '/home/alice/opened'
  onTestFinished(async () => void (await lab.exec('laptop', 'alice', 'rm -f ~/browser ~/opened')))
  await lab.exec('laptop', 'alice', 'cat >~/browser && chmod 700 ~/browser', {input: `#!/bin/sh\ncurl -s -o /dev/null -w '%{redirect_url}\\n' "$1" >>${opened}\n`})
  const start = jnode.spawn('start early --host head -d --browser ~/browser', {env: {JNODE_NO_BROWSER: ''}})
  const url = await until('the browser', async () => (await lab.exec('laptop', 'alice', `cat ${opened}`)).stdout.trim() || false, 60_000)
  const page = () => lab.exec('laptop', 'alice', 'curl -sS -H "Accept: text/html" "$(cat)"', {input: url})
  const seen = await until('the reason', async () => {
    const {stdout} = await page()
    return stdout.includes('<p>Why: ') && stdout
  }, 120_000)
  expect(seen).toMatch(/<h1>Session early waits for a compute node\.<\/h1><p>Why: 2 queue instances are full/)
  // It makes a notebook as soon as Jupyter's own page is there.
  const opening = openTab(lab, url)
  await free()
  const tab = await opening
  const {stdout} = await start.ended
  expect(new URL(stdout.split('\n')[0]!).search).toBe(new URL(url).search)
  expect((await lab.exec('laptop', 'alice', `cat ${opened}`)).stdout.trim()).toBe(url)
  await tab.survives()
  await tab.close()
  await jnode.ok('stop early')
  await nothingLeft(lab)
})

/** Until it is true of the session, as the user sees it. */
const status = (what: string, wanted: (view: SessionView) => boolean) =>
  until(what, async () => {
    const view = await jnode.ok('status')
    return wanted(view) && view
  }, 180_000)

describe('Grid Engine’s master', () => {
  test('is gone for a minute while the job waits: the job is still taken when it is back', async () => {
    const blocker = await lab.exec('head', 'bob', ['qsub', '-terse', '-b', 'y', '-pe', 'make', '8', '-o', '/dev/null', '-j', 'y', 'sleep', '600'])
    const start = jnode.spawn('start patient --host head -d')
    await start.says(/queue instances are full|Wait for a node/)
    const startMaster = await killMaster()
    await start.says(/Grid Engine gives no answer/)
    expect(await jnode.ok<{sessions: SessionView[]}>('list')).toMatchObject({sessions: [{name: 'patient', state: 'unknown', reason: expect.stringContaining('no answer') as string}]})
    await seconds(60)
    await startMaster()
    await lab.exec('head', 'bob', ['qdel', blocker.stdout.trim()])
    expect(await start.ended).toMatchObject({exitCode: 0, stdout: expect.stringMatching(/^http:/) as string})
    await jnode.ok('stop patient')
    await lab.nodesReady()
    await nothingLeft(lab)
  })

  test('is gone for a minute while the job runs: nothing is lost, and it is never called ended', async () => {
    const session = await jnode.ok('start steady --host head')
    const kernel = await openKernel(lab, session.url!)
    const startMaster = await killMaster()
    expect(await jnode.ok('status')).toMatchObject({state: 'unknown', tunnel: 'connected', url: session.url})
    await seconds(60)
    await startMaster()
    await kernel.survives()
    kernel.close()
    await lab.nodesReady()
    await jnode.ok('stop steady')
    await nothingLeft(lab)
  })
})

describe('the node', () => {
  test('has its execd restarted: nothing is lost', async () => {
    const session = await jnode.ok('start e1 --host head --node node1')
    const kernel = await openKernel(lab, session.url!)
    await lab.stopDaemon('node1', 'sge_execd')
    await seconds(5)
    await lab.startDaemon('node1', 'sge_execd')
    await kernel.survives()
    kernel.close()
    await lab.nodesReady()
    expect(await jnode.ok('status')).toMatchObject({state: 'ready', tunnel: 'connected'})
    // A qdel of a job that ran before takes a minute now.
    await jnode.ok('stop e1')
    await nothingLeft(lab)
  })

  test('loses power: the session is reconnecting or unknown, then said to be lost', async () => {
    const session = await jnode.ok('start p1 --host head --node node1')
    let off = true
    onTestFinished(async () => {
      if (off) await lab.boot('node1')
      await lab.nodesReady()
    })
    await lab.powerCut('node1')
    await status('it is not connected', ({tunnel}) => tunnel !== 'connected')
    const lost = await status('Grid Engine misses the node', ({reason}) => reason !== null)
    expect(lost).toMatchObject({state: 'unknown', reason: 'node node1.local does not answer Grid Engine: it is down or cut off, and the job is lost unless it comes back'})
    expect(await lab.jobs('alice')).toMatchObject([{id: session.jobId}])
    await lab.boot('node1')
    off = false
    // Grid Engine hears of the end of the job from the node that is back.
    await keeperGone()
    expect(await keeperLog()).toMatch(new RegExp(`p1: Job ${session.jobId} ended: The job failed: its node was lost and has reported no end`))
    await lab.nodesReady()
    await nothingLeft(lab)
  })
})

test('a job that waits for a node that is down says so', async () => {
  onTestFinished(async () => {
    await lab.startDaemon('node1', 'sge_execd')
    await lab.nodesReady()
  })
  await lab.stopDaemon('node1', 'sge_execd', 'KILL')
  await until('Grid Engine misses the node', async () => / a?u$/m.test((await lab.exec('head', 'alice', 'qstat -f -q all.q@node1.local')).stdout), 60_000)
  await jnode.ok('start down --host head --node node1 --no-wait')
  await status('the reason', ({reason}) => reason?.startsWith('Node node1.local does not answer Grid Engine') === true)
  await jnode.ok('stop down')
  await nothingLeft(lab)
})

describe('the job', () => {
  test('is suspended and resumed: the kernel goes on where it was', async () => {
    const session = await jnode.ok('start s1 --host head')
    const kernel = await openKernel(lab, session.url!)
    await lab.exec('head', 'alice', ['qmod', '-sj', session.jobId!])
    await status('it is told to be suspended', ({reason}) => reason?.includes('suspended') === true)
    // Past the queue's notify time, after which the job stands still.
    await seconds(15)
    await lab.exec('head', 'alice', ['qmod', '-usj', session.jobId!])
    await kernel.survives()
    expect(await jnode.ok('status')).toMatchObject({state: 'ready', reason: null})
    // And no late mistake of the warning for a limit of time.
    await seconds(12)
    await kernel.survives()
    kernel.close()
    await jnode.ok('stop s1')
    await nothingLeft(lab)
  })

  test('is held while it runs: nothing changes, and the hold matters only to a job that waits', async () => {
    const session = await jnode.ok('start h1 --host head')
    const kernel = await openKernel(lab, session.url!)
    await lab.exec('head', 'alice', ['qhold', session.jobId!])
    expect(await jnode.ok('status')).toMatchObject({state: 'ready'})
    await kernel.survives()
    kernel.close()
    await jnode.ok('stop h1')
    await nothingLeft(lab)
  })

  test('is run again on another node: the tunnel follows it, with the same URL', async () => {
    const session = await jnode.ok('start r1 --host head --sge-arg=-r --sge-arg=y')
    await lab.exec('head', 'root', ['qmod', '-rj', session.jobId!], {cwd: '/'})
    const there = await status('it is ready on the other node', ({state, tunnel, node}) => state === 'ready' && tunnel === 'connected' && node !== null && node !== session.node)
    expect(there).toMatchObject({jobId: session.jobId, url: session.url, localPort: session.localPort})
    // Until the keeper knows, the old server may answer, and even begin a kernel that is never heard of again.
    await until('the keeper has followed', async () => new RegExp(`Job ${session.jobId} was started again[^]*Connected again`).test(await keeperLog()))
    const where = await runCell(lab, session.url!, {kernel: null, code: 'import socket; print(socket.gethostname())'})
    expect(where.output.trim()).toBe(there.node)
    expect(await answers(lab, session.url!)).toEqual(OPEN)
    const after = await status('it is ready', ({tunnel}) => tunnel === 'connected')
    expect(Date.parse(after.startedAt!)).toBeGreaterThan(Date.parse(session.startedAt!))
    await jnode.ok('stop r1')
    await nothingLeft(lab)
  })

  test.each([['alice', 'by its user'], ['root', 'by root']])('is deleted as %s', async (who) => {
    const session = await jnode.ok('start d1 --host head')
    await lab.exec('head', who, ['qdel', session.jobId!], {cwd: '/'})
    await keeperGone()
    expect(await keeperLog()).toMatch(new RegExp(`d1: Job ${session.jobId} ended: .*deleted`))
    expect(await jnode.ok('status --host head')).toMatchObject({name: 'd1', state: 'ended', reason: expect.stringMatching(/deleted/) as string, node: session.node})
    await nothingLeft(lab)
  })

  test('is out of h_rt: warned of before, and its end is said to be that', async () => {
    const session = await jnode.ok('start t1 --host head --time 150s')
    expect(session.endsAt).not.toBeNull()
    await until('the warning', async () => (await keeperLog()).includes('Session t1 has'), 90_000)
    await keeperGone()
    expect(await keeperLog()).toMatch(new RegExp(`t1: Job ${session.jobId} ended: .*time`))
    await nothingLeft(lab)
  })

  test('is at s_rt: Jupyter ends properly, and the end is said to be that', async () => {
    const session = await jnode.ok('start t2 --host head --sge-arg=-l --sge-arg=s_rt=30')
    expect(session.endsAt).not.toBeNull()
    await keeperGone()
    expect(await keeperLog()).toMatch(new RegExp(`t2: Job ${session.jobId} ended: .*soft limit of time`))
    await nothingLeft(lab)
  })

  test('loses its Jupyter to kill -9', async () => {
    const session = await jnode.ok('start k1 --host head --node node1')
    await asRoot('node1', 'pkill -KILL -u alice -f jupyter-')
    await keeperGone()
    // Who sent the signal cannot be told, and mostly it is a node without memory.
    expect(await keeperLog()).toMatch(new RegExp(`k1: Job ${session.jobId} ended: Jupyter was killed by SIGKILL`))
    await nothingLeft(lab)
  })

  test('has no memory left for Jupyter: the kernel of the node kills it, and that is what is told', async () => {
    const session = await jnode.ok('start o1 --host head --node node1')
    await limitMemory(lab, 'node1', session.jobId!, 300 << 20)
    onTestFinished(async () => void (await lab.exec('head', 'alice', 'rm -f ~/big')))
    await lab.exec('head', 'alice', 'truncate -s 1G ~/big')
    // Jupyter reads it whole.
    expect(await statusOf(lab, `${pageOf(session.url!, 'api/contents/big')}&type=file&format=base64`)).not.toBe(200)
    await keeperGone()
    expect(await keeperLog()).toMatch(new RegExp(`o1: Job ${session.jobId} ended: Jupyter was killed by SIGKILL: most often because its node ran out of memory`))
    await nothingLeft(lab)
  })

  test('has no memory left for a cell: its kernel is killed, the session goes on with a new one, and its log says so', async () => {
    const session = await jnode.ok('start o2 --host head --node node1')
    const kernel = await openKernel(lab, session.url!)
    await limitMemory(lab, 'node1', session.jobId!, 300 << 20)
    kernel.run("x = b'x' * (1 << 30)").catch(() => {}) // no answer comes
    await until('Jupyter says so', async () => (await jnode.run('logs o2')).stdout.includes('restarting kernel'), 120_000)
    kernel.close()
    expect(await answers(lab, session.url!)).toEqual(OPEN)
    const another = await openKernel(lab, session.url!)
    await another.survives()
    another.close()
    await jnode.ok('stop o2')
    await nothingLeft(lab)
  })

  test('loses a kernel to kill -9: the session goes on, with a new kernel', async () => {
    const session = await jnode.ok('start k2 --host head --node node1')
    const kernel = await openKernel(lab, session.url!)
    expect(await kernel.run('1 + 1; print(2)')).toBe('2\n')
    await asRoot('node1', 'pkill -KILL -u alice -f ipykernel')
    expect(await answers(lab, session.url!)).toEqual(OPEN)
    kernel.close()
    const another = await openKernel(lab, session.url!)
    await another.survives()
    another.close()
    await jnode.ok('stop k2')
    await nothingLeft(lab)
  })
})
