/** What happens to jnode's own processes, its files and the room they lie in: one sentence, nothing lost, nothing left. */
import {afterEach, describe, expect, onTestFinished, test} from 'vitest'
import type {Cleaning} from '../../src/flows/clean.ts'
import type {SessionView} from '../../src/flows/session-view.ts'
import {answers, jnodeIn, nothingLeft, OPEN, pageOf, statusOf, sweep} from '../cluster/jnode.ts'
import {openKernel} from '../cluster/kernel.ts'
import {until} from '../cluster/run.ts'
import {useLab} from '../cluster/use-lab.ts'
import {figure} from './scene.ts'

const lab = await useLab()
const jnode = jnodeIn(lab)

afterEach(async ({task}) => {
  if (task.result?.state === 'fail') await sweep(lab)
})

const onLaptop = (line: string) => lab.exec('laptop', 'alice', line)
const asRoot = (host: 'laptop' | 'node1', line: string) => lab.exec(host, 'root', line, {cwd: '/'})
const STATE = '/home/alice/.local/state/jnode'
const nobodyHere = () => until('no process of alice on the laptop', async () => (await lab.processes('laptop', 'alice')).length === 0, 120_000)

/** What is told of the one session there may be is true of the jobs there are; then it is reached, or the reason told; then it is removed. */
async function recovers(name: string): Promise<void> {
  const {sessions} = await jnode.ok<{sessions: SessionView[]}>('list --host head')
  const jobs = (await lab.jobs('alice')).map(({id}) => id)
  expect(sessions.map(({jobId}) => jobId).filter((id) => id !== null)).toEqual(jobs)
  const connected = await jnode.json<SessionView & {error?: {code: string; message: string}}>(`connect ${name} --host head --wait 60s`)
  if (connected.exitCode === 0) expect(await answers(lab, connected.document.url!)).toEqual(OPEN)
  else expect(connected.document.error).toMatchObject({code: expect.stringMatching(/^(no-session|job-ended)$/) as string})
  expect((await jnode.run(`stop ${name} --host head`)).exitCode).toBeOneOf([0, 8])
  await nothingLeft(lab)
}

const STEPS: [string, string | RegExp][] = [
  ['logging in', 'Log in to'],
  ['submitting', 'Submit the job'],
  ['submitted', /Job \d+ submitted/],
  ['waiting for a node', 'Wait for a node'],
  ['starting Jupyter', 'Start Jupyter on'],
  ['ready', 'Jupyter answers'],
]

describe('kill -9', () => {
  test.each(STEPS)('of the command in the foreground while %s', async (_, step) => {
    const start = jnode.spawn('start cli --host head')
    await start.says(step)
    start.signal('SIGKILL')
    await start.ended
    await recovers('cli')
  })

  test.each(STEPS)('of the command that starts a keeper while %s', async (_, step) => {
    const start = jnode.spawn('start cli --host head -d')
    await start.says(step)
    start.signal('SIGKILL')
    await start.ended
    // The keeper takes everything back, unless it was ready by then.
    await until('the keeper has settled', async () => (await lab.processes('laptop', 'alice')).length === 0 || (await jnode.run('url cli')).exitCode === 0, 120_000)
    await recovers('cli')
  })

  test.each(STEPS)('of the keeper while %s', async (_, step) => {
    const start = jnode.spawn('start cli --host head -d')
    await start.says(step)
    await onLaptop('pkill -KILL -f dist/keeper.js')
    const ended = await start.ended
    if (ended.exitCode !== 0) expect(ended.stderr).toContain('The background process ended unexpectedly (SIGKILL)')
    await nobodyHere()
    await recovers('cli')
  })
})

