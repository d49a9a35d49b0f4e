import {expect, test} from 'vitest'
import {neverReason} from '../../../src/sge/never-runs.ts'
import {fixture} from './fixture.ts'

const refusal = (...lines: string[]) => `Unable to run job: Job 7 ${lines.join('\nJob 7 ')}\nverification: no suitable queues\nExiting.\n`

test('too many slots: the flag is --cores, with Grid Engine\'s own line', () => {
  expect(neverReason(fixture('qsub-w-v-too-many-slots.txt'), ['-pe', 'smp', '64', '-l', 'h_rt=01:00:00'])).toEqual({
    message: 'This request can never run: parallel environment smp cannot give 64 slots (Grid Engine: cannot run in PE "smp" because it only offers 0 slots)',
    hint: 'Ask for less with --cores, or name another parallel environment with --pe.',
  })
})

test('slots with memory: either may be too much', () => {
  expect(neverReason(refusal('cannot run in PE "mpi" because it only offers 4 slots'), ['-pe', 'mpi', '9', '-l', 'mem_free=3G'])).toMatchObject({
    message: expect.stringContaining('cannot give 9 slots, but 4, with what else is asked for') as string,
    hint: 'Ask for less with --cores or --mem, or name another parallel environment with --pe.',
  })
})

test.each([
  ['qsub-w-v-too-many-gpus.txt', 'no host or queue offers gpu=9; the best is 2 on node2.local', 'Ask for less with --gpus.'],
  ['qsub-w-v-too-much-memory.txt', 'no host or queue offers mem_free=999G; the best is 8G on node1.local', 'Ask for less with --mem.'],
])('%s', (file, words, hint) => {
  expect(neverReason(fixture(file), ['-l', 'x=1'])).toMatchObject({message: expect.stringContaining(words) as string, hint})
})

test.each([
  ['time', ['(-l h_rt=7200) cannot run in queue "all.q" because of cluster queue'], ['-l', 'h_rt=02:00:00'], 'lower than what is asked for (h_rt=7200)', '--time'],
  ['node', ['(-l gpu=1,hostname=n1) cannot run at host "n1" because it offers only hc:gpu=0.000000', '(-l gpu=1,hostname=n1) cannot run in queue "a@n2" because it offers only qf:hostname=n2'],
    ['-l', 'gpu=1', '-l', 'hostname=n1'], 'gpu=1; the best is 0 on n1', '--node'],
  ['a node without queue', ['(-l hostname=head) cannot run in queue "a@n2" because it offers only qf:hostname=n2'], ['-l', 'hostname=head'], 'no queue has the node asked for', '--node'],
  ['project', ['(no project) does not have the correct project to run in cluster queue "all.q"'], [], 'project may not use all.q', '--project'],
  ['permission', ['has no permission for cluster queue "all.q"'], ['-q', 'all.q'], 'you may not use all.q', '--queue'],
  ['forced', ['does not request \'forced\' resource "lic" of host n1'], [], 'does not ask for lic', '--sge-arg=lic=1'],
  ['forced time', ['does not request \'forced\' resource "h_rt" of queue instance a@n1'], [], 'does not ask for h_rt', 'Ask for it with --time.'],
  ['forced memory, time and another', ['does not request \'forced\' resource "h_vmem" of host n1', 'does not request \'forced\' resource "lic" of host n1', 'does not request globally \'forced\' resource "h_rt"'], [],
    'does not ask for h_vmem, lic, h_rt', 'Ask for it with --mem and --time and --sge-arg=-l --sge-arg=lic=1 ('],
])('%s', (_, lines, args, words, flag) => {
  expect(neverReason(refusal(...lines), args)).toMatchObject({message: expect.stringContaining(words) as string, hint: expect.stringContaining(flag) as string})
})

test('what is not understood is quoted', () => {
  expect(neverReason('Unable to run job: the moon is wrong\nverification: no suitable queues\nExiting.', []).message).toContain('the moon is wrong verification: no suitable queues')
})
