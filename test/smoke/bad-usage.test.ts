import {mkdirSync, writeFileSync} from 'node:fs'
import {createServer, type AddressInfo} from 'node:net'
import {join} from 'node:path'
import {afterAll, beforeAll, describe, expect, onTestFinished, test} from 'vitest'
import {openWorld, refusalOf, usePackage, type World} from './world.ts'

usePackage()

let world: World
beforeAll(async () => {
  world = await openWorld()
})
// All this is told before anybody is asked anything.
afterAll(async () => {
  expect(world.cluster.accepted('gateway')).toBe(0)
  await world.close()
})

const usage = (message: string, hint: string) => ({exitCode: 2, code: 'usage', message, hint})

test.each([
  [['--cores', '0'], '--cores must be a whole number from 1 to 100000, not 0'],
  [['--cores', '-1'], '--cores must be a whole number from 1 to 100000, not -1'],
  [['--cores', 'x'], '--cores must be a whole number from 1 to 100000, not "x"'],
  [['--cores', '1e9'], '--cores must be a whole number from 1 to 100000, not "1e9"'],
  [['--port', '0'], '--port must be a whole number from 1 to 65535, not 0'],
  [['--port=-3'], '--port must be a whole number from 1 to 65535, not -3'],
])('start %j', async (flags, message) => {
  expect(await refusalOf(world, ['start', ...flags])).toEqual(usage(message, 'Write the number with digits only.'))
})

test('an amount of memory in no unit there is', async () => {
  expect(await refusalOf(world, ['start', '--mem', '12Q'])).toEqual(usage('--mem must be an amount of memory above zero, not "12Q"', 'Write it as a number with K, M, G or T: 500M, 32G, 1.5T.'))
})

test('a time that no clock shows', async () => {
  expect(await refusalOf(world, ['start', '--time', '25:61'])).toEqual(usage('--time must be a length of time, not "25:61"', 'Write it as 8h, 90m, 1d12h, HH:MM:SS or D-HH:MM:SS.'))
})

test.each([
  ['a slash', 'a/b', '"a/b"'],
  ['a blank', 'a b', '"a b"'],
  ['a command', '$(touch x)', '"$(touch x)"'],
  ['300 characters', 'n'.repeat(300), `"${'n'.repeat(39)}…"`],
  ['an emoji', 'nb🎉', '"nb🎉"'],
])('a name with %s', async (_, name, shown) => {
  expect(await refusalOf(world, ['start', name])).toEqual(
    usage(`${shown} cannot be the name of a session`, 'A name begins with a letter and has at most 40 letters, digits, "-", "_" and single dots, the last one not a dot.'),
  )
})

test.each([
  [['foo'], /^command foo not found$/],
  [['start', '--nope'], /^Nonexistent flag: --nope$/],
  [['start', 'a', 'b'], /^Unexpected argument: b$/],
  [['start', '--cores'], /^Flag --cores expects a value$/],
  [['start', '--wait', '3s', '--no-wait'], /--no-wait=true cannot also be provided when using --wait|--wait=3s cannot also be provided when using --no-wait/],
])('a command line that is wrong in form: %j', async (args, message) => {
  expect(await refusalOf(world, args)).toEqual({exitCode: 2, code: 'usage', message: expect.stringMatching(message) as string, hint: 'See more with --help.'})
})

test('a number of lines that is none', async () => {
  expect(await refusalOf(world, ['logs', 'nb', '-n', '-5'])).toEqual(usage('--lines "-5" is not a number of lines', 'Give a whole number from 1 on.'))
})

test('a port that somebody else has', async () => {
  const server = createServer()
  // On all addresses: a session's own is not known beforehand.
  await new Promise<void>((resolve) => server.listen(0, '0.0.0.0', resolve))
  onTestFinished(() => void server.close())
  const {port} = server.address() as AddressInfo
  expect(await refusalOf(world, ['start', 'held', '--port', String(port)])).toEqual({
    exitCode: 2,
    code: 'port-taken',
    message: expect.stringMatching(new RegExp(`^Port ${port} is taken at 127(\\.\\d+){3}$`)) as string,
    hint: 'Give another one with --port, or leave --port out.',
  })
})

test('a place for the keeper’s socket that cannot be made costs no job', async () => {
  const state = join(world.laptop.home, 'state')
  mkdirSync(join(state, 'jnode'), {recursive: true})
  // Neither here nor, in its place, below the directory for temporary files.
  const file = join(state, 'jnode/keepers')
  writeFileSync(file, '')
  expect(await refusalOf(world, ['start'], {XDG_STATE_HOME: state, TMPDIR: file})).toMatchObject({
    exitCode: 2,
    code: 'config',
    message: expect.stringContaining(file) as string,
    hint: 'Make that directory yours, or set XDG_STATE_HOME to a short path that is.',
  })
})

describe('a configuration', () => {
  const told = async (toml: string, env: Record<string, string> = {}) => {
    writeFileSync(world.laptop.configFile, toml)
    const {message, ...refusal} = await refusalOf(world, ['start'], env)
    return {...refusal, message: message.replace(world.laptop.configFile, 'FILE')}
  }

  test('with a key that is wrong', async () => {
    expect(await told('[clusters.c]\nhots = "head"\n')).toMatchObject({
      exitCode: 2,
      code: 'config',
      message: 'clusters.c.hots in FILE is not a key of jnode’s configuration',
      hint: expect.stringMatching(/^Did you mean "host"\? The keys there are: /) as string,
    })
  })

  test('with a value of a wrong type', async () => {
    expect(await told('[clusters.c]\nhost = "head"\njump = "gateway"\n')).toMatchObject({exitCode: 2, code: 'config', message: 'clusters.c.jump in FILE must be a list, such as ["you@gateway.example.org"], not "gateway"'})
  })

  test('that is no TOML', async () => {
    expect(await told('[clusters.c]\nhost = head\n')).toMatchObject({
      exitCode: 2,
      code: 'config',
      message: expect.stringMatching(/^FILE is not valid TOML at line 2, column \d+: /) as string,
      hint: 'Mend that line. Text stands in quotes, as in host = "you@head.example.org".',
    })
  })

  test('without any cluster', async () => {
    // This machine may be a head node itself.
    expect(await told('', {PATH: '/nowhere'})).toMatchObject({exitCode: 2, code: 'config', message: 'No cluster is configured, and this machine has no qsub', hint: expect.stringContaining('--host you@head.example.org') as string})
  })
})
