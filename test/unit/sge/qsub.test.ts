import {describe, expect, test} from 'vitest'
import {qsubArguments, qsubLine, readSubmission, type JobRequest, type ResourceChoice} from '../../../src/sge/qsub.ts'
import {failureOf} from '../expect-error.ts'
import {complained, fixture, printed} from './fixture.ts'

const GIB = 2 ** 30
const PLAIN: JobRequest = {
  name: 'jn-otter', slots: 1, parallelEnvironment: null, memoryBytes: null, gpus: 0, runSeconds: null, queue: null, node: null,
  project: null, account: null, extraArgs: [], logPath: '/home/alice/.jnode/sessions/otter/log', shell: '/bin/sh',
}
const PER_SLOT: ResourceChoice = {memory: [{resource: 'mem_free', per: 'slot'}], gpu: {resource: 'gpu', per: 'slot'}}
const PER_JOB: ResourceChoice = {memory: [{resource: 'h_vmem', per: 'job'}], gpu: {resource: 'gpus', per: 'job'}}

const args = (request: Partial<JobRequest>, resources = PER_SLOT) => qsubArguments({...PLAIN, ...request}, resources)
/** The values of an option that may stand more than once. */
const values = (list: string[], option: string) => list.filter((_, i) => list[i - 1] === option)

describe('arguments', () => {
  test('the plain ones', () => {
    expect(qsubLine(args({}), '/home/alice/.jnode/sessions/otter/job.sh')).toBe(
      'qsub -terse -b n -S /bin/sh -N jn-otter -o /home/alice/.jnode/sessions/otter/log -j y -r n -notify -m n /home/alice/.jnode/sessions/otter/job.sh',
    )
  })

  test('slots, memory for the whole session, GPUs, time', () => {
    const request = {slots: 8, parallelEnvironment: 'smp', memoryBytes: 32 * GIB, gpus: 8, runSeconds: 36 * 3600}
    expect(values(args(request), '-l')).toEqual(['h_rt=36:00:00', 'mem_free=4G', 'gpu=1'])
    expect(values(args(request, PER_JOB), '-l')).toEqual(['h_rt=36:00:00', 'h_vmem=32G', 'gpus=8'])
    expect(args(request)).toEqual(expect.arrayContaining(['-pe', 'smp', '8']))
  })

  test('memory is rounded up, never down', () => {
    expect(values(args({slots: 3, parallelEnvironment: 'smp', memoryBytes: GIB}), '-l')).toEqual(['mem_free=342M'])
    expect(values(args({memoryBytes: 1}), '-l')).toEqual(['mem_free=1M'])
  })

  test('where from', () => {
    const list = args({queue: 'long.q', node: 'node7', project: 'p1', account: 'a1', extraArgs: ['-l', 'lic=1', '-soft']})
    expect(list.slice(-11)).toEqual(['-l', 'hostname=node7', '-q', 'long.q', '-P', 'p1', '-A', 'a1', '-l', 'lic=1', '-soft'])
  })

  test('a log path with a colon is no host', () => {
    expect(values(args({logPath: '/home/a:b/log'}), '-o')).toEqual([':/home/a:b/log'])
  })

  test('nothing of this environment goes along', () => {
    expect(args({extraArgs: []})).not.toEqual(expect.arrayContaining(['-V']))
    expect(args({extraArgs: []})).not.toEqual(expect.arrayContaining(['-v']))
  })

  test('GPUs that cannot be divided among the slots are refused, not multiplied', () => {
    const request = {slots: 8, parallelEnvironment: 'smp', gpus: 1}
    expect(failureOf(() => args(request))).toMatchObject({code: 'usage', message: 'This cluster counts gpu per slot: 8 slots cannot share 1 of them'})
    expect(values(args(request, PER_JOB), '-l')).toEqual(['gpus=1'])
  })

  test('where a part of a GPU can be asked for, the slots share', () => {
    const shared: ResourceChoice = {memory: [], gpu: {resource: 'gpus', per: 'slot', divisible: true}}
    expect(values(args({slots: 8, parallelEnvironment: 'omp', gpus: 1}, shared), '-l')).toEqual(['gpus=0.125'])
    expect(values(args({slots: 3, parallelEnvironment: 'omp', gpus: 1}, shared), '-l')).toEqual(['gpus=0.333333'])
  })

  test('every resource that stands for memory is asked for', () => {
    const both: ResourceChoice = {memory: [{resource: 'tmem', per: 'slot'}, {resource: 'h_vmem', per: 'job'}], gpu: null}
    expect(values(args({slots: 4, parallelEnvironment: 'smp', memoryBytes: 2 * GIB}, both), '-l')).toEqual(['tmem=512M', 'h_vmem=2G'])
  })

  test('what qsub would misread is refused', () => {
    expect(failureOf(() => args({extraArgs: ['h_vmem=4G']})).code).toBe('usage')
    expect(failureOf(() => args({account: 'my group'})).code).toBe('usage')
  })

  test('nothing asked for is left out in silence', () => {
    expect(() => args({slots: 2})).toThrow(TypeError)
    expect(() => args({gpus: 1}, {memory: [], gpu: null})).toThrow(TypeError)
    expect(() => args({memoryBytes: GIB}, {memory: [], gpu: null})).toThrow(TypeError)
  })

  test('the line can be typed: every word is quoted', () => {
    expect(qsubLine(args({extraArgs: ['-l', "a='b c'"]}), '/tmp/my job')).toMatch(/ -l 'a='\\''b c'\\''' '\/tmp\/my job'$/)
  })
})

