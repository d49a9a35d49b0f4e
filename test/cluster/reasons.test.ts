/** Why a job waits, cannot run or has ended: each in a sentence of its own, as users see it. */
import {afterEach, beforeEach, describe, expect, onTestFinished, test} from 'vitest'
import type {SessionView} from '../../src/flows/session-view.ts'
import {fillSlots, jnodeIn, nothingLeft, sweep} from './jnode.ts'
import {until} from './run.ts'
import {useLab} from './use-lab.ts'

const lab = await useLab()
const jnode = jnodeIn(lab)

/** Runs a command on the head as its manager. */
async function manage(command: string): Promise<void> {
  const {exitCode, stdout, stderr} = await lab.exec('head', 'root', command, {cwd: '/'})
  if (exitCode !== 0) throw new Error(`${command} ended with ${exitCode}: ${stdout}${stderr}`)
}

/** A change of the lab, taken back when the test is over, whatever happened. */
async function changed(command: string, back: string): Promise<void> {
  onTestFinished(() => manage(back))
  await manage(command)
}

beforeEach(() => lab.nodesReady())
afterEach(async ({task}) => {
  if (task.result?.state === 'fail') await sweep(lab)
})

const matching = (text: string | RegExp) => expect.stringMatching(text) as string

/** Submits a session that waits, and answers with its state and reason once Grid Engine has one that fits. */
async function waits(flags: string, reason: RegExp, name = 'w'): Promise<SessionView> {
  await jnode.ok(`start ${name} --host head --no-wait ${flags}`)
  return seen(reason, name)
}

function seen(reason: RegExp, name = 'w'): Promise<SessionView> {
  let last = ''
  return until(`a reason like ${reason} for ${name}`, async () => {
    const view = await jnode.ok(`status ${name}`)
    last = `${view.state}: ${view.reason}`
    return reason.test(view.reason ?? '') && view
  }, 30_000).catch((error: unknown) => {
    throw new Error(`${String(error)}; it was ${last}`)
  })
}

async function stopped(): Promise<void> {
  await jnode.ok('stop --all --host head')
  await nothingLeft(lab)
}

describe('it can never run', () => {
  test('more slots than any host has, in a real start and in a dry run', async () => {
    const message = /^This request can never run: no host has 64 slots in parallel environment smp; the largest has 4 \(node[12]\.local\)/
    expect(await jnode.fails('start x --host head --cores 64')).toMatchObject({exitCode: 5, code: 'never-runs', message: matching(message), hint: matching('--cores')})
    const dry = await jnode.run('start x --host head --cores 64 --dry-run')
    expect(dry).toMatchObject({exitCode: 0, stdout: matching(/^qsub .*-pe smp 64 /)})
    expect(dry.stderr).toMatch(/This request can never run: no host has 64 slots/)
    expect((await jnode.run('start x --host head --dry-run')).stderr).not.toContain('can never run')
    await nothingLeft(lab)
  })

  test('more slots than a quota allows', async () => {
    await changed(`printf '{\\nname people\\nenabled TRUE\\nlimit users {*} to slots=1\\n}\\n' >/tmp/rqs && qconf -Arqs /tmp/rqs; rm /tmp/rqs`, 'qconf -drqs people')
    expect(await jnode.fails('start x --host head --cores 2')).toMatchObject({code: 'never-runs', message: matching(/cannot give 2 slots, though node[12]\.local has 4: a resource quota may forbid it \(people\)/), hint: matching('qconf -srqs')})
    await nothingLeft(lab)
  })

  test('without the time that the site demands', async () => {
    const demand = (requestable: string) => `f=$(mktemp) && qconf -sc | sed 's/^h_rt .*/h_rt h_rt TIME <= ${requestable} NO 0:0:0 0/' >$f && qconf -Mc $f; rm $f`
    await changed(demand('FORCED'), demand('YES'))
    expect(await jnode.fails('start x --host head')).toMatchObject({code: 'never-runs', message: matching(/it does not ask for h_rt, which its hosts or queues demand/), hint: 'Ask for it with --time.'})
    await nothingLeft(lab)
  })
})

