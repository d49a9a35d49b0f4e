/** A server that renews the keys of a connection while much is sent: it shows its host key once more. */
import type {AddressInfo} from 'node:net'
import ssh2, {type Connection} from 'ssh2'
import {expect, onTestFinished, test} from 'vitest'
import type {Remote} from '../../../src/ssh/remote.ts'
import {emptySecrets, makeAuth} from '../../../src/ssh/auth.ts'
import {noPrompter} from '../../../src/ssh/prompt.ts'
import {keyTools, openSsh, type DoorKeeper} from '../../../src/ssh/transport.ts'
import {makeKeyPair} from '../../fake-cluster/keys.ts'
import {hopTo} from './login-peer.ts'

/** Takes everybody in and counts the bytes of each stream. */
async function connected() {
  let connection!: Connection
  let received = 0
  const server = new ssh2.Server({hostKeys: [makeKeyPair().private]}, (client) => {
    connection = client
    client.on('authentication', (login) => login.accept())
    client.on('error', () => {})
    client.on('tcpip', (accept) => void accept().on('data', (data: Buffer) => (received += data.length)))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  let asked = 0
  const door: DoorKeeper = {
    witness: () => {},
    quiet: true,
    // As long as reading known_hosts takes on a slow disk.
    acceptHostKey: async () => {
      asked++
      await new Promise((resolve) => setTimeout(resolve, 50))
    },
    hostKeyAlgorithms: () => ['ssh-ed25519'],
    logIn: (hop) => makeAuth(hop, {tools: keyTools, prompter: noPrompter, secrets: emptySecrets(), tell: () => {}}),
  }
  const remote = await openSsh([hopTo({port: (server.address() as AddressInfo).port})], door)
  onTestFinished(async () => {
    await remote.close()
    await new Promise((resolve) => server.close(resolve))
  })
  return {remote, connection, asked: () => asked, received: () => received}
}

const MB = 1024 * 1024

/** Sends so many chunks, and lets `each` happen between them. */
async function send(remote: Remote, chunks: number, each: (i: number) => void): Promise<void> {
  const stream = await remote.open({kind: 'tcp', host: '127.0.0.1', port: 1})
  stream.on('error', () => {})
  for (let i = 0; i < chunks; i++) {
    each(i)
    if (!stream.write(Buffer.alloc(MB / 4))) await Promise.race([new Promise((drained) => stream.once('drain', drained)), remote.closed])
  }
}

test('the key that was accepted at first is the key of the connection: all that is sent meanwhile arrives, and nobody is asked again', async () => {
  const {remote, connection, asked, received} = await connected()
  let renewed = 0
  await send(remote, 64, (i) => void (i % 8 === 4 && connection.rekey(() => renewed++)))
  await expect.poll(received, {timeout: 20_000}).toBe(16 * MB)
  expect(renewed).toBeGreaterThan(3)
  expect(asked()).toBe(1)
})

test('another key ends the connection, also one that known_hosts has', async () => {
  const {remote, connection, asked} = await connected()
  // Private to ssh2: the keys that its server shows.
  const {_protocol: protocol} = connection as unknown as {_protocol: {_hostKeys: Record<string, unknown>}}
  protocol._hostKeys['ssh-ed25519'] = ssh2.utils.parseKey(makeKeyPair().private)
  connection.rekey()
  expect(await remote.closed).toMatch(/verification failed/)
  expect(asked()).toBe(1)
})
