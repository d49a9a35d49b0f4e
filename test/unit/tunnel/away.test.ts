import {connect, createServer, type AddressInfo, type Socket} from 'node:net'
import {afterEach, describe, expect, test} from 'vitest'
import {WebSocket, WebSocketServer} from 'ws'
import {fetchOver} from '../../../src/http.ts'
import {originOf} from '../../../src/origin.ts'
import {openHere} from '../../../src/ssh/local.ts'
import {awayServer} from '../../../src/tunnel/away.ts'
import {openTunnel, type Tunnel} from '../../../src/tunnel/tunnel.ts'

const closing: (() => Promise<unknown> | unknown)[] = []
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close()
})

async function tunnel(): Promise<Tunnel> {
  const opened = await openTunnel({origin: originOf(`j${'0'.repeat(20)}`), port: 0, orNext: false})
  closing.push(() => opened.close())
  return opened
}

const lost = (retryInMs: number | null = null) => ({lines: ['The connection to <the> cluster was lost.', 'Run `jnode connect a`.'], retryAt: retryInMs === null ? null : Date.now() + retryInMs})
const ask = ({host, port}: Tunnel, init: RequestInit = {}, path = '/lab?token=secret') => fetch(`http://${host}:${port}${path}`, init)

async function readAll(socket: Socket): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of socket) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks).toString()
}

/** The HTTP status with which it is refused. */
const refusalOf = (socket: WebSocket) => new Promise((resolve) => socket.on('error', () => {}).once('unexpected-response', (_, {statusCode}) => (socket.terminate(), resolve(statusCode))))

