import {createServer, type IncomingMessage, type RequestListener, type Server} from 'node:http'
import {createServer as createTlsServer} from 'node:https'
import {connect, createServer as createPlainServer, type AddressInfo, type Socket} from 'node:net'
import {text} from 'node:stream/consumers'
import {afterEach, describe, expect, test, vi} from 'vitest'
import {WebSocket, WebSocketServer} from 'ws'
import {nameOf, originOf} from '../../../src/origin.ts'
import {openHere} from '../../../src/ssh/local.ts'
import {makeIdentity} from '../../../src/tunnel/relay.ts'
import {openTunnel, type Tunnel} from '../../../src/tunnel/tunnel.ts'

const closing: (() => Promise<unknown> | unknown)[] = []
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close()
})

const ORIGIN = originOf(`j${'0'.repeat(20)}`)
const NAME = nameOf(ORIGIN)
const LOST = {lines: ['It was lost.'], retryAt: null}

async function listening(server: Server): Promise<Server> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  closing.push(() => server.close(), () => server.closeAllConnections())
  return server
}

const opener = (server: Server) => () => openHere({kind: 'tcp', host: '127.0.0.1', port: (server.address() as AddressInfo).port})

async function named(): Promise<Tunnel> {
  const tunnel = await openTunnel({origin: ORIGIN, port: 0, orNext: false, named: true})
  closing.push(() => tunnel.close())
  return tunnel
}

/** A tunnel to a server, which notes what it hears. */
async function tunnelTo(answer: RequestListener): Promise<{tunnel: Tunnel; server: Server; heard: IncomingMessage[]; streams: () => number}> {
  const heard: IncomingMessage[] = []
  let streams = 0
  const server = await listening(createServer((req, res) => (heard.push(req), answer(req, res))).on('connection', () => streams++))
  const tunnel = await named()
  tunnel.route(opener(server))
  return {tunnel, server, heard, streams: () => streams}
}

/** What comes back for bytes on one connection, once the other side has ended it. */
async function raw({port}: Tunnel, bytes: string, host = '127.0.0.1'): Promise<string> {
  const socket = connect({port, host})
  closing.push(() => socket.destroy())
  socket.write(bytes)
  return text(socket)
}

const get = (host: string, more = '', path = '/') => `GET ${path} HTTP/1.1\r\nHost: ${host}\r\n${more}\r\n`
const END = 'Connection: close\r\n'
const ownHost = ({port}: Tunnel) => `${NAME}:${port}`
const statuses = (answer: string) => [...answer.matchAll(/HTTP\/1\.1 (\d+) /g)].map(([, status]) => Number(status))

