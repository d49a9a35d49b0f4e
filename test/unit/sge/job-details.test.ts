import {describe, expect, test} from 'vitest'
import {parseJobDetails, readExistence} from '../../../src/sge/job-details.ts'
import {runLimit} from '../../../src/sge/limits.ts'
import {soonerRequest} from '../../../src/sge/sooner.ts'
import {complained, fixture, printed} from './fixture.ts'

test('a key has its lines, a key that is not there has none', () => {
  const details = parseJobDetails(fixture('qstat-j-pending.txt'))
  expect(details.values('parallel environment')).toEqual(['smp range: 2'])
  expect(details.values('scheduling info')).toHaveLength(3)
  expect(details.values('scheduling info')[2]).toBe('cannot run in PE "smp" because it only offers 0 slots')
  expect(details.values('error reason')).toEqual([])
})

test('Open Cluster Scheduler writes some keys with an underscore, and its limits, slots and queues are read all the same', () => {
  const details = 'job_number:                      7\nhard_resource_list:              gpu=1,h_rt=600\nhard_queue_list:                 all.q\nparallel_environment:            smp range: 2\njob_state                   1:   qw\n'
  expect(parseJobDetails(details).values('parallel environment')).toEqual(['smp range: 2'])
  expect(parseJobDetails(details).values('hard_queue_list')).toEqual(['all.q'])
  expect(runLimit('7', null).read(printed(details))).toBe(600)
  expect(soonerRequest(parseJobDetails(details), [{name: 'all.q@n1', free: 4, states: ''}])?.args).toEqual(['-pe', 'smp', '2', '-l', 'gpu=1,h_rt=600'])
})

test('task numbers are no part of keys or values', () => {
  const univa = 'error reason    6:          01/02/2017 17:25:01 [85113:38734]: first\n             6:          second\nusage 1:   cpu=1\n'
  expect(parseJobDetails(univa).values('error reason')).toEqual(['01/02/2017 17:25:01 [85113:38734]: first', 'second'])
})

describe('existence', () => {
  test('a job that is described exists', () => {
    expect(readExistence('2', printed(fixture('qstat-j-pending.txt')))).toBe('yes')
    expect(readExistence('3', printed(fixture('qstat-j-pending.txt')))).toBe('unknown')
  })

  test('only Grid Engine\'s own sentence about this job means that it is gone', () => {
    expect(readExistence('9999', complained(fixture('qstat-j-unknown.txt')))).toBe('no')
    expect(readExistence('45', complained('Following jobs do not exist or permissions are not sufficient: \n45\n'))).toBe('no')
    expect(readExistence('9999', complained('banner\nFollowing jobs do\nnot exist: \n9999\n'))).toBe('no')
    expect(readExistence('99', complained(fixture('qstat-j-unknown.txt')))).toBe('unknown')
  })

  test('a failure is no answer', () => {
    expect(readExistence('1', complained(fixture('qstat-unreachable.txt')))).toBe('unknown')
    expect(readExistence('1', printed(''))).toBe('unknown')
    expect(readExistence('1', {exitCode: -1, stdout: '', stderr: ''})).toBe('unknown')
  })
})
