import {afterAll, beforeAll, describe, expect, test} from 'vitest'
import {COMMANDS} from '../../src/main.ts'
import {documentOf, openWorld, usePackage, type World} from './world.ts'

usePackage()

let world: World
beforeAll(async () => {
  world = await openWorld()
})
afterAll(() => world.close())

interface Described {
  summary?: string
  strict?: boolean
  args?: object
  flags: object
  baseFlags?: object
}

interface Flag {
  char?: string
  type: 'option' | 'boolean'
  multiple?: boolean
  helpValue?: string
  env?: string
  description?: string
}

/** All that scripts may rely on: commands, arguments, flags, letters, variables. */
function surface(): string {
  return Object.entries(COMMANDS as unknown as Record<string, Described>)
    .map(([name, command]) => [`jnode ${name}${argumentsOf(command)}`, `  ${command.summary}`, ...flagsOf(command)].join('\n'))
    .join('\n\n')
    .concat('\n')
}

function argumentsOf({args = {}, strict}: Described): string {
  return Object.entries(args)
    .map(([name, {required}]: [string, {required?: boolean}]) => ` ${required ? name.toUpperCase() : `[${name.toUpperCase()}]`}${strict === false ? '...' : ''}`)
    .join('')
}

function flagsOf({flags, baseFlags = {}}: Described): string[] {
  return Object.entries({...flags, ...baseFlags} as Record<string, Flag>)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, flag]) => {
      const value = flag.type === 'option' ? `=${flag.helpValue ?? 'value'}` : ''
      const letter = flag.char ? `, -${flag.char}` : ''
      return `  --${name}${value}${letter}${flag.multiple ? ' (repeatable)' : ''}${flag.env ? ` [${flag.env}]` : ''}`
    })
}

test('is what it was, or this file shows in review what has changed', async () => {
  await expect(surface()).toMatchFileSnapshot('commands.txt')
})

describe('the program by itself', () => {
  test('tells its version and its commands', async () => {
    expect(await world.jnode('--version')).toMatchObject({exitCode: 0, stdout: expect.stringMatching(/^jnode\/\d+\.\d+\.\d+ /) as string, stderr: ''})
    for (const args of [['--help'], ['help'], []]) {
      const {exitCode, stdout} = await world.jnode(...args)
      expect(exitCode).toBe(0)
      for (const name of Object.keys(COMMANDS)) expect(stdout).toContain(`  ${name} `)
      expect(stdout).not.toMatch(/\u001B/)
    }
    expect((await world.jnode('help', 'start')).stdout).toBe((await world.jnode('start', '--help')).stdout)
  })

  test.each(Object.keys(COMMANDS))('%s --help shows every flag', async (name) => {
    const {exitCode, stdout, stderr} = await world.jnode(name, '--help')
    expect({exitCode, stderr}).toEqual({exitCode: 0, stderr: ''})
    const flags = {...(COMMANDS as unknown as Record<string, Described>)[name]!.flags}
    for (const flag of [...Object.keys(flags), 'json', 'quiet', 'verbose']) expect(stdout).toContain(`--${flag}`)
  })
})

test('--json is one document on stdout for every command, whatever fails', async () => {
  const names = Object.keys(COMMANDS)
  const ended = await Promise.all(names.map((name) => world.jnode(name, '--json', '--host', 'ada@127.0.0.1:1')))
  for (const one of ended) expect(documentOf(one)).toBeTypeOf('object')
  const broken = await Promise.all(names.map((name) => world.jnode(name, '--json', '--nope')))
  for (const one of broken) {
    expect(documentOf(one)).toEqual({error: {code: 'usage', message: 'Nonexistent flag: --nope', hint: 'See more with --help.'}})
    expect(one).toMatchObject({exitCode: 2, stderr: ''})
  }
})