describe('a request at the session’s own name', () => {
  test.each(['127.0.0.1', '::1'])('reaches the server by %s, which hears the session’s address', async (address) => {
    const {tunnel, heard} = await tunnelTo((_, res) => res.end('hello'))
    const own = ownHost(tunnel)
    const answer = await raw(tunnel, get(own, `Origin: http://${own}\r\nReferer: http://${own}/lab?a=b\r\nCookie: a=b\r\n${END}`, '/api?x=%2F..//y'), address)
    expect(answer).toMatch(/^HTTP\/1\.1 200 [^]*hello/)
    const inside = `${ORIGIN.address}:${tunnel.port}`
    expect(heard[0]).toMatchObject({method: 'GET', url: '/api?x=%2F..//y', headers: {host: inside, origin: `http://${inside}`, referer: `http://${inside}/lab?a=b`, cookie: 'a=b'}})
  })

  test('keeps the Origin of a foreign page, and nobody else’s passes for the session’s own', async () => {
    const {tunnel, heard} = await tunnelTo((_, res) => res.end())
    for (const origin of ['http://evil.example', 'null', `http://${ORIGIN.address}:${tunnel.port}`, `http://${ownHost(tunnel)}.evil.example`, `http://${ownHost(tunnel)}0`]) {
      await raw(tunnel, get(ownHost(tunnel), `Origin: ${origin}\r\nReferer: ${origin}/x\r\n${END}`))
      expect(heard.at(-1)!.headers.origin).toBe(origin.includes(ORIGIN.address) ? 'null' : origin)
    }
  })

  test('carries large bodies whole, both ways and chunked, over one stream for each connection', async () => {
    const body = Buffer.alloc(5_000_000, 'jnode ')
    const {tunnel, streams} = await tunnelTo(async (req, res) => {
      const chunks: Buffer[] = []
      for await (const chunk of req) chunks.push(chunk as Buffer)
      res.end(Buffer.concat(chunks))
    })
    const socket = connect({port: tunnel.port, host: '127.0.0.1'})
    closing.push(() => socket.destroy())
    const answer = text(socket)
    for (const more of ['', END]) {
      socket.write(`PUT /x HTTP/1.1\r\nHost: ${ownHost(tunnel)}\r\nTransfer-Encoding: chunked\r\n${more}\r\n${body.length.toString(16)}\r\n`)
      socket.write(body)
      socket.write('\r\n0\r\n\r\n')
    }
    expect((await answer).split('jnode ').length - 1).toBe(2 * Math.floor(body.length / 6))
    expect(streams()).toBe(1)
  })

  test.each([
    ['a status that no server may send', 'HTTP/1.1 050 x\r\nContent-Length: 0\r\n\r\n'],
    ['a control character beside the status', 'HTTP/1.1 200 a\x01b\r\nContent-Length: 0\r\n\r\n'],
    ['a trailer without chunks', 'HTTP/1.1 200 ok\r\nTrailer: x\r\nContent-Length: 0\r\n\r\n'],
  ])('survives a server that answers with %s', async (_, answer) => {
    const odd = createPlainServer((socket) => void socket.on('error', () => {}).once('data', () => socket.end(answer)))
    await new Promise<void>((resolve) => odd.listen(0, '127.0.0.1', resolve))
    closing.push(() => odd.close())
    const {tunnel} = await tunnelTo((_req, res) => res.end('well'))
    const place = odd.address() as AddressInfo
    tunnel.route(() => openHere({kind: 'tcp', host: '127.0.0.1', port: place.port}))
    await raw(tunnel, get(ownHost(tunnel), END))
    await raw(tunnel, get(ownHost(tunnel), `Connection: Upgrade\r\nUpgrade: websocket\r\nTrailer: x\r\n`))
    await raw(tunnel, get(ownHost(tunnel), `Trailer: x\r\n${END}`))
    expect(await raw(tunnel, get('other.localhost:1', END))).toMatch(/^HTTP\/1\.1 421 /)
  })

  test('gets cookies, status and redirects of the server, with its own name in them', async () => {
    const {tunnel} = await tunnelTo((req, res) => res.writeHead(302, 'Over there', {'Set-Cookie': ['a=1', 'b=2'], Location: `http://${req.headers.host}/lab`}).end())
    const answer = await raw(tunnel, get(ownHost(tunnel), END))
    expect(answer).toMatch(/^HTTP\/1\.1 302 Over there\r\n/)
    expect([...answer.matchAll(/^(?:Set-Cookie|Location): (.*)\r$/gm)].map(([, value]) => value)).toEqual(['a=1', 'b=2', `http://${ownHost(tunnel)}/lab`])
  })

  test('is told why there is no way, and finds it on the same connection when it is back', async () => {
    const {tunnel, server} = await tunnelTo((_, res) => res.end('back'))
    const ask = () => raw(tunnel, get(ownHost(tunnel), END))
    tunnel.away(LOST)
    expect(await ask()).toMatch(/^HTTP\/1\.1 503 [^]*It was lost/)
    tunnel.route(() => Promise.reject(new Error('refused')))
    expect(await ask()).toMatch(/^HTTP\/1\.1 503 [^]*does not answer/)
    tunnel.route(opener(server))
    expect(await ask()).toMatch(/^HTTP\/1\.1 200 [^]*back/)
  })

  test('goes on over another stream where the server has ended the one before', async () => {
    let ended!: () => void
    const gone = new Promise<void>((resolve) => (ended = resolve))
    const {tunnel, streams} = await tunnelTo((req, res) => res.end('hello', () => void req.socket.once('close', ended).destroySoon()))
    const socket = connect({port: tunnel.port, host: '127.0.0.1'})
    closing.push(() => socket.destroy())
    socket.write(get(ownHost(tunnel)))
    await new Promise((resolve) => socket.once('data', resolve))
    await gone
    const closed = text(socket)
    socket.write(get(ownHost(tunnel), END))
    // Either it was seen in time, or the connection ends as the stream did, and a browser asks again.
    expect(await closed).toMatch(/^$|hello/)
    expect(await raw(tunnel, get(ownHost(tunnel), END))).toContain('hello')
    expect(streams()).toBeGreaterThan(1)
  })

  test('reaches an https server of somebody else’s by http, for the browser’s TLS could not be read', async () => {
    const identity = await makeIdentity()
    const server = await listening(createTlsServer({cert: identity, key: identity}, (_, res) => res.end('secret')) as unknown as Server)
    const tunnel = await named()
    tunnel.route(opener(server), {secure: true})
    expect(await raw(tunnel, get(ownHost(tunnel), END))).toMatch(/^HTTP\/1\.1 200 [^]*secret/)
  })
})

