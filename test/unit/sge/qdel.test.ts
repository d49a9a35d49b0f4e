import {expect, test} from 'vitest'
import {readRemoval} from '../../../src/sge/qdel.ts'
import {fixture, printed} from './fixture.ts'

test.each([
  ['qdel-running.txt', 'registered'],
  ['qdel-running-notify.txt', 'registered'],
  ['qdel-pending.txt', 'deleted'],
  ['qdel-in-deletion.txt', 'already'],
  ['qdel-unknown.txt', 'missing'],
  ['qdel-not-owner.txt', 'denied'],
  ['qdel-unreachable.txt', 'unknown'],
])('%s: %s', (file, kind) => {
  expect(readRemoval(printed(fixture(file))).kind).toBe(kind)
})

test('words that are not known are kept', () => {
  expect(readRemoval(printed('rule "default rule (spool dir)" in spooling context "flatfile spooling" failed\nwriting an object\n'))).toEqual({
    kind: 'unknown', said: '"rule "default rule (spool dir)" in spooling context "flatfile spooling" failed writing an object"',
  })
})