describe('a job number', () => {
  test.each([
    ['qsub-answer.txt', '18'],
    ['qsub-answer-terse.txt', '19'],
    ['qsub-answer-array.txt', '20'],
    ['qsub-answer-terse-array.txt', '21'],
  ])('%s', (file, jobId) => {
    expect(readSubmission(printed(fixture(file)))).toEqual({kind: 'submitted', jobId, warning: null})
  })

  test('between the noise of sites', () => {
    const banner = '-----------\n Welcome to Lonestar4, 2 of 3 queues\n 2011\n-----------\n--> Verifying job request...OK (23.4G)\n'
    expect(readSubmission(printed(`${banner}1314126\n\nHave a nice day\n`))).toMatchObject({jobId: '1314126'})
    expect(readSubmission(printed("ERROR: ld.so: object 'libfoo.so' from LD_PRELOAD cannot be preloaded: ignored.\nYour job 2345678 (\"a (b)\") has been submitted\n"))).toMatchObject({jobId: '2345678'})
  })

  test('a job that stands in the list is submitted, whatever else qsub says and however it ends', () => {
    expect(readSubmission(complained('Unable to run job: warning: alice\'s job is not allowed to run in any queue\nYour job 57 ("jn-otter") has been submitted\nExiting.\n'))).toEqual({
      kind: 'submitted', jobId: '57', warning: "alice's job is not allowed to run in any queue",
    })
    expect(readSubmission({...printed('58\n'), exitCode: 1})).toMatchObject({jobId: '58'})
  })
})

describe('a refusal', () => {
  test.each([
    ['qsub-refused-unknown-pe.txt', 'the requested parallel environment "nosuch" does not exist', '--pe'],
    ['qsub-refused-unknown-queue.txt', 'unknown queue "nosuch.q"', '--queue'],
    ['qsub-w-v-queue-time.txt', 'unknown queue "all.q@nosuch"', '--queue'],
    ['qsub-refused-unknown-resource.txt', 'unknown resource "nosuch"', '--sge-arg'],
    ['qsub-refused-unknown-project.txt', 'the requested project "nosuch" does not exist', '--project'],
    ['qsub-refused-unknown-host.txt', "can't resolve hostname \"nosuch\"", '--node'],
    ['qsub-refused-bad-memory.txt', 'attribute "mem_free" is not a memory value', '--sge-arg'],
    ['qsub-refused-bad-name.txt', 'cannot start with a digit', 'leading digits'],
    ['qsub-refused-bad-option.txt', 'invalid option argument "-wrong"', '--sge-arg'],
    ['qsub-refused-word-slots.txt', 'Numerical value invalid!', '--cores'],
    ['qsub-refused-zero-slots.txt', 'pe range must be greater than zero', '--cores'],
    ['qsub-refused-slots-resource.txt', 'use parallel environments instead of requesting slots explicitly', '--cores'],
    ['qsub-refused-not-submit-host.txt', 'is not a submit host', '--host'],
  ])('%s', (file, words, flag) => {
    expect(readSubmission(complained(fixture(file)))).toMatchObject({
      kind: 'rejected', code: 'rejected', message: expect.stringContaining(words) as string, hint: expect.stringContaining(flag) as string,
    })
  })

  test('Grid Engine\'s words are joined and stand alone', () => {
    const wrapped = 'Unable to run job: denied:\n"99_Snap" is not\na valid object name (cannot start with a digit).\nExiting.\n'
    expect(readSubmission(complained(wrapped))).toMatchObject({message: 'Grid Engine rejected the job: denied: "99_Snap" is not a valid object name (cannot start with a digit).'})
  })

  test.each([
    ['Unable to run job: Job is rejected. h_rt must be specified.\nExiting.', '--time'],
    ['Unable to run job: job rejected: Only 4 jobs are allowed per user (current job count: 4).\nExiting.', 'another job'],
    ['Unable to run job: denied: host "h" is no submit host.\nExiting.', '--host'],
    ['Unable to run job: "job" denied: use parallel environments instead of requesting slots expl\nExiting.', '--cores'],
    ['Unable to run job: You have to tell the colour of your bike.\nExiting.', '--sge-arg'],
  ])('%s', (text, flag) => {
    expect(readSubmission(complained(text))).toMatchObject({kind: 'rejected', code: 'rejected', hint: expect.stringContaining(flag) as string})
  })

  test('a site\'s own -w e', () => {
    expect(readSubmission(complained(fixture('qsub-refused-never-runs.txt')))).toMatchObject({kind: 'rejected', code: 'never-runs'})
  })

  test.each([
    fixture('qsub-unreachable.txt'),
    '\nUnable to initialize environment because of error: Please set the environment variable SGE_ROOT.\nExiting.\n',
    'Unable to initialize environment because of error: cell directory "/opt/sge/default" doesn\'t exist\nExiting.\n',
    'error: commlib error: access denied (client IP resolved to host name "master". This is not identical to clients host name "a")\nerror: failed receiving gdi request response for mid=1 (can\'t find connection).\n',
  ])('Grid Engine itself cannot be used: %s', (text) => {
    expect(readSubmission(complained(text))).toMatchObject({kind: 'rejected', code: 'no-grid-engine'})
  })
})

describe('perhaps submitted', () => {
  test.each([
    ['a busy qmaster', complained('error: failed receiving gdi request response for mid=1 (got syncron message receive timeout error).\n')],
    ['no word at all', printed('')],
    ['a failure without a word', complained('')],
    ['no number', printed('Job handed in, thank you\n')],
    ['cut off', {exitCode: -1, stdout: '', stderr: 'Killed\n'}],
  ])('%s', (_, answer) => {
    expect(readSubmission(answer).kind).toBe('uncertain')
  })
})