describe('a request that does not name the session', () => {
  const foreign = ({port}: Tunnel): [string, string][] => [
    ['the address that all share', get(`127.0.0.1:${port}`)],
    ['localhost', get(`localhost:${port}`)],
    ['IPv6', get(`[::1]:${port}`)],
    ['the session’s address, which is not here', get(`${ORIGIN.address}:${port}`)],
    ['another session', get(`j${'1'.repeat(20)}.localhost:${port}`)],
    ['another port', get(`${NAME}:${port + 1}`)],
    ['no port', get(NAME)],
    ['a name that was rebound', get(`evil.example:${port}`)],
    ['a name below', get(`x.${NAME}:${port}`)],
    ['the name with a dot behind it', get(`${NAME}.:${port}`)],
    ['two hosts', get(`${NAME}:${port}`, `Host: evil.example\r\n`)],
    ['two hosts the other way round', get('evil.example', `Host: ${NAME}:${port}\r\n`)],
    ['a host in a whole URL', get(`${NAME}:${port}`, '', `http://evil.example:${port}/`)],
    ['nothing', get('')],
  ]

  test('gets 421 and nothing of the server, on any connection, at any time', async () => {
    const {tunnel, heard, streams} = await tunnelTo((_, res) => res.end('the server'))
    for (const [what, bytes] of foreign(tunnel)) {
      expect(statuses(await raw(tunnel, bytes)), what).toEqual([421])
      const behind = await raw(tunnel, get(ownHost(tunnel)) + bytes)
      expect(statuses(behind), `${what}, behind one that is right`).toEqual([200, 421])
    }
    expect(heard.map(({headers}) => headers.host)).toEqual(foreign(tunnel).map(() => `${ORIGIN.address}:${tunnel.port}`))
    expect(streams()).toBe(heard.length)
    tunnel.away(LOST)
    for (const [what, bytes] of foreign(tunnel)) expect(await raw(tunnel, bytes), what).toMatch(/^HTTP\/1\.1 421 (?![^]*It was lost)/)
  })

  test.each(['no Host at all', 'a body that smuggles a request'])('is refused with %s', async (what) => {
    const {tunnel, heard} = await tunnelTo((req, res) => (req.resume(), res.end()))
    const hidden = get('evil.example')
    const bytes = what.startsWith('no') ? 'GET / HTTP/1.1\r\n\r\n' : `POST / HTTP/1.1\r\nHost: ${ownHost(tunnel)}\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${hidden}`
    expect(statuses(await raw(tunnel, bytes))).toEqual([400])
    expect(heard.length).toBe(0)
  })
})

