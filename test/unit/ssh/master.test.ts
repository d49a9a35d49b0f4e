import {spawn} from 'node:child_process'
import {once} from 'node:events'
import {mkdirSync, readdirSync, readFileSync, writeFileSync} from 'node:fs'
import {createServer} from 'node:net'
import {join} from 'node:path'
import {expect, onTestFinished, test} from 'vitest'
import {JnodeError} from '../../../src/errors.ts'
import {openMaster} from '../../../src/ssh/master.ts'
import {emptySecrets} from '../../../src/ssh/login.ts'
import {opensshDoor} from '../../../src/ssh/openssh.ts'
import {noPrompter} from '../../../src/ssh/prompt.ts'
import {rejectionOf} from '../expect-error.ts'
import {startFakeCluster} from '../../fake-cluster/cluster.ts'

const DIRECT = [{user: null, host: 'direct', port: null}]
const {signal} = new AbortController()

/** A laptop whose ssh config begins with these lines, and a directory for temporary files of its own. */
async function laptop(config: (home: string) => string, {temporaryName = 't'} = {}) {
  const cluster = await startFakeCluster()
  onTestFinished(() => cluster.close())
  const {home, env} = cluster.laptop
  const file = join(home, '.ssh', 'config')
  writeFileSync(file, config(home) + readFileSync(file, 'utf8'))
  const temporary = join(home, temporaryName)
  mkdirSync(temporary)
  const before = process.env['TMPDIR']
  onTestFinished(() => {
    if (before === undefined) delete process.env['TMPDIR']
    else process.env['TMPDIR'] = before
  })
  process.env['TMPDIR'] = temporary
  const door = opensshDoor({env, prompter: noPrompter, secrets: emptySecrets(), machines: new Map(), witness: () => {}, tell: () => {}, knownHosts: null, nodesFile: join(home, 'nodes')})
  return {home, env, temporary, door}
}

test('a connection of the user’s own keeps no forward of ours', async () => {
  const {home, env, temporary, door} = await laptop((home) => `Host direct\n  ControlPath ${home}/mine\n`)
  const ssh = (...args: string[]) => once(spawn('ssh', [...args, 'direct'], {env, stdio: 'ignore'}), 'exit')
  await ssh('-M', '-f', '-N')
  onTestFinished(async () => void (await ssh('-O', 'exit')))
  const server = createServer((socket) => socket.pipe(socket)).listen(join(home, 'echo'))
  onTestFinished(() => void server.close())
  const {head} = await door.open(DIRECT, signal)
  const listening = () => readFileSync('/proc/net/unix', 'utf8').split('\n').filter((line) => line.includes(temporary))
  const stream = await head.open({kind: 'socket', path: join(home, 'echo')})
  expect(listening()).not.toEqual([])
  stream.destroy()
  await head.close()
  await expect.poll(listening).toEqual([])
})

test('a login that is given up before ssh has started leaves neither ssh nor its directory', async () => {
  const {env, temporary} = await laptop(() => '')
  const enough = new AbortController()
  const opening = openMaster(['direct'], {env, prompter: noPrompter, label: 'direct', tell: () => {}, failure: (said) => new JnodeError('login-failed', said), signal: enough.signal})
  enough.abort()
  expect((await rejectionOf(opening)).code).toBe('interrupted')
  await expect.poll(() => readdirSync(temporary), {timeout: 10_000}).toEqual([])
})

test('a folder for temporary files that is too deep for sockets, with a space in its name, is no obstacle', async () => {
  const {door} = await laptop(() => '', {temporaryName: `my ${'t'.repeat(80)}`})
  const {head} = await door.open(DIRECT, signal)
  expect((await head.run(['echo here']))[0]!.stdout).toBe('here\n')
  await head.close()
})
