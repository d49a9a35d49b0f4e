import {createServer} from 'node:http'
import {connect, type AddressInfo} from 'node:net'
import type {Writable} from 'node:stream'
import {afterAll, beforeAll, expect, it} from 'vitest'
import {fetchOver} from '../../src/http.ts'

/** Sends it as long as it is taken. */
function endless(to: Writable, piece: string): void {
  const go = () => {
    while (!to.destroyed && to.write(piece)) sent += piece.length
    sent += piece.length
  }
  to.on('drain', go)
  go()
}
let sent = 0

const server = createServer((req, res) => {
  switch (req.url) {
    case '/elsewhere':
      return res.writeHead(302, {location: '/'}).end('over there')
    case '/cut':
      res.writeHead(200, {'content-length': 10}).write('half')
      return setImmediate(() => req.socket.destroy())
    case '/closed':
      return req.socket.destroy()
    case '/silent':
      return
    case '/endless':
      return endless(res.writeHead(200), 'x'.repeat(10_000))
    case '/until-closed':
      req.socket.write('HTTP/1.1 200 OK\r\n\r\n')
      return endless(req.socket, 'x'.repeat(10_000))
    case '/hints':
      return endless(req.socket, 'HTTP/1.1 103 Early Hints\r\n\r\n'.repeat(100))
    case '/drip':
      return void setInterval(() => res.write('x'), 5).unref()
    default:
      return res.writeHead(200, {'X-One': '1', 'set-cookie': ['a=1', 'b=2']}).end(`${req.method} ${req.headers.authorization} ü`)
  }
})
beforeAll(() => new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve)))
afterAll(() => server.closeAllConnections())

const get = (path: string, more: {method?: string; headers?: Record<string, string>; signal?: AbortSignal; maxBytes?: number} = {}) =>
  fetchOver(async () => connect((server.address() as AddressInfo).port, '127.0.0.1'))(new URL(path, 'http://127.0.0.1'), {redirect: 'manual', signal: AbortSignal.timeout(10_000), ...more})

it('answers with status, headers and body', async () => {
  const answer = await get('/', {method: 'POST', headers: {authorization: 'token t'}})
  expect(answer.status).toBe(200)
  expect([answer.headers.get('x-one'), answer.headers.get('Set-Cookie'), answer.headers.get('x-two')]).toEqual(['1', 'a=1, b=2', null])
  expect(await answer.text()).toBe('POST token t ü')
})

it('takes a redirect for an answer', async () => {
  const answer = await get('/elsewhere')
  expect([answer.status, answer.headers.get('location'), await answer.text()]).toEqual([302, '/', 'over there'])
})

it('rejects when the connection is closed before the answer, or within it', async () => {
  await expect(get('/closed')).rejects.toMatchObject({code: 'ECONNRESET'})
  await expect(get('/cut')).rejects.toMatchObject({code: 'ECONNRESET'})
})

it('rejects when its signal is aborted', async () => {
  const signal = AbortSignal.timeout(20)
  await expect(get('/silent', {signal})).rejects.toThrow(/abort/)
})

it.each(['/endless', '/until-closed', '/hints'])('gives up a server that sends %s', async (path) => {
  await expect(get(path)).rejects.toMatchObject({code: 'unexpected', message: 'The server sent more than 64 kB, far more than the answer needs'})
  await expect(get(path, {maxBytes: 2_000_000})).rejects.toMatchObject({code: 'unexpected', message: expect.stringContaining('2 MB') as string})
  // What the kernel's buffers hold is in it.
  expect(sent).toBeLessThan(60_000_000)
})

it('gives up a server that sends byte after byte when the time is over', async () => {
  await expect(get('/drip', {signal: AbortSignal.timeout(300)})).rejects.toThrow(/abort/)
})
