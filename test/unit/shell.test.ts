import {execFileSync} from 'node:child_process'
import {mkdtempSync, readdirSync, rmSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {afterAll, expect, test} from 'vitest'
import {command, quote} from '../../src/shell.ts'

const ODD_WORDS = [
  '', ' ', 'plain', '-n', '--', '-e', '~', '~/x', '*', '[a-z]*', '?', '$HOME', '${HOME}', '$(touch hit)', '`touch hit`', "it's", "'", "''", "'\\''", '"', '"$HOME"',
  'a b', 'a  b', ' a ', '\t', 'a\nb', '\n', 'a\n', '\\', '\\n', '\\\\', '#', '#$ -l x', '!', '!!', '&', '&&', '|', ';', '; touch hit', '<x', '>hit', '(', ')', '{a,b}', '%1', '=', 'a=b', '^x', '\r', '\x01', '\x7F',
  'ümläut', '日本', '🦦', 'x'.repeat(20_000),
]

const folder = mkdtempSync(join(tmpdir(), 'jnode-shell-'))
afterAll(() => rmSync(folder, {recursive: true}))

/** The words as the shell sees them, each ended by a NUL. */
function readBack(words: string[]): string[] {
  const script = `set -- ${words.map(quote).join(' ')}\nfor word do printf '%s\\000' "$word"; done`
  const out = execFileSync('/bin/sh', ['-s'], {input: script, cwd: folder, encoding: 'utf8'})
  return out.split('\0').slice(0, -1)
}

test('sh reads every word back unchanged, and runs none of them', () => {
  expect(readBack(ODD_WORDS)).toEqual(ODD_WORDS)
  expect(readdirSync(folder)).toEqual([])
})

test('a command line runs as the argument vector it was made of', () => {
  const argv = ['printf', '<%s>', 'a b', "it's", '', '$HOME', '-l', 'h_rt=01:00:00']
  expect(execFileSync('/bin/sh', ['-c', command(argv)], {encoding: 'utf8'})).toBe("<a b><it's><><$HOME><-l><h_rt=01:00:00>")
})

test('what needs no quotes has none, so that a printed qsub line is easy to read', () => {
  expect(command(['qsub', '-l', 'h_rt=01:00:00,h_vmem=2G', '-pe', 'smp', '8', '/home/me/.jnode/job.sh'])).toBe('qsub -l h_rt=01:00:00,h_vmem=2G -pe smp 8 /home/me/.jnode/job.sh')
})

test('a NUL byte, which no argument can hold, is refused', () => {
  expect(() => quote('a\0b')).toThrow(TypeError)
})
