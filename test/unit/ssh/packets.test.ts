/** What packets.ts relies on in ssh2 and Node, seen at the other end of a real connection. */
import {once} from 'node:events'
import type {AddressInfo, Socket} from 'node:net'
import {Duplex} from 'node:stream'
import ssh2, {type ClientChannel} from 'ssh2'
import {afterAll, beforeAll, describe, expect, it} from 'vitest'
import {emptySecrets, makeAuth} from '../../../src/ssh/auth.ts'
import {noPrompter} from '../../../src/ssh/prompt.ts'
import {coalesceWrites, fitPackets} from '../../../src/ssh/packets.ts'
import {openSsh, type DoorKeeper} from '../../../src/ssh/transport.ts'
import {hopTo, hostKey, tools} from './login-peer.ts'

/** What reached the server: commands, streams opened, and the size of each packet of data. */
const seen: string[] = []
const sizes: number[] = []

const server = new ssh2.Server({hostKeys: [hostKey.private]}, (connection) => {
  connection.on('error', () => {})
  connection.on('authentication', (ctx) => ctx.accept())
  connection.on('session', (accept) => {
    accept().on('exec', (acceptExec, _reject, {command}) => {
      seen.push(`exec ${command}`)
      const channel = acceptExec()
      channel.on('data', () => {})
      channel.exit(0)
      channel.end()
    })
  })
  connection.on('tcpip', (accept) => {
    seen.push('stream')
    accept().on('data', (data: Buffer) => sizes.push(data.length))
  })
})

beforeAll(async () => {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
})
afterAll(() => server.close())

const port = () => (server.address() as AddressInfo).port

async function sizesOf(depth: number | null): Promise<number[]> {
  const client = new ssh2.Client().connect({host: '127.0.0.1', port: port(), username: 'user'})
  await once(client, 'ready')
  const channel = await new Promise<ClientChannel>((resolve, reject) => {
    client.forwardOut('127.0.0.1', 0, 'host', 1, (error, opened) => (error ? reject(error) : resolve(opened)))
  })
  if (depth !== null) fitPackets(channel, depth)
  sizes.length = 0
  channel.write(Buffer.alloc(40_000))
  while (sizes.reduce((sum, size) => sum + size, 0) < 40_000) await new Promise((turn) => setImmediate(turn))
  client.destroy()
  return [...sizes]
}

describe('a stream’s packets', () => {
  it('are as large as the server takes on a connection of its own', async () => {
    expect(await sizesOf(null)).toEqual([32_768, 40_000 - 32_768])
    expect(await sizesOf(0)).toEqual([32_768, 40_000 - 32_768])
  })

  it('leave room for the framing of each connection around them', async () => {
    expect(await sizesOf(2)).toEqual([32_768 - 128, 40_000 - 32_768 + 128])
  })
})

describe('a socket’s writes', () => {
  it('of one tick leave together', async () => {
    const left: string[][] = []
    const socket = new Duplex({
      read() {},
      writev(chunks, done) {
        left.push(chunks.map(({chunk}) => String(chunk)))
        done()
      },
    }) as Socket
    coalesceWrites(socket)
    socket.write('header')
    socket.write('body')
    await new Promise((turn) => setImmediate(turn))
    socket.write('next')
    await new Promise((turn) => setImmediate(turn))
    expect(left).toEqual([['header', 'body'], ['next']])
  })
})

describe('a connection that forwards', () => {
  const door: DoorKeeper = {
    witness: () => {}, quiet: true, acceptHostKey: async () => {},
    hostKeyAlgorithms: () => ['ssh-ed25519'],
    logIn: (hop) => makeAuth(hop, {tools, prompter: noPrompter, secrets: emptySecrets(), tell: () => {}}),
  }
  const endpoint = {kind: 'tcp', host: 'host', port: 1} as const

  it('runs one command beside its first stream, which makes sshd turn Nagle’s algorithm off', async () => {
    const remote = await openSsh([hopTo({port: port()})], door)
    seen.length = 0
    await remote.open(endpoint)
    await remote.open(endpoint)
    await remote.close()
    expect(seen.toSorted()).toEqual(['exec exit', 'stream', 'stream'])
  })

  it('opens as many streams at once as a browser wants, without a warning of Node’s', async () => {
    const warnings: string[] = []
    const note = (warning: Error) => void warnings.push(warning.name)
    process.on('warning', note)
    const remote = await openSsh([hopTo({port: port()})], door)
    await Promise.all(Array.from({length: 30}, () => remote.open(endpoint)))
    await remote.close()
    await new Promise((turn) => setImmediate(turn))
    process.off('warning', note)
    expect(warnings).toEqual([])
  })

  it('runs none for that where one has run already', async () => {
    const remote = await openSsh([hopTo({port: port()})], door)
    seen.length = 0
    await remote.run(['true']).catch(() => {}) // this server answers nothing
    await remote.open(endpoint)
    await remote.close()
    expect(seen).toEqual(['exec exec /bin/sh -s', 'stream'])
  })
})