describe('a websocket', () => {
  const knock = ({port}: Tunnel, host: string, headers = {}): Promise<{status: number; socket: WebSocket}> =>
    new Promise((resolve) => {
      const socket = new WebSocket(`ws://127.0.0.1:${port}/api/kernels/1/channels`, {headers: {host, ...headers}})
      closing.push(() => socket.terminate())
      socket.on('error', () => {}).once('open', () => resolve({status: 101, socket})).once('unexpected-response', (_, {statusCode}) => (socket.terminate(), resolve({status: statusCode!, socket})))
    })

  async function websockets(): Promise<{tunnel: Tunnel; server: Server}> {
    const server = await listening(createServer((_, res) => res.end('no websocket')))
    const sockets = new WebSocketServer({server, verifyClient: ({req}: {req: IncomingMessage}) => req.headers['x-refuse'] === undefined && req.headers.origin === `http://${req.headers.host}`})
    closing.push(() => sockets.clients.forEach((client) => client.terminate()))
    sockets.on('connection', (socket, {headers}) => socket.on('message', (data) => socket.send(`${headers.host} ${String(data)}`)))
    const tunnel = await named()
    tunnel.route(opener(server))
    return {tunnel, server}
  }
  const origin = (tunnel: Tunnel) => ({origin: `http://${ownHost(tunnel)}`})
  const heardBy = (socket: WebSocket) => new Promise((resolve) => socket.once('message', (data) => resolve(String(data))))

  test('at the session’s own name is the server’s', async () => {
    const {tunnel} = await websockets()
    const {status, socket} = await knock(tunnel, ownHost(tunnel), origin(tunnel))
    const heard = heardBy(socket)
    socket.send('hello')
    expect([status, await heard]).toEqual([101, `${ORIGIN.address}:${tunnel.port} hello`])
  })

  test('that does not name the session gets 421, and one that the server refuses its answer', async () => {
    const {tunnel} = await websockets()
    for (const host of [`127.0.0.1:${tunnel.port}`, 'evil.example']) expect((await knock(tunnel, host, origin(tunnel))).status).toBe(421)
    expect((await knock(tunnel, ownHost(tunnel), {...origin(tunnel), 'x-refuse': '1'})).status).toBe(401)
    expect((await knock(tunnel, ownHost(tunnel), {origin: 'http://evil.example'})).status).toBe(401)
  })

  test('that the server refuses ends its connection, so that nothing unread follows on it', async () => {
    const {tunnel} = await websockets()
    const upgrade = `Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${Buffer.alloc(16).toString('base64')}\r\n`
    expect(statuses(await raw(tunnel, get(ownHost(tunnel), upgrade) + get('evil.example')))).toEqual([401])
    expect(statuses(await raw(tunnel, get(ownHost(tunnel), 'Connection: Upgrade\r\nUpgrade: h2c\r\n') + get('evil.example')))).toEqual([503])
  })

  test('waits while there is no way', async () => {
    const {tunnel, server} = await websockets()
    tunnel.away(LOST)
    const waiting = knock(tunnel, ownHost(tunnel), origin(tunnel))
    expect(statuses(await raw(tunnel, get(ownHost(tunnel), END)))).toEqual([503])
    tunnel.route(opener(server))
    const {status, socket} = await waiting
    const heard = heardBy(socket)
    socket.send('at last')
    expect([status, await heard]).toEqual([101, `${ORIGIN.address}:${tunnel.port} at last`])
  })
})

describe('the name', () => {
  test('takes the place of the address on WSL, where Windows’ browser reaches no address but 127.0.0.1', async () => {
    vi.stubEnv('WSL_DISTRO_NAME', 'Debian')
    closing.push(() => vi.unstubAllEnvs())
    const tunnel = await openTunnel({origin: ORIGIN, port: null, orNext: true})
    closing.push(() => tunnel.close())
    expect(tunnel.host).toBe(NAME)
  })

  test('has a port of its own that does not change, while nobody else has it', async () => {
    const open = async () => {
      const tunnel = await openTunnel({origin: ORIGIN, port: null, orNext: true, named: true})
      closing.push(() => tunnel.close())
      return tunnel
    }
    const first = await open()
    expect(first.port).toBeGreaterThanOrEqual(20_000)
    expect((await open()).port).toBe(first.port + 1)
  })
})

test('a tab that is closed ends what was asked for it at the server', async () => {
  let socket: Socket | null = null
  const {tunnel} = await tunnelTo((req, res) => {
    socket = req.socket
    res.write('begun')
  })
  const tab = connect({port: tunnel.port, host: '127.0.0.1'})
  tab.write(get(ownHost(tunnel)))
  await new Promise((resolve) => tab.once('data', resolve))
  tab.destroy()
  await new Promise((resolve) => (socket!.destroyed ? resolve(null) : socket!.once('close', resolve)))
})
