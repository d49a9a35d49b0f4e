import {existsSync, readFileSync} from 'node:fs'
import {describe, expect, test} from 'vitest'
import {gridEngine} from '../../../src/sge/client.ts'
import {complained, fixture, printed} from './fixture.ts'
import {headNode, type HeadNode} from './head-node.ts'

const grid = gridEngine({setup: ''})
const ALL = {prefix: '', ids: []}
const ARGS = ['-terse', '-N', 'jn-otter', '-pe', 'smp', '2', '-l', 'h_rt=01:00:00', '-l', 'virtual_free=1G']

/** A qsub that notes how it was called and answers by the first pattern that fits. */
function qsub(head: HeadNode, answers: [pattern: string, text: string, exitCode: number][]): void {
  const cases = answers.map(([pattern, text, exitCode]) => `${pattern}) cat <<'END'\n${text.trimEnd()}\nEND\nexit ${exitCode};;`)
  head.program('bin/qsub', `echo "$*" >>${head.path('calls')}\ncase "$*" in\n${cases.join('\n')}\nesac`)
}

const calls = (head: HeadNode) => readFileSync(head.path('calls'), 'utf8').trimEnd().split('\n')

describe('submit', () => {
  test('checks, then submits the same', () => {
    const head = headNode()
    qsub(head, [["'-w v '*", fixture('qsub-w-v-good.txt'), 0], ['*', '77', 0]])
    expect(head.ask(grid.submit(ARGS, '/home/alice/my job.sh'))).toEqual({kind: 'submitted', jobId: '77', warning: null})
    expect(calls(head)).toEqual([`-w v ${ARGS.join(' ')} /home/alice/my job.sh`, `${ARGS.join(' ')} /home/alice/my job.sh`])
  })

  test('what can never run is not submitted', () => {
    const head = headNode()
    qsub(head, [["'-w v '*", fixture('qsub-w-v-too-many-slots.txt'), 1], ['*', '77', 0]])
    expect(head.ask(grid.submit(ARGS, '/job.sh'))).toMatchObject({kind: 'rejected', code: 'never-runs', hint: expect.stringContaining('--cores') as string})
    expect(calls(head).every((call) => call.startsWith('-w v '))).toBe(true)
  })

  const LOAD_VALUE = 'Unable to run job: Job 5 (-l h_rt=3600,virtual_free=1G) cannot run in queue "all.q@n1" because job requests unknown resource (virtual_free)\nverification: no suitable queues\nExiting.'

  test('a request for a load value, which the check cannot judge, is submitted', () => {
    const head = headNode()
    qsub(head, [
      ["'-w v '*'-pe smp'*virtual_free*", fixture('qsub-w-v-too-many-slots.txt'), 1],
      ["'-w v '*virtual_free*", LOAD_VALUE, 1],
      ["'-w v '*", fixture('qsub-w-v-good.txt'), 0],
      ['*', '77', 0],
    ])
    expect(head.ask(grid.submit(ARGS, '/job.sh'))).toEqual({kind: 'submitted', jobId: '77', warning: null})
    expect(calls(head).at(-1)).toBe(`${ARGS.join(' ')} /job.sh`)
  })

  test('but not when it cannot run without that request either', () => {
    const head = headNode()
    qsub(head, [["'-w v '*'-pe smp'*", fixture('qsub-w-v-too-many-slots.txt'), 1], ["'-w v '*virtual_free*", LOAD_VALUE, 1], ['*', '77', 0]])
    expect(head.ask(grid.submit(ARGS, '/job.sh'))).toMatchObject({kind: 'rejected', code: 'never-runs'})
    expect(calls(head).every((call) => call.startsWith('-w v '))).toBe(true)
  })

  test('a check that fails by itself is a warning', () => {
    const head = headNode()
    qsub(head, [["'-w v '*", 'Unable to run job: JSV timed out.\nExiting.', 1], ['*', '77', 0]])
    expect(head.ask(grid.submit(ARGS, '/job.sh'))).toEqual({
      kind: 'submitted', jobId: '77', warning: 'Whether this job can ever run could not be checked: "Unable to run job: JSV timed out. Exiting."',
    })
  })

  test('a refusal is told in the words of the submission', () => {
    const head = headNode()
    head.program('bin/qsub', `cat >&2 <<'END'\n${fixture('qsub-refused-unknown-pe.txt')}END\nexit 1`)
    expect(head.ask(grid.submit(ARGS, '/job.sh'))).toMatchObject({kind: 'rejected', code: 'rejected', message: expect.stringContaining('"nosuch" does not exist') as string})
  })

  test('the user\'s own -w stands alone', () => {
    const head = headNode()
    qsub(head, [['*', '77', 0]])
    expect(head.ask(grid.submit([...ARGS, '-w', 'n'], '/job.sh'))).toMatchObject({jobId: '77'})
    expect(calls(head)).toHaveLength(1)
  })

  test('nothing in a request is run by the shell', () => {
    const head = headNode()
    qsub(head, [["'-w v '*", '', 0], ['*', '77', 0]])
    const nasty = ['-A', `$(echo hit >${head.path('hit')})\`echo hit\`'"; echo hit #`]
    head.ask(grid.submit(nasty, '/job.sh'))
    expect(calls(head).at(-1)).toBe(`${nasty.join(' ')} /job.sh`)
  })
})

