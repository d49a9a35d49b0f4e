import {connect, createServer, type AddressInfo} from 'node:net'
import {afterEach, describe, expect, test} from 'vitest'
import {WebSocket} from 'ws'
import {fetchOver} from '../../../src/http.ts'
import {openHere} from '../../../src/ssh/local.ts'
import {openTunnel, type Tunnel} from '../../../src/tunnel/tunnel.ts'

const closing: (() => Promise<unknown> | unknown)[] = []
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close()
})

async function tunnel(): Promise<Tunnel> {
  const opened = await openTunnel({port: 0, orNext: false})
  closing.push(() => opened.close())
  return opened
}

const lost = (retryInMs: number | null = null) => ({lines: ['The connection to <the> cluster was lost.', 'Run `jnode connect a`.'], retryAt: retryInMs === null ? null : Date.now() + retryInMs})
const ask = ({port}: Tunnel, init: RequestInit = {}, path = '/lab?token=secret') => fetch(`http://127.0.0.1:${port}${path}`, init)

describe('while there is no way', () => {
  test('a person gets a page with what is, which looks again by itself and shows nothing of the request', async () => {
    const down = await tunnel()
    down.away(lost(4000))
    // Not by `fetch`, which sends a Sec-Fetch-Mode of its own.
    const navigate = fetchOver(async () => connect(down.port, '127.0.0.1'))
    const headers = {accept: 'text/html,*/*;q=0.8', 'sec-fetch-mode': 'navigate'}
    const answer = await navigate(new URL('http://127.0.0.1/lab?token=secret'), {headers, redirect: 'manual', signal: AbortSignal.timeout(10_000)})
    const html = await answer.text()
    expect([answer.status, answer.headers.get('retry-after'), answer.headers.get('cache-control')]).toEqual([503, expect.stringMatching(/^[1-5]$/), 'no-store'])
    expect(html).toContain('<h1>The connection to &lt;the&gt; cluster was lost.</h1>')
    expect(html).toContain('<code>jnode connect a</code>')
    expect(html).toContain('location.reload()')
    expect(html).not.toMatch(/secret|token=|https?:/)
    expect(answer.headers.get('content-security-policy')).toMatch(/^default-src 'none';/)
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

  test('a websocket is refused', async () => {
    const down = await tunnel()
    down.away(lost())
    const socket = new WebSocket(`ws://127.0.0.1:${down.port}/api/kernels/1/channels`)
    const status = await new Promise((resolve) => socket.once('unexpected-response', (_, {statusCode}) => resolve(statusCode)))
    expect(status).toBe(503)
    socket.terminate()
    await new Promise((resolve) => socket.once('error', resolve))
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
    const early = connect(back.port, '127.0.0.1')
    await new Promise((resolve) => early.once('connect', resolve))
    await ask(back) // by now the other one is being served as well
    const closed = new Promise((resolve) => early.once('close', resolve))
    back.route(() => openHere({kind: 'tcp', host: '127.0.0.1', port: (server.address() as AddressInfo).port}))
    await closed
  })
})
