/** The documentation names only what is there, and everything that has to be in it. */
import {existsSync, readdirSync, readFileSync} from 'node:fs'
import {dirname, join} from 'node:path'
import {fileURLToPath} from 'node:url'
import type {Command} from '@oclif/core'
import {describe, expect, test} from 'vitest'
import {keysAt} from '../../src/config/shape.ts'
import {EXIT_CODES} from '../../src/errors.ts'
import {COMMANDS} from '../../src/main.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
const read = (file: string) => readFileSync(join(root, file), 'utf8')
const below = (directory: string): string[] =>
  readdirSync(join(root, directory), {recursive: true, encoding: 'utf8'}).filter((file) => file.endsWith('.md')).map((file) => join(directory, file))
const PAGES = ['README.md', 'CONTRIBUTING.md', 'CHANGELOG.md', 'test/cluster/README.md', ...below('docs')]

interface Package {
  scripts: Record<string, string>
  dependencies: Record<string, string>
  devDependencies: Record<string, string>
}
const {scripts, dependencies, devDependencies} = JSON.parse(read('package.json')) as Package

const commands = COMMANDS as unknown as Record<string, Command.Class>
/** Flags of one command with the names as typed; every command has those of oclif and of the base class. */
function flagsOf(command: Command.Class): string[] {
  const own = Object.entries({...command.baseFlags, ...command.flags})
  return ['--json', '--help', ...own.flatMap(([name, flag]) => [`--${name}`, ...(flag.char ? [`-${flag.char}`] : [])])]
}
const ALL_FLAGS = new Set([...Object.values(commands).flatMap(flagsOf), '--version'])

/** Lines and `code spans` that show jnode being called, as words. */
function calls(text: string): string[][] {
  const shown = [...text.matchAll(/`([^`\n]+)`/g), ...text.matchAll(/^ {4}(.+)$/gm)].map(([, code]) => code!.trim())
  return shown.filter((code) => /^jnode(?= |$)/.test(code)).map((code) => code.split(/\s+/).slice(1))
}

describe.each(PAGES)('%s', (page) => {
  const text = read(page)

  test('calls only commands that exist, with flags that they have', () => {
    for (const [name, ...words] of calls(text)) {
      if (name === undefined || name.startsWith('-')) continue
      expect(Object.keys(commands)).toContain(name)
      for (const word of words.filter((each) => each.startsWith('-'))) expect(flagsOf(commands[name]!)).toContain(word.split('=')[0])
    }
  })

  test('names only flags that exist', () => {
    // Flags of jnode stand in code spans of their own; those of other programs come with their program.
    const named = [...text.matchAll(/`(--[a-z][a-z-]*)(?:[ =][^`]*)?`/g)].map(([, flag]) => flag!)
    for (const flag of named) expect([...ALL_FLAGS]).toContain(flag)
  })

  test('names only npm scripts and variables that exist', () => {
    for (const [, script] of text.matchAll(/npm run ([a-z:]+)/g)) expect(Object.keys(scripts)).toContain(script)
    const variables = new Set(Object.values(commands).flatMap((command) => Object.values({...command.baseFlags, ...command.flags}).map((flag) => ('env' in flag ? flag.env : undefined))))
    // The tests' own.
    for (const [, variable] of text.matchAll(/\b(JNODE_[A-Z_]*[A-Z])\b/g)) expect([...variables, 'JNODE_LAB', 'JNODE_FUZZ_RUNS', 'JNODE_FUZZ_SEED', 'JNODE_SCREENSHOTS']).toContain(variable)
  })

  test('holds no trace of a merge', () => {
    expect(text).not.toMatch(/^(<{7}|={7}$|>{7})/m)
  })

  test('points only to files that exist', () => {
    for (const [, target] of text.matchAll(/\]\(([^)#\s]+)(?:#[^)]*)?\)/g)) {
      if (!/^https?:/.test(target!)) expect(existsSync(join(root, dirname(page), target!)), target).toBe(true)
    }
    const named = [...text.matchAll(/`((?:src|test|docs|scripts|bin)\/[\w./-]+)`/g)].map(([, path]) => path!)
    for (const path of named) expect(existsSync(join(root, path)), path).toBe(true)
  })
})

test('every error code stands in docs/words.md with its exit code', () => {
  const rows = Object.fromEntries([...read('docs/words.md').matchAll(/^\| `([a-z-]+)` \| (\d+) \|/gm)].map(([, code, exit]) => [code, Number(exit)]))
  expect(rows).toEqual(EXIT_CODES)
})

test('every dependency stands in docs/dependencies.md, and no other', () => {
  const rows = [...read('docs/dependencies.md').matchAll(/^\| `([^`]+)` \|/gm)].map(([, name]) => name)
  expect(rows.sort()).toEqual([...Object.keys(dependencies), ...Object.keys(devDependencies)].sort())
})

test('what is loaded at run time is a dependency, and what is only bundled is not', () => {
  const [, loaded, bundled, tools] = read('docs/dependencies.md').split(/^## (?=Loaded|In the bundle|For development|Looked)/m)
  const names = (text: string) => [...text.matchAll(/^\| `([^`]+)` \|/gm)].map(([, name]) => name).sort()
  expect(names(loaded!)).toEqual(Object.keys(dependencies).sort())
  expect(names(`${bundled}${tools}`)).toEqual(Object.keys(devDependencies).sort())
})

test('every key of config.toml stands in docs/configuration.md', () => {
  const text = read('docs/configuration.md')
  for (const key of [...keysAt(['clusters', 'hpc']), ...keysAt(['profiles', 'big'])]) expect(text).toContain(`\`${key}\``)
})

test('every command stands in the README', () => {
  for (const name of Object.keys(commands)) expect(read('README.md')).toContain(`jnode ${name}`)
})

test('the README’s picture shows no token', () => {
  expect(read('docs/start.svg')).toContain('token=...')
  expect(read('docs/start.svg')).not.toMatch(/token=[0-9a-f]/)
})

test('every attack in docs/security.md names tests that exist', () => {
  const rows = read('docs/security.md').split('\n## What is not promised')[0]!.split('\n').filter((line) => /^\| (to|as) /.test(line))
  expect(rows.length).toBeGreaterThan(40)
  for (const row of rows) {
    const named = [...row.split('|').at(-2)!.matchAll(/`([^`]+)`/g)].map(([, name]) => name!)
    expect(named, row).not.toEqual([])
    for (const name of named) expect(existsSync(join(root, `test/${name}.test.ts`)), name).toBe(true)
  }
})
