import {once} from 'node:events'
import {createServer, request, type RequestListener} from 'node:http'
import {connect, createServer as listener, type AddressInfo, type Server, type Socket} from 'node:net'
import {expect, onTestFinished, test} from 'vitest'
import {proofOf} from '../../../src/jupyter/api.ts'
import {PROOF_HEADER} from '../../../src/jupyter/server-config.ts'
import {showsProof} from '../../../src/jupyter/shows-proof.ts'
import {rejectionOf} from '../expect-error.ts'

const TOKEN = 'secret'

async function streamTo(server: Server): Promise<Socket> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const socket = connect((server.address() as AddressInfo).port, '127.0.0.1')
  onTestFinished(() => {
    socket.destroy()
    server.close()
  })
  await once(socket, 'connect')
  return socket
}

const http = (onRequest: RequestListener) => streamTo(createServer(onRequest))
/** Sends these bytes to whoever connects. */
const says = (...parts: string[]) =>
  streamTo(listener((socket) => {
    socket.on('error', () => {})
    void (async () => {
      for (const part of parts) await new Promise((resolve) => socket.write(part, () => setTimeout(resolve, 5)))
    })()
  }))
const shown = `${PROOF_HEADER}: ${proofOf(TOKEN)}\r\n`

test('a stream that has shown the proof carries the next request as if nobody had asked, and the token is not in the question', async () => {
  const asked: string[] = []
  const stream = await http((req, res) => {
    asked.push(`${req.method} ${req.url} ${JSON.stringify(req.headers)}`)
    res.writeHead(req.url === '/api' ? 403 : 200, {[PROOF_HEADER]: proofOf(TOKEN), 'content-length': 2}).end('{}')
  })
  expect(await showsProof(stream, TOKEN)).toBe(true)
  expect(asked.join()).not.toContain(TOKEN)
  const status = await new Promise((resolve, reject) => request({path: '/lab', createConnection: () => stream}, (res) => resolve(res.statusCode)).once('error', reject).end())
  expect(status).toBe(200)
  expect(asked).toHaveLength(2)
})

test('an answer in pieces is read to its end and not beyond', async () => {
  expect(await showsProof(await says('HTTP/1.1 200', ` OK\r\nContent-Length: 5\r\n${shown}\r`, '\n{', '"a"', '}'), TOKEN)).toBe(true)
})

test.each([
  ['shows no proof', 'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n'],
  ['shows another session’s proof', `HTTP/1.1 200 OK\r\nContent-Length: 0\r\n${PROOF_HEADER}: ${proofOf('other')}\r\n\r\n`],
  ['says more than it was asked', `HTTP/1.1 200 OK\r\nContent-Length: 0\r\n${shown}\r\nHTTP/1.1 200 OK\r\nSet-Cookie: a=b\r\n\r\n`],
  ['takes no further request', `HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n${shown}\r\n`],
  ['does not say how long its answer is', `HTTP/1.1 200 OK\r\n${shown}\r\n`],
  ['never ends its headers', `HTTP/1.1 200 OK\r\n${'x: y\r\n'.repeat(20_000)}`],
  ['speaks something else', 'SSH-2.0-x\r\n\r\n'],
])('a server that %s is not ours', async (_, text) => {
  expect(await showsProof(await says(text), TOKEN)).toBe(false)
})

test('a stream that ends before it has answered, or is not wanted any more, is closed', async () => {
  const ended = await streamTo(listener((socket) => socket.end()))
  expect((await rejectionOf(showsProof(ended, TOKEN))).code).toBe('connection-lost')
  const silent = await says()
  const giveUp = new AbortController()
  const asking = showsProof(silent, TOKEN, giveUp.signal)
  giveUp.abort()
  expect((await rejectionOf(asking)).code).toBe('connection-lost')
  expect([ended.destroyed, silent.destroyed]).toEqual([true, true])
})

test('the end of the wait does not end a stream that has shown the proof before', async () => {
  const giveUp = new AbortController()
  const stream = await says(`HTTP/1.1 200 OK\r\nContent-Length: 0\r\n${shown}\r\n`)
  expect(await showsProof(stream, TOKEN, giveUp.signal)).toBe(true)
  giveUp.abort()
  expect(stream.destroyed).toBe(false)
})