describe('what this computer keeps', () => {
  test('is cut short: one sentence, and the session is reached all the same', async () => {
    const session = await jnode.ok('start cut --host head')
    await jnode.ok('disconnect')
    await onLaptop(`truncate -s 100 ${STATE}/sessions/head/cut.json`)
    const listed = await jnode.ok<{sessions: SessionView[]; warnings: string[]}>('list --host head')
    expect(listed).toMatchObject({sessions: [{name: 'cut', jobId: session.jobId, state: 'ready'}], warnings: [expect.stringMatching(/cut\.json cannot be read: it is cut short or not JSON/) as string]})
    const back = await jnode.ok('connect cut --host head')
    expect(await answers(lab, back.url!)).toEqual(OPEN)
    await jnode.ok('stop cut')
    await nothingLeft(lab)
  })

  test('was made by a newer version: it is left as it is, and said', async () => {
    await jnode.ok('start newer --host head')
    await jnode.ok('disconnect')
    await onLaptop(`sed -i 's/"version": 1/"version": 2/' ${STATE}/sessions/head/newer.json`)
    const before = (await onLaptop(`cat ${STATE}/sessions/head/newer.json`)).stdout
    const failure = await jnode.fails('connect newer --host head')
    expect(failure).toMatchObject({exitCode: 2, code: 'config', message: expect.stringContaining('a newer jnode made it') as string, hint: expect.stringContaining('Update jnode') as string})
    expect((await onLaptop(`cat ${STATE}/sessions/head/newer.json`)).stdout).toBe(before)
    expect(await lab.jobs('alice')).toHaveLength(1)
    await jnode.ok('stop newer --host head')
    await onLaptop(`rm -f ${STATE}/sessions/head/newer.json`)
    await nothingLeft(lab)
  })

  test('cannot be written, nor anything beside it: one sentence, and no job', async () => {
    await onLaptop(`rm -rf ${STATE}; mkdir -p ~/.local/state; chmod 500 ~/.local/state`)
    onTestFinished(async () => void (await onLaptop('chmod 700 ~/.local/state')))
    for (const how of ['', '-d']) {
      const {exitCode, stderr} = await jnode.run(`start ro --host head ${how}`)
      expect({exitCode, stderr}).toEqual({exitCode: 2, stderr: expect.stringMatching(/Error: .*\.local\/state\/jnode.* (cannot be|permission)/i) as string})
      expect(stderr).not.toContain('This is a bug')
    }
    await nothingLeft(lab)
  })

  test('lies on a disk that becomes full: the session goes on, and a change is refused in one sentence', async () => {
    await jnode.ok('start tight --host head')
    await jnode.ok('disconnect')
    onTestFinished(async () => void (await asRoot('laptop', `umount -l ${STATE} 2>/dev/null`)))
    // The same files on a disk of their own, with no room left.
    const {exitCode} = await asRoot('laptop', `rm -f ${STATE}/keeper.log* && cp -a ${STATE} /tmp/kept && mount -t tmpfs -o size=64k,mode=700,uid=4001,gid=4001 tmpfs ${STATE} && cp -a /tmp/kept/. ${STATE} && rm -r /tmp/kept && ! cat /dev/zero >${STATE}/filler 2>/dev/null`)
    expect(exitCode).toBe(0)
    const failure = await jnode.fails('connect tight')
    expect(failure).toMatchObject({exitCode: 2, code: 'config', message: expect.stringContaining('the disk is full') as string})
    expect(await jnode.ok<{sessions: SessionView[]}>('list')).toMatchObject({sessions: [{name: 'tight', state: 'ready'}]})
    await asRoot('laptop', `rm ${STATE}/filler`)
    const back = await jnode.ok('connect tight')
    expect(await answers(lab, back.url!)).toEqual(OPEN)
    await jnode.ok('stop')
    await nobodyHere()
    await asRoot('laptop', `umount ${STATE}`)
    await onLaptop(`rm -rf ${STATE}`)
    await nothingLeft(lab)
  })
})