describe('check, without submitting', () => {
  test.each([
    ['what can run', fixture('qsub-w-v-good.txt'), 0, {kind: 'runs'}],
    ['what never can', fixture('qsub-w-v-too-many-slots.txt'), 1, {kind: 'refused', hint: expect.stringContaining('--cores') as string}],
    ['what the submission would refuse', fixture('qsub-refused-unknown-pe.txt'), 1, {kind: 'refused', message: expect.stringContaining('"nosuch" does not exist') as string, hint: expect.stringContaining('--pe') as string}],
    ['what could not be asked', 'error: commlib error: got select error (Connection refused)\nUnable to run job: unable to contact qmaster using port 6444 on host "h".\nExiting.', 1, {kind: 'unknown', message: expect.stringContaining('could not be checked: "error: commlib error') as string}],
  ])('%s', (_, text, exitCode, verdict) => {
    const head = headNode()
    qsub(head, [["'-w v '*", text, exitCode], ['*', 'submitted after all', 9]])
    expect(head.ask(grid.check(ARGS))).toMatchObject(verdict)
    expect(calls(head).every((call) => call.startsWith('-w v '))).toBe(true)
  })
})

test('scripts begin with the site\'s setup, and speak English', () => {
  const head = headNode()
  head.program('site/qstat', `[ "$LC_ALL" = C ] && cat <<'END'\n${fixture('qstat-empty.xml')}END`)
  const own = gridEngine({setup: `PATH='${head.path('site')}':$PATH; export PATH`})
  expect(head.ask(own.list('alice', ALL), {LC_ALL: 'de_DE.UTF-8'})).toEqual({kind: 'known', jobs: []})
})

test('no qstat there is no empty list', () => {
  expect(headNode().ask(grid.list('alice', ALL)).kind).toBe('unknown')
})

