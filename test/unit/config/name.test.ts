import {describe, expect, test, vi} from 'vitest'
import {checkSessionName, makeUpName} from '../../../src/config/name.ts'
import {failureOf} from '../expect-error.ts'

test.each(['a', 'nightly', 'Run_2', 'exp-1.2', 'x'.repeat(40), 'otters-sing'])('%s is a name', (name) => {
  expect(checkSessionName(name)).toBe(name)
})

describe('a name that a path, a shell or qsub could misread is refused', () => {
  test.each([
    ['a slash', 'a/b', '"a/b"'],
    ['the way up', '../x', '"../x"'],
    ['a space', 'a b', '"a b"'],
    ['a command', '$(x)', '"$(x)"'],
    ['300 characters', 'x'.repeat(300), `"${'x'.repeat(39)}…"`],
    ['41 characters', 'x'.repeat(41), `"${'x'.repeat(39)}…"`],
    ['an emoji', 'a🦦', '"a🦦"'],
    ['a letter of another script', 'é', '"é"'],
    ['nothing', '', '""'],
    ['a digit first, which qsub -N refuses', '1x', '"1x"'],
    ['a dash first', '-rf', '"-rf"'],
    ['a dot first', '.x', '".x"'],
    ['a dot last', 'x.', '"x."'],
    ['two dots', 'a..b', '"a..b"'],
    ['a line end', 'a\n', '"a\\n"'],
    ['a pattern', 'a*', '"a*"'],
    ['what qsub forbids', 'a:b@c', '"a:b@c"'],
  ])('%s', (_what, name, quoted) => {
    expect(failureOf(() => checkSessionName(name))).toEqual({
      code: 'usage',
      message: `${quoted} cannot be the name of a session`,
      hint: 'A name begins with a letter and has at most 40 letters, digits, "-", "_" and single dots, the last one not a dot.',
    })
  })
})

describe('a made-up name', () => {
  test('is a valid name of two words in lower case', () => {
    for (let i = 0; i < 200; i++) {
      const name = makeUpName(new Set())
      expect(name).toMatch(/^[a-z]+-[a-z]+$/)
      expect(checkSessionName(name)).toBe(name)
    }
  })

  test('is none of those taken', () => {
    const random = vi.spyOn(Math, 'random').mockReturnValue(0)
    const first = makeUpName(new Set())
    random.mockReturnValueOnce(0).mockReturnValueOnce(0).mockReturnValue(0.5)
    const second = makeUpName(new Set([first]))
    random.mockRestore()
    expect(second).not.toBe(first)
  })
})