describe('on the cluster', () => {
  test('the home becomes full under a session: the kernel goes on, and the job’s end needs no room', async () => {
    const session = await jnode.ok('start full --host head --node node1')
    const kernel = await openKernel(lab, session.url!)
    const dir = '/home/alice/.jnode/sessions/full'
    await asRoot('node1', `mount -t tmpfs -o size=4k,mode=700,uid=4001,gid=4001 tmpfs ${dir} && cat /dev/zero >${dir}/filler 2>/dev/null`)
    onTestFinished(async () => void (await asRoot('node1', `umount -l ${dir} 2>/dev/null`)))
    await lab.exec('head', 'alice', ['qmod', '-sj', session.jobId!])
    await lab.exec('head', 'alice', ['qmod', '-usj', session.jobId!])
    await kernel.survives()
    kernel.close()
    await jnode.ok('stop full')
    await asRoot('node1', `umount -l ${dir}`)
    await nothingLeft(lab)
  })

  test('the job’s TMPDIR is removed: the browser is told, and `stop` cleans up', async () => {
    const session = await jnode.ok('start tmpless --host head --node node1')
    await asRoot('node1', 'rm -rf /tmp/*.all.q/jnode')
    await until('the page says so', async () => (await statusOf(lab, pageOf(session.url!, 'tree'))) === 503)
    await jnode.ok('stop tmpless')
    await nothingLeft(lab)
  })

  test('a job is killed that has its files in /tmp itself: `clean` finds them on the node', async () => {
    // A path that the job's socket cannot have.
    await lab.qconf(['-rattr', 'queue', 'tmpdir', '/tmp/od#d', 'all.q'])
    onTestFinished(async () => {
      await lab.qconf(['-rattr', 'queue', 'tmpdir', '/tmp', 'all.q'])
      for (const node of ['node1', 'node2'] as const) await lab.exec(node, 'root', 'rm -rf "/tmp/od#d"', {cwd: '/'})
    })
    for (const node of ['node1', 'node2'] as const) await lab.exec(node, 'root', 'mkdir -m 1777 "/tmp/od#d"', {cwd: '/'})
    const session = await jnode.ok('start litter --host head --node node1')
    const onNode = async () => (await asRoot('node1', 'ls -d /tmp/jnode.*')).stdout.trim()
    expect(await onNode()).toMatch(/^\/tmp\/jnode\.\w{8}$/)
    await onLaptop(`kill -KILL ${session.keeperPid}`)
    await asRoot('node1', 'pkill -KILL -u alice')
    await until('Grid Engine forgets the job', async () => (await lab.exec('head', 'alice', `qstat -j ${session.jobId}`)).exitCode !== 0, 120_000)
    expect(await onNode()).not.toBe('')
    const {found, removed} = await jnode.ok<Cleaning>('clean --host head --yes')
    expect(found).toContainEqual({kind: 'session', name: 'litter', where: 'head', why: `its job ${session.jobId} has ended`})
    expect(removed).toBe(found.length)
    expect(await onNode()).toBe('')
    await asRoot('node1', 'rm -rf "/tmp/od#d"')
    await lab.exec('node2', 'root', 'rm -rf "/tmp/od#d"', {cwd: '/'})
    await nothingLeft(lab)
  })

  test('a cell asks for more memory than the job has: it is refused, and the kernel goes on', async () => {
    const session = await jnode.ok('start greedy --host head --sge-arg=-l --sge-arg=h_vmem=3G')
    const kernel = await openKernel(lab, session.url!)
    expect(await kernel.run('x = bytearray(8 << 30)')).toMatch(/^MemoryError/)
    await kernel.survives()
    kernel.close()
    await jnode.ok('stop greedy')
    await nothingLeft(lab)
  })
})

test('50 starts and stops in a row leave no process, file, job or descriptor', async () => {
  // All of them use its connection.
  const stays = await jnode.ok('start stays --host head')
  const descriptors = async () => Number((await onLaptop(`ls /proc/${stays.keeperPid}/fd | wc -l`)).stdout)
  const before = await descriptors()
  for (let i = 0; i < 50; i++) {
    await jnode.ok('start again --host head')
    await jnode.ok('stop again')
  }
  await expect.poll(descriptors, {timeout: 30_000, interval: 500}).toBeLessThanOrEqual(before + 1)
  await figure('50 starts and stops: descriptors of the keeper whose connection they used, before and after', `${before}, ${await descriptors()}`)
  await jnode.ok('stop stays')
  await nothingLeft(lab)
})
