import {describe, expect, test} from 'vitest'
import {waitingReason} from '../../../src/sge/waiting.ts'
import {fixture} from './fixture.ts'

/** Lines as `qstat -j` prints them. */
const info = (...lines: string[]) => waitingReason(`job_number:  7\nscheduling info:            ${lines.join('\n                            ')}\n`, {slots: '8', instances: []})

test('too little of a resource: the host that has most of it', () => {
  expect(waitingReason(fixture('qstat-j-pending.txt'), {slots: '2', instances: []})).toBe('Too little gpu is free (2 on node2.local); parallel environment smp has 0 of 2 slots free together')
  expect(waitingReason(fixture('qalter-w-p.txt'), {slots: '2', instances: []})).toBe('Too little gpu is free (2 on node2.local); parallel environment smp has 0 of 2 slots free together')
})

test.each([
  ['queue instances are counted', ['queue instance "all.q@n1" dropped because it is full', 'queue instance "all.q@n2" dropped because it is full', 'queue instance "big.q@n3" dropped because it is disabled'],
    '2 queue instances are full; queue instance big.q@n3 is disabled'],
  ['qalter\'s way to say full', ['Job 44 (-l slots=1) cannot run in queue "all.q@n2" because it offers only qc:slots=0.000000'], 'Queue instance all.q@n2 is full'],
  ['disabled queues are not called full', ['queue instance "all.q@n1" dropped because it is disabled', 'All queues dropped because of overload or full'],
    'Queue instance all.q@n1 is disabled'],
  ['a quota says it all', ['cannot run because it exceeds limit "/////" in rule "q1/1"', 'cannot run in PE "smp" because it only offers 0 slots'], 'Resource quota q1/1 allows no more now'],
  ['a quota of old engines', ['Job cannot run in queue instance "all.q@n1" because exceeds limit in rule maxjobs/2'], 'Resource quota maxjobs/2 allows no more now'],
  ['overload', ['queue instance "all.q@n1" dropped because it is overloaded: np_load_avg=1.925 (= 1.925 + 0.50 * 0.00 with nproc=4) >= 1.75'], 'Queue instance all.q@n1 is overloaded'],
  ['queues that were never in question are left out', ['cannot run in queue "short" because it is not contained in its hard queue list (-q)', 'queue instance "long@n1" dropped because it is full'],
    'Queue instance long@n1 is full'],
  ['other hosts than the one of --node too', ['(-l hostname=n1) cannot run in queue "all.q@n2" because it offers only qf:hostname=n2', 'queue instance "all.q@n1" dropped because it is full'],
    'Queue instance all.q@n1 is full'],
  ['PE or pe', ['cannot run in queue "default" because PE "threaded" is not in pe list', 'cannot run in PE "threaded" because it only offers 0 slots'],
    'Parallel environment threaded has 0 of 8 slots free together; queue default does not offer parallel environment threaded'],
  ['a limit of the queue', ['(-l h_rt=7200) cannot run in queue "all.q" because of cluster queue'], 'A limit of queue all.q is lower than what is asked for (h_rt=7200)'],
  ['a limit of a host\'s queue instance', ['(-l h_rt=7200) cannot run in queue "all.q@n1" because it offers only qf:h_rt=01:00:00', '(-l h_rt=7200) cannot run in queue "all.q@n2" because it offers only qf:h_rt=01:30:00'],
    'No more than h_rt=01:30:00 is offered (all.q@n2)'],
  ['permission', ['has no permission for cluster queue "all.q"'], 'You may not use all.q'],
  ['at most three causes', ['queue instance "a@1" dropped because it is full', 'queue instance "a@2" dropped because it is disabled', 'queue instance "a@3" dropped because it is suspended', 'queue instance "a@4" dropped because it is temporarily not available'],
    'Queue instance a@1 is full; queue instance a@2 is disabled; queue instance a@3 is suspended'],
])('%s', (_, lines, sentence) => {
  expect(info(...lines)).toBe(sentence)
})

test.each([
  ['u', 'Node n1 does not answer Grid Engine'],
  ['au', 'Node n1 does not answer Grid Engine'],
  ['E', 'Queue instance all.q@n1 is in error, which an administrator must clear'],
  ['d', 'Queue instance all.q@n1 is disabled'],
  ['s', 'Queue instance all.q@n1 is suspended'],
  ['C', 'Queue instance all.q@n1 is suspended'],
  ['', 'Queue instance all.q@n1 is not available at present'],
])('what keeps a queue instance away: state "%s"', (states, sentence) => {
  const text = 'scheduling info:  queue instance "all.q@n1" dropped because it is temporarily not available\n'
  expect(waitingReason(text, {slots: '1', instances: [{name: 'all.q@n1', free: 0, states}]})).toBe(sentence)
})

describe('nothing to tell', () => {
  test.each(['(Collecting of scheduler job information is turned off)', '-', 'There are no messages available', 'something new'])('%s', (line) => {
    expect(info(line)).toBeNull()
  })
})

test('ten thousand lines are one sentence, soon', () => {
  const lines = Array.from({length: 10_000}, (_, i) => `(-l gpu=4,h_rt=3600) cannot run at host "n${i}" because it offers only hc:gpu=${i % 3}.000000`)
  expect(info(...lines)).toBe('Too little gpu is free (2 on n2)')
})