describe('it waits', () => {
  test('for a quota, while another session uses it up', async () => {
    await changed(`printf '{\\nname people\\nenabled TRUE\\nlimit users {*} to slots=1\\n}\\n' >/tmp/rqs && qconf -Arqs /tmp/rqs; rm /tmp/rqs`, 'qconf -drqs people')
    await jnode.ok('start first --host head --no-wait')
    await until('the first runs', async () => (await lab.jobs('alice'))[0]?.state === 'r')
    expect(await waits('', /quota/)).toMatchObject({state: 'queued', reason: 'Resource quota people/1 allows no more now'})
    await stopped()
  })

  test('for queues that are disabled and suspended, and says so while the command waits', async () => {
    await changed('qmod -d all.q@node1.local && qmod -s all.q@node2.local', 'qmod -e all.q@node1.local && qmod -us all.q@node2.local')
    const run = jnode.spawn('start w --host head')
    await run.says('Queue instance all.q@node1.local is disabled; queue instance all.q@node2.local is suspended')
    run.signal('SIGINT')
    expect((await run.ended).exitCode).toBe(130)
    await nothingLeft(lab)
  })

  test('for slots, with its place and what could start at once; and starts when they are free', async () => {
    const free = await fillSlots(lab)
    onTestFinished(async () => void (await lab.exec('head', 'bob', 'qdel -u bob')))
    const first = await waits('--cores 2', /full/)
    expect(first).toMatchObject({state: 'queued', reason: '2 queue instances are full'})
    expect((await waits('--cores 3', /full/, 'second')).reason).toMatch(/^2 queue instances are full; it is (the first|number 2) of 2 jobs that wait$/)
    await jnode.ok('stop second')
    await free()
    await until('it runs', async () => (await jnode.ok('status w')).node !== null)
    await stopped()

    const node1 = await lab.exec('head', 'bob', 'qsub -terse -b y -pe smp 3 -l h=node1 -o /dev/null -j y sleep 600')
    await until('node1 is nearly full', async () => (await lab.jobs('bob')).some(({id, state}) => id === node1.stdout.trim() && state === 'r'))
    expect((await waits('--cores 2 --node node1', /./)).reason).toMatch(/\. 2 slots are free now on node2\.local: without --node it could start at once$/)
    await jnode.ok('stop w')
    await lab.exec('head', 'bob', 'qsub -terse -b y -pe smp 2 -l h=node2 -o /dev/null -j y sleep 600')
    await until('node2 is half full', async () => (await lab.jobs('bob')).every(({state}) => state === 'r'))
    expect((await waits('--cores 4', /./)).reason).toMatch(/Parallel environment smp has \d of 4 slots free together\. 2 slots are free now on node2\.local: with --cores 2 it could start at once$/)
    await lab.exec('head', 'bob', 'qdel -u bob')
    await until('bob’s jobs are gone', async () => (await lab.jobs('bob')).length === 0)
    await stopped()
  })

  test('where the scheduler keeps no notes: it is asked anew', async () => {
    const setting = (value: boolean) => `f=$(mktemp) && qconf -ssconf | sed 's/^schedd_job_info .*/schedd_job_info ${value}/' >$f && qconf -Msconf $f; rm $f`
    await changed(`${setting(false)}; qmod -d 'all.q@*'`, `${setting(true)}; qmod -e 'all.q@*'`)
    expect(await waits('', /disabled/)).toMatchObject({state: 'queued', reason: '2 queue instances are disabled'})
    expect((await lab.exec('head', 'alice', 'qstat -j jnode-w')).stdout).toContain('turned off')
    await stopped()
  })

  test('held by its user, by others, and for another job; and goes on when it is released', async () => {
    const before = await waits('--sge-arg=-h', /Held by hand: `qrls`/, 'before')
    expect(before.state).toBe('held')
    await jnode.ok('start after --host head --no-wait --sge-arg=-hold_jid --sge-arg=jnode-before')
    expect(await seen(/until/, 'after')).toMatchObject({state: 'held', reason: `Held until job ${before.jobId} has ended`})
    await manage(`qhold -h s ${before.jobId} && qrls -h u ${before.jobId}`)
    expect(await seen(/administrator/, 'before')).toMatchObject({state: 'held', reason: 'Held by an administrator of the cluster, who must release it'})
    await manage(`qhold -h o ${before.jobId} && qrls -h s ${before.jobId}`)
    expect(await seen(/operator/, 'before')).toMatchObject({state: 'held', reason: 'Held by an operator of the cluster, who must release it'})
    await manage(`qrls -h o ${before.jobId}`)
    await until('it runs', async () => (await jnode.ok('status before')).node !== null)
    await stopped()
  })
})

