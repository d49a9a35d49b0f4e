import {expect, test} from 'vitest'
import {meant} from '../../../src/config/nearest.ts'

test.each([
  ['hots', 'Did you mean "host"? The keys are: host, jump, sge_setup.'],
  ['sge-setup', 'Did you mean "sge_setup"? The keys are: host, jump, sge_setup.'],
  ['x', 'The keys are: host, jump, sge_setup.'],
  ['password', 'The keys are: host, jump, sge_setup.'],
])('%s', (word, hint) => {
  expect(meant(word, ['host', 'jump', 'sge_setup'], 'keys')).toBe(hint)
})

test('where there is nothing, it says so', () => {
  expect(meant('hpc', [], 'clusters')).toBe('There are no clusters.')
})
