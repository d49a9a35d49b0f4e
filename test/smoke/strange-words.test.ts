/** What a hostile cluster says reaches no output of the program as a terminal would obey it. */
import {createServer, type AddressInfo} from 'node:net'
import {expect, onTestFinished, test} from 'vitest'
import {steers} from '../unit/strange-text.ts'
import {documentOf, makeWorld, refusalOf, usePackage, type World} from './world.ts'

usePackage()

const TITLE = '\u001B]0;mine\u0007'
const WORDS = `${TITLE}\u001B[2J\u009B6n\u202E\u2028 b\ny`

/** Runs a command; fails if any of what it prints steers a terminal. Answers with all of it. */
async function seen(world: World, args: string[], env: Record<string, string> = {}): Promise<string> {
  const {stdout, stderr} = await world.launch(args, {env}).ended
  expect(steers(stdout) ?? steers(stderr), `${args.join(' ')} printed ${JSON.stringify(stdout + stderr)}`).toBeNull()
  return stdout + stderr
}

/** A host that speaks SSH for as long as it takes to say goodbye, before any key is shown. */
async function rudeHost(): Promise<number> {
  const text = Buffer.from(WORDS)
  const number = (value: number) => Buffer.from([0, 0, value >> 8, value & 255])
  const payload = Buffer.concat([Buffer.from([1]), number(2), number(text.length), text, number(0)])
  const padding = 16 - ((payload.length + 5) % 8)
  const goodbye = Buffer.concat([number(payload.length + padding + 1), Buffer.from([padding]), payload, Buffer.alloc(padding)])
  const server = createServer((socket) => {
    socket.on('error', () => {})
    socket.end(Buffer.concat([Buffer.from(`SSH-2.0-Rude_${TITLE}\r\n`), goodbye]))
  })
  onTestFinished(() => void server.close())
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return (server.address() as AddressInfo).port
}

test('the goodbye of a host that is not logged in to yet is one printable line of the error', async () => {
  const world = await makeWorld()
  const {message} = await refusalOf(world, ['start', 'nb', '--host', `ada@127.0.0.1:${await rudeHost()}`])
  expect(message).toMatch(/^The SSH handshake with 127\.0\.0\.1 failed: .*\uFFFD\[2J.* b y$/)
  expect(steers(message)).toBeNull()
})

test('the names of login methods are printable, and cut', async () => {
  const world = await makeWorld({logins: {gateway: {methods: [`${WORDS}${'x'.repeat(5000)}`]}}})
  const {message} = await refusalOf(world, ['start', 'nb'], {SSH_ASKPASS_REQUIRE: 'never'})
  expect(message).toMatch(/it takes \uFFFD]0;mine/)
  expect(message.length).toBeLessThan(1000)
  expect(steers(message)).toBeNull()
  expect(await seen(world, ['doctor'], {SSH_ASKPASS_REQUIRE: 'never'})).toMatch(/\uFFFD]0;mine/)
})

test('the question of a host comes without its orders to whatever asks it', async () => {
  const world = await makeWorld({logins: {gateway: {methods: ['keyboard-interactive'], questions: [[{prompt: `${WORDS}Code: `, answer: 'abc', echo: true}]]}}})
  // SSH_ASKPASS prints its question on stderr, which is this command's.
  const text = await seen(world, ['list'], {SSH_ASKPASS: '/bin/sh', SSH_ASKPASS_REQUIRE: 'force'})
  expect(text).toMatch(/\uFFFD]0;mine/)
})

test('the words of Grid Engine that refuse a job are one printable line', async () => {
  const world = await makeWorld({faults: {'qsub-rejects': WORDS}})
  const {message} = await refusalOf(world, ['start', 'nb'])
  expect(message).toMatch(/\uFFFD]0;mine\uFFFD/)
  expect(message).not.toContain('\n')
  expect(steers(message)).toBeNull()
})

/** As printf takes them, for a line of set-up has no control characters of its own. */
const octal = (text: string) => [...Buffer.from(text)].map((byte) => `\\${byte.toString(8).padStart(3, '0')}`).join('')

test('a job’s log is raw in a pipe, safe in a JSON document, and printable where an error quotes it', async () => {
  const world = await makeWorld()
  const said = `\u001B[31mred\u001B[0m ${TITLE}\u009B2J\u202Eend`
  const running = await world.jnode('start', 'nb', '-d', '--no-browser', '--setup', `printf '${octal(said)}\\n'`)
  expect(running.exitCode).toBe(0)
  expect((await world.jnode('logs', 'nb')).stdout).toContain(`${said}\n`)
  const json = await world.jnode('logs', 'nb', '--json')
  expect(steers(json.stdout)).toBeNull()
  expect(documentOf(json)['lines']).toContain(said)
  const failed = await seen(world, ['start', 'no', '--no-browser', '--setup', `printf '${octal(said)}\\n'; false`])
  expect(failed).toMatch(/The last lines of its log:\n(.*\n)* {2}red .*end/)
})
