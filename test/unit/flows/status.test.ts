import {expect, test} from 'vitest'
import {statusOf} from '../../../src/flows/status.ts'
import {parseRecord} from '../../../src/jupyter/record.ts'
import type {SharedFacts} from '../../../src/session/facts.ts'
import {phaseOf} from '../../../src/sge/job-state.ts'
import type {Job} from '../../../src/sge/qstat.ts'

const facts = {jobId: '7', jobName: 'jnode-s'} as SharedFacts
const job = (letters: string): Job => ({id: '7', name: 'jnode-s', owner: 'alice', letters, phase: phaseOf(letters) as Job['phase'], queue: null, node: 'node1', slots: 1, taskId: null})
const started = 'jnode-record 1\njob 7\nnode node1\nstarted 1700000000\n'

const stateOf = (letters: string, {answered = false, record = started, gone = false} = {}) =>
  statusOf(facts, {jobs: {kind: 'known', jobs: letters === '' ? [] : [job(letters)]}, record: parseRecord(record), answered, gone}).state

test('is ready once the server has answered, whether or not Grid Engine and the job have said so yet', () => {
  for (const letters of ['t', 'r']) {
    expect(stateOf(letters)).toBe('starting')
    expect(stateOf(letters, {answered: true})).toBe('ready')
    expect(stateOf(letters, {record: `${started}listening\n`})).toBe('ready')
  }
})

test('a job that runs again starts again', () => {
  expect(stateOf('Rr', {answered: true})).toBe('starting')
  expect(stateOf('Rr', {answered: true, record: `${started}listening\n`})).toBe('ready')
})

test('a job that waits or is deleted is neither, whatever was before', () => {
  expect(stateOf('qw', {answered: true})).toBe('queued')
  expect(stateOf('hqw', {answered: true})).toBe('held')
  expect(stateOf('dr', {answered: true})).toBe('stopping')
})

test('a job that is missing has ended only where somebody says so', () => {
  expect(stateOf('')).toBe('unknown')
  expect(stateOf('', {gone: true})).toBe('ended')
  expect(stateOf('', {record: `${started}listening\nend 0 finished Jupyter was shut down\n`})).toBe('ended')
})