describe('while there is no way', () => {
  test('a person gets a page with what is, which looks again by itself and shows nothing of the request', async () => {
    const down = await tunnel()
    down.away(lost(4000))
    // Not by `fetch`, which sends a Sec-Fetch-Mode of its own.
    const navigate = fetchOver(async () => connect(down.port, down.host))
    const headers = {accept: 'text/html,*/*;q=0.8', 'sec-fetch-mode': 'navigate'}
    const answer = await navigate(new URL(`http://${down.host}:${down.port}/lab?token=secret`), {headers, redirect: 'manual', signal: AbortSignal.timeout(10_000)})
    const html = await answer.text()
    expect([answer.status, answer.headers.get('retry-after'), answer.headers.get('cache-control')]).toEqual([503, expect.stringMatching(/^[1-5]$/), 'no-store'])
    expect(html).toContain('<h1>The connection to &lt;the&gt; cluster was lost.</h1>')
    expect(html).toContain('<code>jnode connect a</code>')
    expect(html).toContain('location.reload()')
    expect(html).not.toMatch(/secret|token=|https?:/)
    expect(answer.headers.get('content-security-policy')).toMatch(/^default-src 'none';.* frame-ancestors 'none'$/)
    expect(answer.headers.get('x-frame-options')).toBe('DENY')
  })

  test.each([
    ['in a minute', 60_000, '10'],
    ['nobody knows when', null, '10'],
    ['just now', -500, '1'],
  ])('tried again %s: says when to come again', async (_, inMs, seconds) => {
    const down = await tunnel()
    down.away(lost(inMs))
    expect((await ask(down)).headers.get('retry-after')).toBe(seconds)
  })

  test.each([
    ['JavaScript', {headers: {accept: 'application/json, */*;q=0.8', 'sec-fetch-mode': 'cors'}}],
    ['a program', {}],
    ['a saved notebook', {method: 'PUT', body: 'x'.repeat(300_000), headers: {accept: 'text/html'}}],
  ])('%s gets an honest 503', async (_, init) => {
    const down = await tunnel()
    down.away(lost())
    const answer = await ask(down, init)
    expect([answer.status, answer.headers.get('connection')]).toEqual([503, 'close'])
    expect(await answer.json()).toEqual({message: 'The connection to <the> cluster was lost. Run `jnode connect a`.', reason: 'jnode: no connection'})
  })

  test('a websocket waits, and is that of the server as soon as there is a way', async () => {
    const server = new WebSocketServer({port: 0, host: '127.0.0.1'})
    closing.push(() => server.close())
    server.on('connection', (socket, {url, headers}) => socket.on('message', (data) => socket.send(`${url} ${headers.cookie} ${String(data)}`)))
    const down = await tunnel()
    down.away(lost())
    const socket = new WebSocket(`ws://${down.host}:${down.port}/api/kernels/1/channels?session_id=2`, {headers: {cookie: 'a=b'}})
    closing.push(() => socket.terminate())
    const heard = new Promise((resolve) => socket.once('message', (data) => resolve(String(data))))
    socket.once('open', () => socket.send('hello'))
    await ask(down) // by now the websocket is being served as well
    down.away(lost(1000))
    expect(socket.readyState).toBe(WebSocket.CONNECTING)
    down.route(() => openHere({kind: 'tcp', host: '127.0.0.1', port: (server.address() as AddressInfo).port}))
    expect(await heard).toBe('/api/kernels/1/channels?session_id=2 a=b hello')
  })

  test('of websockets a hundred wait, one more is refused, and a tab that was closed makes room', async () => {
    const server = new WebSocketServer({port: 0, host: '127.0.0.1'})
    closing.push(() => server.close())
    const down = await tunnel()
    down.away(lost())
    const knock = () => new WebSocket(`ws://${down.host}:${down.port}/api/kernels/1/channels`, {origin: `http://${down.host}:${down.port}`}).on('error', () => {})
    const many = Array.from({length: 101}, knock)
    closing.push(() => many.forEach((socket) => socket.terminate()))
    const refused = await Promise.race(many.map((socket) => refusalOf(socket).then((status) => ({socket, status}))))
    expect(refused.status).toBe(503)
    const waiting = many.filter((socket) => socket !== refused.socket)
    for (const socket of waiting.slice(0, 50)) socket.terminate()
    await ask(down) // by now that was seen
    waiting.push(knock())
    const open = Promise.all(waiting.slice(50).map((socket) => new Promise((resolve) => socket.once('open', resolve))))
    down.route(() => openHere({kind: 'tcp', host: '127.0.0.1', port: (server.address() as AddressInfo).port}))
    await open
    expect(server.clients.size).toBe(51)
    waiting.at(-1)!.terminate()
  })

  test('programs’ websockets leave room for those of pages', async () => {
    const server = new WebSocketServer({port: 0, host: '127.0.0.1'})
    closing.push(() => server.close())
    const down = await tunnel()
    down.away(lost())
    const many = Array.from({length: 110}, () => new WebSocket(`ws://${down.host}:${down.port}/api/kernels/1/channels`).on('error', () => {}))
    closing.push(() => many.forEach((socket) => socket.terminate()))
    await Promise.race(many.map(refusalOf))
    const page = new WebSocket(`ws://${down.host}:${down.port}/api/kernels/1/channels`, {origin: `http://${down.host}:${down.port}`})
    closing.push(() => page.terminate())
    const open = new Promise((resolve, reject) => page.once('open', resolve).once('error', reject))
    await ask(down) // by now the websocket is being served as well
    down.route(() => openHere({kind: 'tcp', host: '127.0.0.1', port: (server.address() as AddressInfo).port}))
    await open
  })

  test.each([
    ['another site', 'http://evil.example'],
    ['another port of this computer', 'http://127.0.0.1:1'],
    ['a page without an origin of its own', 'null'],
  ])('a websocket of %s does not wait', async (_, origin) => {
    const down = await tunnel()
    down.away(lost())
    expect(await refusalOf(new WebSocket(`ws://${down.host}:${down.port}/api/kernels/1/channels`, {origin}))).toBe(403)
  })

  test.each([
    ['evil.example', 421],
    ['127.0.0.1.evil.example:8888', 421],
    ['localhost:8888:8888', 421],
    ['127.0.0.2', 421],
    ['', 421],
    ['LOCALHOST', 503],
    ['localhost:9999', 503],
    ['[::1]:8888', 503],
    ['127.0.0.1', 503],
  ])('asked as Host "%s" it answers %i, and to a stranger’s name nothing of the session', async (host, status) => {
    const down = await tunnel()
    down.away(lost())
    const socket = connect(down.port, down.host, () => socket.write(`GET /lab HTTP/1.1\r\nHost: ${host}\r\nSec-Fetch-Mode: navigate\r\n\r\n`))
    const answer = await readAll(socket)
    expect(answer).toMatch(new RegExp(`^HTTP/1.1 ${status} `))
    expect(answer.includes('jnode')).toBe(status === 503)
  })

  test('as many cookies as Jupyter takes get the page, too', async () => {
    const down = await tunnel()
    down.away(lost())
    expect((await ask(down, {headers: {cookie: `a=${'x'.repeat(60_000)}`}})).status).toBe(503)
  })

  test('a connection that never ends its request is closed', async () => {
    const server = awayServer({first: lost(), names: ['127.0.0.1'], seeking: () => true}, 50)
    const listening = createServer((socket) => server.take(socket)).listen(0, '127.0.0.1')
    closing.push(() => listening.close())
    await new Promise((resolve) => listening.once('listening', resolve))
    const socket = connect((listening.address() as AddressInfo).port, '127.0.0.1', () => socket.write('GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: '))
    socket.on('error', () => {})
    expect(await readAll(socket)).toBe('')
  })

  test('of idle connections the oldest gives way', async () => {
    const down = await tunnel()
    down.away(lost())
    const idle = () => new Promise<Socket>((resolve) => {
      const socket = connect(down.port, down.host, () => resolve(socket)).on('error', () => {})
      closing.push(() => socket.destroy())
    })
    const oldest = await idle()
    const closed = new Promise((resolve) => oldest.once('close', resolve))
    await ask(down) // by now it is being served
    const others = await Promise.all(Array.from({length: 200}, idle))
    await closed
    expect((await ask(down)).status).toBe(503)
    expect(others.filter((socket) => socket.destroyed).length).toBeLessThan(3)
  })

  test('a websocket is refused where the way is up and the server does not answer', async () => {
    const broken = await tunnel()
    broken.route(() => openHere({kind: 'tcp', host: '127.0.0.1', port: 1}))
    expect(await refusalOf(new WebSocket(`ws://${broken.host}:${broken.port}/api/kernels/1/channels`))).toBe(503)
  })

  test('another kind of upgrade gets its 503 as well', async () => {
    const down = await tunnel()
    down.away(lost())
    const socket = connect(down.port, down.host, () => socket.write('GET / HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n\r\n'))
    expect(await readAll(socket)).toMatch(/^HTTP\/1\.1 503 [^]*Retry-After: 10[^]*jnode: no connection/i)
  })

  test('before there was ever one, and when the server does not answer, that is what is said', async () => {
    const young = await tunnel()
    expect(await (await ask(young)).json()).toMatchObject({message: 'This session is being started.'})
    young.route(() => openHere({kind: 'tcp', host: '127.0.0.1', port: 1}))
    expect(await (await ask(young)).json()).toMatchObject({message: expect.stringMatching(/^The server of this session does not answer just now\./) as string})
  })

  test('a connection on which nothing was asked is closed when the way is back, so that it cannot be told that there is none', async () => {
    const server = createServer((socket) => socket.end('here')).listen(0, '127.0.0.1')
    closing.push(() => server.close())
    await new Promise((resolve) => server.once('listening', resolve))
    const back = await tunnel()
    back.away(lost())
    const early = connect(back.port, back.host)
    await new Promise((resolve) => early.once('connect', resolve))
    await ask(back) // by now the other one is being served as well
    const closed = new Promise((resolve) => early.once('close', resolve))
    back.route(() => openHere({kind: 'tcp', host: '127.0.0.1', port: (server.address() as AddressInfo).port}))
    await closed
  })
})
