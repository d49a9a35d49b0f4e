import {expect, test} from 'vitest'
import {parseMemory} from '../../../src/config/memory.ts'
import {failureOf} from '../expect-error.ts'

test.each([
  ['1K', 1024],
  ['500M', 500 * 2 ** 20],
  ['32G', 32 * 2 ** 30],
  ['32g', 32 * 2 ** 30],
  ['1.5G', 1.5 * 2 ** 30],
  ['1.5T', 1.5 * 2 ** 40],
  ['32GB', 32 * 2 ** 30],
  ['32GiB', 32 * 2 ** 30],
  ['32 gib', 32 * 2 ** 30],
  ['0.3K', 308],
  ['1024T', 2 ** 50],
])('%s is %d bytes', (text, bytes) => {
  expect(parseMemory(text)).toBe(bytes)
})

test.each(['12Q', 'x', '', 'G', '32', '-1G', '0', '0G', '0.0M', '1,5G', '1e3G', '1..5G', 'G32', '32Gb/s', '32G 1', '32P'])('%j is refused with the accepted form', (text) => {
  expect(failureOf(() => parseMemory(text))).toEqual({
    code: 'usage',
    message: `--mem must be an amount of memory above zero, not ${JSON.stringify(text)}`,
    hint: 'Write it as a number with K, M, G or T: 500M, 32G, 1.5T.',
  })
})

test('more than any host has is a slip of the finger', () => {
  expect(failureOf(() => parseMemory('2000T', 'JNODE_MEM')).message).toBe('JNODE_MEM must be an amount of memory of at most 1024T, not "2000T"')
})