describe('it is in error', () => {
  test.each([
    ['a directory that is not there', '--sge-arg=-wd --sge-arg=/nosuch/dir', "can't chdir to /nosuch/dir: No such file or directory"],
    ['a log that cannot be written', '--sge-arg=-o --sge-arg=/root/x', `can't stat() "/root/x" as stdout_path: Permission denied`],
  ])('%s: start says so at once and takes it back; later it can be cleared or removed', async (_, flags, said) => {
    const sentence = `Grid Engine could not start the job: ${said}`
    expect(await jnode.fails(`start x --host head ${flags}`)).toMatchObject({exitCode: 6, code: 'job-failed', message: matching(/^Job \d+ cannot start\. /), hint: matching(/^Mend that and start again/)})
    await nothingLeft(lab)
    const {jobId} = await waits(flags, /could not start/)
    expect(await jnode.ok('status w')).toMatchObject({state: 'failed', reason: sentence})
    expect(await jnode.fails('connect w')).toMatchObject({exitCode: 6, message: `Job ${jobId} cannot start. ${sentence}`, hint: `Mend that and let it try again with \`qmod -cj ${jobId}\` on the head node, or remove it with \`jnode stop w\`.`})
    await stopped()
  })

  test('and is mended meanwhile: asked what to do, the user has it tried again, and it starts', async () => {
    onTestFinished(async () => void (await lab.exec('head', 'alice', 'rmdir ~/later')))
    const start = jnode.spawn('start again --host head -d --sge-arg=-wd --sge-arg=/home/alice/later', {terminal: true})
    await start.says(/can't chdir to \/home\/alice\/later[^]*What shall become of the job\?[^]*\]:/)
    await lab.exec('head', 'alice', 'mkdir ~/later')
    start.type('1\r')
    expect(await start.ended).toMatchObject({exitCode: 0, stdout: matching(/http:\/\/127(?:\.\d+){3}:/)})
    expect(await jnode.ok('status')).toMatchObject({state: 'ready', reason: null})
    await stopped()
  })
})

describe('it ended', () => {
  test('at its time limit, and by somebody’s qdel', async () => {
    const [limited, deleted] = await Promise.all([jnode.ok('start limited --host head --time 12s'), jnode.ok('start deleted --host head --time 1h')])
    await jnode.ok('disconnect --all')
    await lab.exec('head', 'alice', ['qdel', deleted.jobId!])
    await until('both are gone', async () => (await lab.jobs()).length === 0, 60_000)
    expect(await jnode.ok('status limited')).toMatchObject({state: 'ended', jobId: limited.jobId, reason: 'The job reached its time limit of 12 s.'})
    expect((await jnode.ok('status deleted')).reason).toMatch(/deleted/)
    expect(await jnode.fails('connect limited')).toMatchObject({exitCode: 6, code: 'job-ended', message: matching('reached its time limit of 12 s'), hint: matching('--time')})
    await stopped()
  })

  test('for want of memory: a limit that Python does not start with, and a kill as the kernel does', async () => {
    expect(await jnode.fails('start x --host head --sge-arg=-l --sge-arg=h_vmem=60M')).toMatchObject({exitCode: 6, code: 'job-failed', message: matching(/^Job \d+ ended: Jupyter ran out of memory\n/), hint: matching('--mem')})
    const run = jnode.spawn('start y --host head --node node1')
    await run.says('Ctrl-C closes the tunnel')
    await lab.exec('node1', 'root', 'pkill -KILL -u alice -f jupyter-notebook', {cwd: '/'})
    expect((await run.ended).stderr).toMatch(/Job \d+ ended: Jupyter was killed by SIGKILL: most often because its node ran out of memory/)
    await nothingLeft(lab)
  })
})
