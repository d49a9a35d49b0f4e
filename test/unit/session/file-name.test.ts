import fc from 'fast-check'
import {expect, test} from 'vitest'
import {fileNameOf} from '../../../src/session/file-name.ts'
import {fuzzing} from '../fuzzing.ts'

const PLATFORMS = ['linux', 'darwin', 'win32'] as const
const names = fc.oneof(
  fc.string({unit: 'binary', maxLength: 300}),
  fc.array(fc.integer({min: 0, max: 0xffff}), {maxLength: 6}).map((units) => String.fromCharCode(...units)),
  fc.constantFrom('', '.', '..', 'con', 'CON', 'Nul.json', 'aux.', 'com1', 'a.', 'a..', 'a ', '../../x', 'a/b', 'a\\b', 'a:b', '*', '%~', '\ud800', '\udfff', 'A'.repeat(300), 'a'.repeat(300)),
)

test.each(PLATFORMS)('on %s a name is one file that every system can have', (platform) => {
  fc.assert(
    fc.property(names, (name) => {
      const file = fileNameOf(name, platform)
      expect(file).toMatch(/^[A-Za-z0-9%~_!'().-]+$/)
      expect(file.length).toBeLessThanOrEqual(200)
      expect(file).not.toMatch(/^\.|\.$|^(con|prn|aux|nul|com\d|lpt\d)(\.|$)/i)
    }),
    fuzzing(500),
  )
})

test.each(PLATFORMS)('on %s two names are two files', (platform) => {
  // What macOS and Windows take for the same.
  const asSeen = (name: string) => (platform === 'linux' ? fileNameOf(name, platform) : fileNameOf(name, platform).toLowerCase())
  fc.assert(fc.property(names, names, (a, b) => a === b || asSeen(a) !== asSeen(b)), fuzzing(500))
  const alike = ['Nightly', 'nightly', 'NIGHTLY', 'con', 'CON', 'a.', 'a', '%61', 'a'.repeat(250), `${'a'.repeat(250)}b`, '\ud800', '\ud801', '\ufffd']
  expect(new Set(alike.map(asSeen)).size).toBe(alike.length)
})

test('what exists today keeps its name', () => {
  for (const name of ['otters-sing', 'Nightly_2', 'hpc', 'me@head', 'me@head.example.org:2222', 'me@[::1]:22', 'job-12-8889']) expect(fileNameOf(name, 'linux')).toBe(encodeURIComponent(name))
})
