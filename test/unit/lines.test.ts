import {PassThrough} from 'node:stream'
import {expect, test} from 'vitest'
import {LINE_CHARS} from '../../src/bounds.ts'
import {lineSplitter} from '../../src/lines.ts'
import {followOver, type ShellProcess} from '../../src/ssh/remote-command.ts'

test('lines come whole, however the text is cut into pieces', () => {
  const splitter = lineSplitter()
  expect(['on', 'e\ntw', 'o\n\nthr', 'ee'].flatMap((piece) => splitter.take(piece))).toEqual(['one', 'two', ''])
  expect(splitter.rest()).toBe('three')
})

test('a line that is too long goes on in the next, and nothing of it is lost', () => {
  const splitter = lineSplitter({most: 4, tail: 2})
  const lines = ['abcdefg', 'hijklmn\no', '\n'].flatMap((piece) => splitter.take(piece))
  expect(lines).toEqual(['abcd', 'efgh', 'ijklmn', 'o'])
})

test('an output without a last newline is followed to its end, wherever a long line is cut', async () => {
  for (const length of [LINE_CHARS - 10, LINE_CHARS, LINE_CHARS + 10, 3 * LINE_CHARS + 20]) {
    const [stdin, stdout] = [new PassThrough(), new PassThrough()]
    stdin.once('data', (script: Buffer) => {
      const mark = /jnode-[0-9a-f]{24}/.exec(script.toString())![0]
      stdout.end(`${mark} begin 0\n${'x'.repeat(length)}${mark} end 0\n`)
    })
    const shell: ShellProcess = {stdin, stdout, stderr: new PassThrough(), ended: Promise.resolve(), kill: () => {}}
    const lengths: number[] = []
    await followOver(async () => shell, 'head')('cat', (line) => lengths.push(line.length), new AbortController().signal)
    expect(lengths.every((each) => each === LINE_CHARS)).toBe(true)
  }
})
