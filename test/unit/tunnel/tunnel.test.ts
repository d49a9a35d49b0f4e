import {connect, createServer, type AddressInfo, type Server, type Socket} from 'node:net'
import {PassThrough} from 'node:stream'
import {afterEach, describe, expect, test, vi} from 'vitest'
import {openHere} from '../../../src/ssh/local.ts'
import {openTunnel, type Tunnel} from '../../../src/tunnel/tunnel.ts'

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
  const tunnel = await openTunnel({port: 0, orNext: false})
  tunnel.route(() => openHere({kind: 'tcp', host: '127.0.0.1', port}))
  closing.push(() => tunnel.close())
  return tunnel
}

function talk(port: number, host = '127.0.0.1'): Socket {
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
    const socket = talk((await tunnelTo(port)).port)
    socket.end('give')
    expect(Buffer.compare(await readAll(socket), payload)).toBe(0)
  })

  test('answers on ::1 as on 127.0.0.1', async () => {
    const port = await server((socket) => socket.end('hello'))
    const tunnel = await tunnelTo(port)
    expect(String(await readAll(talk(tunnel.port, '::1')))).toBe('hello')
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
      const socket = talk(tunnel.port)
      socket.on('error', () => {})
      await new Promise((resolve) => socket.once('data', resolve))
      socket.resetAndDestroy()
    }
    const last = talk(tunnel.port)
    await new Promise((resolve) => last.once('data', resolve))
    expect(served).toBe(21)
  })

  test('serves again when the way is back', async () => {
    const port = await server((socket) => socket.end('back'))
    const tunnel = await tunnelTo(port)
    tunnel.away({lines: ['It was lost.'], retryAt: null})
    tunnel.route(() => openHere({kind: 'tcp', host: '127.0.0.1', port}))
    expect(String(await readAll(talk(tunnel.port)))).toBe('back')
  })

  test('gives a connection that waits for the server to the page when the way goes down, and none of its bytes to a stream that opens later', async () => {
    const tunnel = await openTunnel({port: 0, orNext: false})
    closing.push(() => tunnel.close())
    let opens!: (stream: PassThrough) => void
    let isWanted: AbortSignal | undefined
    tunnel.route((signal) => {
      isWanted = signal
      return new Promise((resolve) => (opens = resolve))
    })
    const socket = talk(tunnel.port)
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
    const tunnel = await openTunnel({port: 0, orNext: false})
    await tunnel.close()
    const again = await openTunnel({port: tunnel.port, orNext: false})
    expect(again.port).toBe(tunnel.port)
    await again.close()
  })
})

describe('the local port', () => {
  test.each(['127.0.0.1', '::1'])('is refused when somebody else has it on %s', async (host) => {
    const other = await occupy(0, host)
    const {port} = other.address() as AddressInfo
    await expect(openTunnel({port, orNext: false})).rejects.toMatchObject({code: 'port-taken', message: `Port ${port} of this computer is taken`})
  })

  test('is the next free one when that will do', async () => {
    const other = await occupy(0, '127.0.0.1')
    const {port} = other.address() as AddressInfo
    const tunnel = await openTunnel({port, orNext: true})
    closing.push(() => tunnel.close())
    expect(tunnel.port).toBeGreaterThan(port)
  })
})
