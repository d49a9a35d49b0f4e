import {describe, expect, test} from 'vitest'
import {endingOf} from '../../../src/sge/ending.ts'
import {isRestart, parseAccounting} from '../../../src/sge/qacct.ts'
import {fixture} from './fixture.ts'

const NO_LIMITS = {runSeconds: null, memoryBytes: null}

/** One sentence from what qacct printed. */
function ending(text: string, limits: Partial<typeof NO_LIMITS> | {runSeconds?: number; memoryBytes?: number} = {}, name: string | null = null): string | null {
  const accounting = parseAccounting(text, name)
  return accounting && endingOf(accounting, {...NO_LIMITS, ...limits})
}

const univa = (failed: string, exitStatus: string, more = '') =>
  `qname        main\nhostname     n11\nowner        alice\njobname      jn-otter\nstart_time   06/30/2015 15:24:59.247\nslots        1\nfailed       ${failed}\nexit_status  ${exitStatus}\nru_wallclock 7200.500\n${more}`

describe('8.1.9', () => {
  test.each([
    ['qacct-done.txt', 'The job ended by itself.'],
    ['qacct-exit-3.txt', 'The job ended with exit status 3.'],
    ['qacct-deleted.txt', 'The job was ended by SIGKILL: by qdel, at a limit, or because its node ran out of memory.'],
    ['qacct-deleted-notify.txt', 'The job was ended by SIGUSR2, the warning Grid Engine sends before qdel or a limit kills.'],
    ['qacct-crashed.txt', 'The job was ended by SIGSEGV: it crashed, often for want of memory.'],
    ['qacct-node-lost.txt', 'The job failed: its node was lost and has reported no end (Grid Engine: before writing exit_status).'],
    ['qacct-rescheduled.txt', 'The job was ended by SIGKILL: by qdel, at a limit, or because its node ran out of memory.'],
    ['qacct-no-directory.txt', 'The job failed: the node could not open its log file (Grid Engine: opening input/output file).'],
  ])('%s', (file, sentence) => {
    expect(ending(fixture(file))).toBe(sentence)
  })

  test('a run after which the job is started again is no end', () => {
    const text = fixture('qacct-rescheduled.txt')
    const first = text.slice(0, text.lastIndexOf('qname'))
    expect([first, text].map((records) => isRestart(parseAccounting(records, null)!))).toEqual([true, false])
  })

  test('its time limit, when that is known', () => {
    expect(ending(fixture('qacct-time-limit.txt'), {runSeconds: 2})).toBe('The job reached its time limit of 2 s.')
    expect(ending(fixture('qacct-time-limit.txt')), 'as the accounting keeps it').toBe('The job reached its time limit of 2 s.')
    expect(ending(fixture('qacct-time-limit.txt').replace(/^category.*$/m, ''))).toBe('The job ran into a limit of time or memory (Grid Engine: qmaster enforced h_rt, h_cpu, or h_vmem limit).')
  })

  test.each(['qacct-unknown.txt', 'qacct-too-early.txt', 'qacct-deleted-pending.txt'])('%s tells nothing', (file) => {
    expect(parseAccounting(fixture(file), null)).toBeNull()
  })
})

describe('other engines', () => {
  test('Univa says who removed it', () => {
    expect(ending(univa('100 : assumedly after job', '137', 'deleted_by   bob\n'))).toBe('The job was removed by bob.')
    expect(ending(univa('0', '0', 'deleted_by   NONE\n'))).toBe('The job ended by itself.')
  })

  test('a time limit is told from the time it ran, where the engine only names the signal', () => {
    expect(ending(univa('100 : assumedly after job', '137'), {runSeconds: 7200})).toBe('The job reached its time limit of 2 h.')
    expect(ending(univa('100 : assumedly after job', '137'), {runSeconds: 7300})).toContain('SIGKILL')
  })

  test('a clean end is no time limit, however long it ran', () => {
    expect(ending(univa('0', '0'), {runSeconds: 7200})).toBe('The job ended by itself.')
  })

  test('limits are read from the accounting where nobody else knows them', () => {
    expect(ending(univa('100 : assumedly after job', '137', 'category  -u alice -l h_rt=2:00:00,h_vmem=2G\n'))).toBe('The job reached its time limit of 2 h.')
    expect(ending(univa('0', '137', 'slots        2\nmaxvmem      3.9G\ncategory     -l h_vmem=2G -pe smp 2\n'))).toBe('The job ran into its memory limit.')
  })

  test('memory at the limit', () => {
    expect(ending(univa('0', '1', 'maxvmem      3.950G\n'), {memoryBytes: 4 * 2 ** 30})).toBe('The job ran into its memory limit.')
    expect(ending(univa('0', '1', 'maxvmem      1073741824\n'), {memoryBytes: 4 * 2 ** 30})).toBe('The job ended with exit status 1.')
  })

  test.each([
    ['100', '140', 'SIGUSR2, the warning'],
    ['100', '139', 'SIGSEGV: it crashed'],
    ['100', '165', 'signal 37'],
    ['28  : changing into working directory', '0', 'working directory'],
    ['27', '0', 'shell'],
    ['13', '0', 'by itself'],
  ])('failed %s, exit status %s', (failed, exitStatus, words) => {
    expect(ending(univa(failed, exitStatus))).toContain(words)
  })
})

test('of several records the last with the job\'s name counts: numbers are used again', () => {
  const records = univa('0', '1') + univa('0', '2') + univa('0', '3').replace('jn-otter', 'other')
  expect(ending(records, {}, 'jn-otter')).toBe('The job ended with exit status 2.')
  expect(ending(records, {}, 'gone')).toBeNull()
})

test('a job that never ran has no time', () => {
  expect(parseAccounting(fixture('qacct-no-directory.txt'), null)?.wallSeconds).toBeNull()
  expect(parseAccounting(fixture('qacct-exit-3.txt'), null)).toMatchObject({name: expect.stringMatching(/^jn-/) as string, owner: 'alice', slots: 2, exitStatus: 3})
})
