import {execFileSync, spawn} from 'node:child_process'
import {readFileSync} from 'node:fs'
import {fileURLToPath} from 'node:url'
import {describe, expect, test} from 'vitest'
import {makeWorld, usePackage, type World} from './world.ts'

usePackage()

const python = ['python3', '/usr/bin/python3'].find((program) => {
  try {
    execFileSync(program, ['-c', 'import pty'], {stdio: 'ignore'})
    return true
  } catch {
    return false
  }
})
if (!python) console.warn('Skipped: jnode in a terminal (needs python3 with its pty module)')

/** Runs jnode in a terminal and types what `script` says (terminal.py). `drawn` is all that the terminal was sent. */
async function inTerminal(world: World, args: string[], script: string[], size = [24, 100]): Promise<{exitCode: number | null; drawn: string; shown: string}> {
  const program = fileURLToPath(new URL('terminal.py', import.meta.url))
  // Where python3 is a wrapper, it changes the environment on its way.
  const exactly = ['env', '-i', ...Object.entries({...world.laptop.env, SSH_ASKPASS_REQUIRE: 'never'}).map(([name, value]) => `${name}=${value}`), 'TERM=xterm-256color']
  const child = spawn(python!, [program, ...size.map(String), ...exactly, process.execPath, world.bin, ...args], {stdio: ['pipe', 'pipe', 'inherit']})
  let drawn = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => (drawn += text))
  child.stdin.end(script.join('\n'))
  const exitCode = await new Promise<number | null>((resolve) => child.once('close', resolve))
  return {exitCode, drawn, shown: drawn.replaceAll(/\u001B\[[0-9;?]*[A-Za-z]/g, '').replaceAll('\r', '')}
}

