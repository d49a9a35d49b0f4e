import {connect, createServer, type AddressInfo, type Server, type Socket} from 'node:net'
import {PassThrough} from 'node:stream'
import {afterEach, describe, expect, test, vi} from 'vitest'
import {originOf} from '../../../src/origin.ts'
import {openHere} from '../../../src/ssh/local.ts'
import {openTunnel, type Tunnel} from '../../../src/tunnel/tunnel.ts'

const ORIGIN = originOf(`j${'0'.repeat(20)}`)

const closing: (() => Promise<unknown> | unknown)[] = []
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close()
})

async function server(onSocket: (socket: Socket) => void): Promise<number> {
  const listening = createServer({allowHalfOpen: true}, onSocket)
  await new Promise<void>((resolve) => listening.listen(0, '127.0.0.1', resolve))
  closing.push(() => listening.close())
  return (listening.address() as AddressInfo).port
}

async function tunnelTo(port: number): Promise<Tunnel> {
  const tunnel = await openTunnel({origin: ORIGIN, port: 0, orNext: false})
  tunnel.route(() => openHere({kind: 'tcp', host: '127.0.0.1', port}))
  closing.push(() => tunnel.close())
  return tunnel
}

function talk({port}: Pick<Tunnel, 'port'>, host = ORIGIN.address): Socket {
  const socket = connect({port, host, allowHalfOpen: true})
  closing.push(() => socket.destroy())
  return socket
}

async function readAll(socket: Socket): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of socket) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks)
}

const occupy = (port: number, host: string): Promise<Server> =>
  new Promise((resolve, reject) => {
    const other = createServer().once('error', reject)
    other.listen({port, host, exclusive: true}, () => resolve(other))
    closing.push(() => other.close())
  })

describe('a tunnel', () => {
  test('carries a large answer whole, and the half-close that asks for it', async () => {
    const payload = Buffer.alloc(20_000_000, 'jnode ')
    const port = await server((socket) => socket.resume().once('end', () => socket.end(payload)))
    const socket = talk(await tunnelTo(port))
    socket.end('give')
    expect(Buffer.compare(await readAll(socket), payload)).toBe(0)
  })

  test.each(['127.0.0.1', '127.0.0.2', '::1'])('is found at its own address and not at %s', async (address) => {
    const port = await server((socket) => socket.end('hello'))
    const tunnel = await tunnelTo(port)
    expect(String(await readAll(talk(tunnel)))).toBe('hello')
    await expect(readAll(talk(tunnel, address))).rejects.toMatchObject({code: 'ECONNREFUSED'})
  })

  test('has the same port as another session’s, for each has an address of its own', async () => {
    const tunnel = await tunnelTo(1)
    const other = await openTunnel({origin: originOf(`j${'1'.repeat(20)}`), port: tunnel.port, orNext: false})
    closing.push(() => other.close())
    expect([other.port === tunnel.port, other.host === tunnel.host]).toEqual([true, false])
  })

  test('survives a browser that resets while data flows both ways', async () => {
    let served = 0
    const port = await server((socket) => {
      served++
      socket.on('error', () => {})
      const pump = () => {
        while (!socket.destroyed && socket.write(Buffer.alloc(65_536)));
      }
      socket.on('drain', pump).resume()
      pump()
    })
    const tunnel = await tunnelTo(port)
    for (let i = 0; i < 20; i++) {
      const socket = talk(tunnel)
      socket.on('error', () => {})
      await new Promise((resolve) => socket.once('data', resolve))
      socket.resetAndDestroy()
    }
    const last = talk(tunnel)
    await new Promise((resolve) => last.once('data', resolve))
    expect(served).toBe(21)
  })

  test('serves again when the way is back', async () => {
    const port = await server((socket) => socket.end('back'))
    const tunnel = await tunnelTo(port)
    tunnel.away({lines: ['It was lost.'], retryAt: null})
    tunnel.route(() => openHere({kind: 'tcp', host: '127.0.0.1', port}))
    expect(String(await readAll(talk(tunnel)))).toBe('back')
  })

  test('gives a connection that waits for the server to the page when the way goes down, and none of its bytes to a stream that opens later', async () => {
    const tunnel = await openTunnel({origin: ORIGIN, port: 0, orNext: false})
    closing.push(() => tunnel.close())
    let opens!: (stream: PassThrough) => void
    let isWanted: AbortSignal | undefined
    tunnel.route((signal) => {
      isWanted = signal
      return new Promise((resolve) => (opens = resolve))
    })
    const socket = talk(tunnel)
    socket.write('GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nCookie: secret\r\n\r\n')
    await vi.waitFor(() => expect(isWanted).toBeDefined())
    tunnel.away({lines: ['It was lost.'], retryAt: null})
    expect(isWanted!.aborted).toBe(true)
    expect(String(await readAll(socket))).toMatch(/^HTTP\/1\.1 503 [^]*It was lost\./)
    const late = new PassThrough()
    opens(late)
    await vi.waitFor(() => expect(late.destroyed).toBe(true))
    expect(late.readableLength + late.writableLength).toBe(0)
  })

  test('leaves no listener after close', async () => {
    const tunnel = await openTunnel({origin: ORIGIN, port: 0, orNext: false})
    await tunnel.close()
    const again = await openTunnel({origin: ORIGIN, port: tunnel.port, orNext: false})
    expect(again.port).toBe(tunnel.port)
    await again.close()
  })
})

describe('the local port', () => {
  test.each([ORIGIN.address, '0.0.0.0'])('is refused when somebody else has it at %s', async (host) => {
    const other = await occupy(0, host)
    const {port} = other.address() as AddressInfo
    await expect(openTunnel({origin: ORIGIN, port, orNext: false})).rejects.toMatchObject({code: 'port-taken', message: `Port ${port} is taken at ${ORIGIN.address}`})
  })

  test.each(['127.0.0.1', '::1'])('at a name is refused when somebody else has it at %s, where the name may lead', async (host) => {
    const other = await occupy(0, host)
    const {port} = other.address() as AddressInfo
    await expect(openTunnel({origin: ORIGIN, port, orNext: false, named: true})).rejects.toMatchObject({code: 'port-taken', message: `Port ${port} is taken at 127.0.0.1`})
  })

  test('is the next free one when that will do', async () => {
    const other = await occupy(0, ORIGIN.address)
    const {port} = other.address() as AddressInfo
    const tunnel = await openTunnel({origin: ORIGIN, port, orNext: true})
    closing.push(() => tunnel.close())
    expect(tunnel.port).toBeGreaterThan(port)
  })
})