describe('why', () => {
  test('it waits', () => {
    expect(grid.why('2', 'pending').read(printed(fixture('qstat-j-pending.txt')))).toMatchObject({
      kind: 'waiting', text: 'Too little gpu is free (2 on node2.local); parallel environment smp has 0 of 2 slots free together',
    })
  })

  test('it failed to start: the reason without time and numbers', () => {
    expect(grid.why('8', 'error').read(printed(fixture('qstat-j-error.txt')))).toMatchObject({
      kind: 'error', text: 'Grid Engine could not start the job: can\'t open output file "/nonexistent/dir/log": No such file or directory',
    })
  })

  test('it is held, by hand or for other jobs', () => {
    expect(grid.why('3', 'held').read(printed(fixture('qstat-j-held.txt')))).toMatchObject({kind: 'held', text: 'Held by hand; `qrls` releases it if the hold is your own'})
    const dependent = fixture('qstat-j-held.txt').replace('binding:', 'jid_predecessor_list (req): first\njid_predecessor_list:       40\nbinding:')
    expect(grid.why('3', 'held').read(printed(dependent))).toMatchObject({kind: 'held', text: 'Held until job 40 has ended'})
  })

  test('a hold is told by whose it is', () => {
    const head = headNode()
    head.program('bin/qstat', `case "$*" in
  '-j 3') cat <<'END'\n${fixture('qstat-j-held.txt')}END\n;;
  *'-s ho'|*'-s hs') printf '      3 0.00000 jn-held    alice        hqw   11/20/2026 23:28:43  1\\n     33 0.1 x alice hqw\\n';;
esac`)
    expect(head.ask(grid.why('3', 'held'))).toMatchObject({kind: 'held', text: 'Held by an operator of the cluster, who must release it; Held by an administrator of the cluster, who must release it'})
  })

  test('the noise of a shepherd is left out of the error', () => {
    const noisy = fixture('qstat-j-error.txt').replace(/error: can't open.*$/m, `can't stat() "/root/x" as stdout_path: Permission denied KRB5CCNAME=none uid=4001 gid=4001 4001 65400 `)
    expect(grid.why('8', 'error').read(printed(noisy))).toMatchObject({text: 'Grid Engine could not start the job: can\'t stat() "/root/x" as stdout_path: Permission denied'})
  })

  test('nothing is made up', () => {
    expect(grid.why('9', 'error').read(complained(fixture('qstat-j-unknown.txt')))).toBeNull()
    expect(grid.why('2', 'running').read(printed(fixture('qstat-j-pending.txt')))).toBeNull()
  })

  test('where the scheduler keeps no notes, qalter is asked, for a waiting job only', () => {
    const head = headNode()
    const off = fixture('qstat-j-pending.txt').replace(/scheduling info:[^]*/, 'scheduling info:            (Collecting of scheduler job information is turned off)\n')
    head.program('bin/qstat', `cat <<'END'\n${off}END`)
    head.program('bin/qalter', `[ "$*" = '-w p 2' ] && cat <<'END'\n${fixture('qalter-w-p.txt')}END`)
    expect(head.ask(grid.why('2', 'pending'))).toMatchObject({kind: 'waiting', text: expect.stringContaining('Too little gpu is free') as string})
    expect(head.ask(grid.why('2', 'running'))).toBeNull()
  })
})

describe('how it would start sooner', () => {
  const QUEUES = `queuename                      qtype resv/used/tot. load_avg arch          states
---------------------------------------------------------------------------------
all.q@node1.local              BIP   0/3/4          18.20    lx-amd64
---------------------------------------------------------------------------------
all.q@node2.local              BIP   0/0/4          -NA-     lx-amd64      u
---------------------------------------------------------------------------------
long.q@a-node-with-a-very-long-name.cluster.example.org BIP   1/1/8          0.01    lx-amd64
`
  const WAITING = `job-ID  prior   name       user         state submit/start at     queue                          slots ja-task-ID
-----------------------------------------------------------------------------------------------------------------
      1 0.90000 a b c      bob          qw    11/21/2026 08:48:28                                    1
      9 0.80000 held       bob          hqw   11/21/2026 08:48:28                                    1
     10 0.70000 wrong      bob          Eqw   11/21/2026 08:48:28                                    1
      2 0.50000 jn-pending alice        qw    2026-11-21 08:48:28                                    2
      3 0.40000 again      bob          Rq    11/21/2026 08:48:28                                    2 1-5:1
`

  function ask(details: string, verdict = 'verification: found suitable queue(s)') {
    const head = headNode()
    head.program('bin/qstat', `case "$*" in '-j 2') cat <<'END'\n${details}END\n;; -f*) cat <<'END'\n${QUEUES}END\n;; '-s p '*) cat <<'END'\n${WAITING}END\n;; esac`)
    head.program('bin/qsub', `echo "$*" >>${head.path('calls')}; echo '${verdict}'`)
    const engine = gridEngine({setup: ''})
    const why = head.ask(engine.why('2', 'pending'))
    return {why, proved: why?.sooner ? head.ask(engine.couldStart(why.sooner)) : null, calls: Object.fromEntries(engine.calls), qsub: () => calls(head)[0]}
  }

  const details = (slots: number, more = '') => fixture('qstat-j-pending.txt').replace(/range: \d+/, `range: ${slots}`).replace(/^hard resource_list:.*$/m, 'hard resource_list:         h_rt=3600,hostname=node1.local').replace('binding:', `${more}binding:`)

  test('enough slots elsewhere: without its node', () => {
    const {why, proved, calls: asked, qsub} = ask(details(4))
    expect(why).toMatchObject({text: expect.stringMatching(/; it is number 2 of 3 jobs that wait$/) as string, slow: false})
    expect(why?.sooner?.text).toBe('4 slots are free now on a-node-with-a-very-long-name.cluster.example.org: without --node it could start at once')
    expect(proved).toBe(true)
    expect(qsub()).toMatch(/^-w p -pe smp 4 -l h_rt=3600 -b y /)
    expect(asked).toEqual({'qstat -j': 1, qstat: 2, 'qsub -w': 1})
  })

  test('fewer slots than asked for: with as many', () => {
    expect(ask(details(16, 'hard_queue_list:            all.q\n')).why?.sooner?.text).toBe('6 slots are free now on a-node-with-a-very-long-name.cluster.example.org: with --cores 6 and without --node and --queue it could start at once')
  })

  test('the scheduler says no: then it is not told', () => {
    expect(ask(details(4), 'verification: no suitable queues').proved).toBe(false)
  })

  test('a job that asks for no place and for no more than is free waits for something else', () => {
    expect(ask(details(4).replace(',hostname=node1.local', '')).why?.sooner).toBeNull()
  })

  test('in brief, nothing but the job is asked about', () => {
    const head = headNode()
    head.program('bin/qstat', `case "$*" in '-j 2') cat <<'END'\n${details(4)}END\n;; *) echo 'not asked for' >${head.path('calls')};; esac`)
    expect(head.ask(grid.why('2', 'pending', {brief: true}))).toMatchObject({kind: 'waiting', sooner: null})
    expect(existsSync(head.path('calls'))).toBe(false)
  })
})

test('the accounting of a job, by number and name', () => {
  const head = headNode()
  head.program('bin/qacct', `[ "$*" = '-j 43' ] && cat <<'END'\n${fixture('qacct-exit-3.txt')}END`)
  const {name} = head.ask(grid.account('43', null))!
  expect(head.ask(grid.account('43', name))).toMatchObject({exitStatus: 3})
  expect(head.ask(grid.account('43', 'other'))).toBeNull()
  expect(head.ask(grid.account('44', null))).toBeNull()
})