describe.skipIf(!python)('in a terminal', () => {
  test('the steps are drawn, the URL stands by itself, the status line below, and Ctrl-C keeps the job', async () => {
    const world = await makeWorld()
    const {exitCode, drawn, shown} = await inTerminal(world, ['start', 'nb', '--no-browser'], ['@Ctrl-C closes', '^C'])
    expect(exitCode).toBe(130)
    expect(drawn).toMatch(/\u001B\[/)
    for (const step of ['Log in to ada@head.local', 'Job 1 submitted', 'Job 1 runs on node', 'Jupyter answers (route socket)']) expect(shown).toMatch(new RegExp(`✔ ${step.replace(/[()]/g, '\\$&')}`))
    expect(shown).toMatch(/\nhttp:\/\/127(?:\.\d+){3}:\d+\/lab\?token=\w+\n/)
    expect(shown).toMatch(/nb on node\d\.local · 1 slot · route socket · Ctrl-C closes the tunnel, the job stays/)
    expect(shown).toMatch(/\nThe tunnel is closed; job 1 goes on\n {2}Come back with /)
    // The cursor is given back.
    expect(drawn.lastIndexOf('\u001B[?25h')).toBeGreaterThanOrEqual(drawn.lastIndexOf('\u001B[?25l'))
    expect(world.cluster.grid.jobs()).toHaveLength(1)
  })

  test('init shows what it would write, and writes it when told to', async () => {
    const world = await makeWorld()
    const before = readFileSync(world.laptop.configFile, 'utf8')
    const no = await inTerminal(world, ['init'], ['@[Y/n]', 'n'], [40, 200])
    expect(no).toMatchObject({exitCode: 0, shown: expect.stringMatching(/pe = "smp" {2}# learnt: [^]*Write this into .*config\.toml\? \[Y\/n\][^]*Nothing was written\./) as string})
    expect(readFileSync(world.laptop.configFile, 'utf8')).toBe(before)
    expect(await inTerminal(world, ['init'], ['@[Y/n]', 'y'], [40, 200])).toMatchObject({exitCode: 0, shown: expect.stringContaining('Written into') as string})
    expect(readFileSync(world.laptop.configFile, 'utf8')).toContain('pe = "smp"  # learnt:')
  })

  const asksTwice = () => makeWorld({logins: {gateway: {methods: ['password']}, head: {methods: ['password']}}})

  test.each([
    ['in the foreground', []],
    ['for the background', ['-d']],
  ])('passwords are asked for in the middle of the steps, hidden, once per hop: %s', async (_, flags) => {
    const world = await asksTwice()
    const {cluster} = world
    const {exitCode, drawn, shown} = await inTerminal(world, ['start', 'nb', '--no-browser', ...flags], [
      "@ada@127.0.0.1's password:", cluster.password,
      "@ada@head.local's password:", cluster.password,
      ...(flags.length === 0 ? ['@Ctrl-C closes', '^C'] : []),
    ])
    expect(exitCode).toBe(flags.length === 0 ? 130 : 0)
    expect(drawn).not.toContain(cluster.password)
    expect(shown).toMatch(/http:\/\/127(?:\.\d+){3}:\d+\//)
    expect(cluster.attempts('gateway').filter(({method}) => method === 'password')).toEqual([{method: 'password', user: 'ada', detail: '', ok: true}])
  })

  test('the question of a host comes without its orders to the terminal', async () => {
    const question = {prompt: '\u001B[6n\u001B]0;mine\u0007\u009B6n\u202ECode: ', answer: 'abc', echo: true}
    const world = await makeWorld({logins: {gateway: {methods: ['keyboard-interactive'], questions: [[question]]}}})
    const {exitCode, drawn} = await inTerminal(world, ['list'], ['@Code:', 'abc'])
    expect(exitCode).toBe(0)
    expect(drawn).toContain('mine')
    expect(drawn).not.toMatch(/\u001B\]|\u001B\[6n|[\u0080-\u009F\u202E]/)
  })

  test.each([
    ['at the password', ["@ada@127.0.0.1's password:", '^C']],
    ['at the second password', ["@ada@127.0.0.1's password:", 'correct horse', "@ada@head.local's password:", '^C']],
  ])('Ctrl-C %s leaves nothing', async (_, script) => {
    const world = await asksTwice()
    for (const flags of [[], ['-d']]) {
      const {exitCode, shown} = await inTerminal(world, ['start', 'nb', '--no-browser', ...flags], script)
      expect(exitCode).toBe(130)
      expect(shown).toMatch(/Interrupted/)
      expect(shown).not.toMatch(/This is a bug|ExitPromptError/)
      await world.expectNothingLeft()
    }
  })

  test('Ctrl-C while the job waits leaves nothing', async () => {
    const world = await makeWorld({faults: {'never-schedules': true}})
    for (const flags of [[], ['-d']]) {
      const {exitCode, shown} = await inTerminal(world, ['start', 'nb', '--no-browser', ...flags], ['@Wait for a node', '^C'])
      expect(exitCode).toBe(130)
      expect(shown).toMatch(/Interrupted before the server was ready; nothing is left of the session/)
      await world.expectNothingLeft()
    }
  })

  test('a failed step is marked, and told in one sentence', async () => {
    const world = await makeWorld({faults: {'no-qsub': true}})
    const {exitCode, shown} = await inTerminal(world, ['start', 'nb'], [])
    expect(exitCode).toBe(5)
    expect(shown).toMatch(/✖ Log in to ada@head\.local/)
    expect(shown).not.toMatch(/✔ Log in|✖ Clean up/)
    expect(shown).toMatch(/Error: There is no qsub on head\.local/)
  })

  test('a terminal that does not know its width gets whole lines', async () => {
    const world = await makeWorld()
    const {exitCode, shown} = await inTerminal(world, ['start', 'nb', '-d', '--no-browser'], [], [0, 0])
    expect(exitCode).toBe(0)
    expect(shown).toMatch(/^Log in to ada@head\.local \.\.\.\nSubmit the job \.\.\.\nJob 1 submitted\n/)
  })

  test('--json draws nothing', async () => {
    const world = await makeWorld()
    const {shown, drawn} = await inTerminal(world, ['start', 'nb', '--json'], [])
    expect(JSON.parse(shown)).toMatchObject({state: 'ready'})
    expect(drawn).not.toMatch(/\u001B/)
  })
})
