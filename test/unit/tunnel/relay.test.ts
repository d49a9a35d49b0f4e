import {once} from 'node:events'
import {connect, type AddressInfo} from 'node:net'
import {createServer} from 'node:tls'
import {expect, onTestFinished, test} from 'vitest'
import {makeIdentity, secured} from '../../../src/tunnel/relay.ts'

test('another certificate than the session’s is refused, also by a user whose Node.js lets every certificate pass', async () => {
  const before = process.env['NODE_TLS_REJECT_UNAUTHORIZED']
  onTestFinished(() => {
    if (before === undefined) delete process.env['NODE_TLS_REJECT_UNAUTHORIZED']
    else process.env['NODE_TLS_REJECT_UNAUTHORIZED'] = before
  })
  process.env['NODE_TLS_REJECT_UNAUTHORIZED'] = '0'
  const [own, strange] = await Promise.all([makeIdentity(), makeIdentity()])
  const server = createServer({cert: strange, key: strange}).on('secureConnection', (socket) => socket.on('error', () => {})).listen(0, '127.0.0.1')
  onTestFinished(() => void server.close())
  await once(server, 'listening')
  const open = secured(async () => connect((server.address() as AddressInfo).port, '127.0.0.1'), own)
  expect(await open().then((stream) => (stream.destroy(), 'opened'), (error: Error) => error.message)).toMatch(/^The relay on the node did not finish its TLS handshake/)
})
