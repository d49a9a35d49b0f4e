import {expect, test} from 'vitest'
import {phaseOf} from '../../../src/sge/job-state.ts'

test.each([
  ['pending', 'qw', 'Rqw', 'Rq'],
  ['held', 'hqw', 'hRwq', 'hRqw'],
  ['starting', 't', 'Rt'],
  ['running', 'r', 'Rr', 'hr', 'er'],
  ['suspended', 's', 'sr', 'ts', 'Rs', 'S', 'tS', 'RS', 'T', 'tT', 'RT', 'Tr', 'N', 'P'],
  ['error', 'Eqw', 'Ehqw', 'EhRqw'],
  ['deleting', 'dr', 'dt', 'ds', 'dRr', 'dqw'],
  ['finished', 'z'],
  ['unknown', '', 'x', 'R', 'e', '?'],
])('%s', (phase, ...letters) => {
  expect(letters.map(phaseOf)).toEqual(letters.map(() => phase))
})
