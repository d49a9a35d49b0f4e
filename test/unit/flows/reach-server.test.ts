/** The node is this machine, and the server a stand-in that shows the proof. */
import {mkdtempSync, rmSync} from 'node:fs'
import {createServer} from 'node:http'
import type {AddressInfo} from 'node:net'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {expect, onTestFinished, test} from 'vitest'
import {reachServer, type ReachContext} from '../../../src/flows/reach-server.ts'
import {Stranger} from '../../../src/flows/route-context.ts'
import {proofOf} from '../../../src/jupyter/api.ts'
import {parseRecord} from '../../../src/jupyter/record.ts'
import {PROOF_HEADER} from '../../../src/jupyter/server-config.ts'
import type {RouteMemory} from '../../../src/session/route-store.ts'
import {localRemote} from '../../../src/ssh/local.ts'
import type {Endpoint} from '../../../src/ssh/remote.ts'
import {systemClock} from '../../../src/time.ts'
import {rejectionOf} from '../expect-error.ts'

const TOKEN = 'secret'
const never = new Promise<never>(() => {})

async function standIn(kind: Endpoint['kind']) {
  const asked: string[] = []
  let proof = proofOf(TOKEN)
  const server = createServer((req, res) => {
    asked.push(`${req.url} ${JSON.stringify(req.headers)}`)
    const body = JSON.stringify(req.url === '/api' ? {version: '6.0.0'} : {started: 'x', last_activity: 'x'})
    res.writeHead(200, {[PROOF_HEADER]: proof, 'content-length': body.length}).end(body)
  })
  const directory = mkdtempSync(join(tmpdir(), 'jnode-reach-'))
  await new Promise<void>((resolve) => (kind === 'socket' ? server.listen(join(directory, 'sock'), resolve) : server.listen(0, '127.0.0.1', resolve)))
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
    rmSync(directory, {recursive: true, force: true})
  })
  const endpoint = kind === 'socket' ? `socket ${join(directory, 'sock')}` : `tcp 127.0.0.1 ${(server.address() as AddressInfo).port}`
  return {asked, endpoint, becomesAnother: () => (proof = 'another')}
}

async function reach(endpoint: string, memory: RouteMemory | null) {
  const saved: (RouteMemory | null)[] = []
  const record = parseRecord(`jnode-record 1\nstart a.1\nendpoint ${endpoint}\nnode node1\nlistening\n`)
  const node = {...localRemote(), label: 'alice@node1', closed: never}
  const context = {
    session: {facts: {cluster: 'c', token: TOKEN, localPort: 8888}, link: {head: {...node, label: 'alice@head'}, canAsk: false, toNode: async () => node}},
    watch: {view: {record}, until: async (wanted: (view: unknown) => unknown) => wanted({record}) ?? never},
    tunnel: {route: () => {}},
    signal: new AbortController().signal,
  }
  const deps = {clock: systemClock, randomHex: () => '00', tell: () => {}, routes: {load: async () => memory, save: async (_: string, now: RouteMemory | null) => void saved.push(now)}}
  return {way: await reachServer(context as unknown as ReachContext, deps), saved}
}

test('the route of a server on a port is not remembered for servers on sockets, which have a safer one', async () => {
  const before = {route: 'head', trials: []}
  const {way, saved} = await reach((await standIn('tcp')).endpoint, null)
  expect([way.route, saved]).toEqual(['node', []])
  expect((await reach((await standIn('socket')).endpoint, null)).saved).toEqual([null])
  expect((await reach((await standIn('tcp')).endpoint, {...before, route: 'socket'})).saved).toEqual([])
})

test.each(['socket', 'tcp'] as const)('a stream to a server on a %s that is another’s by now is not handed out, is never shown the token, and ends the way', async (kind) => {
  const {asked, endpoint, becomesAnother} = await standIn(kind)
  const {way} = await reach(endpoint, null)
  ;(await way.open()).destroy()
  expect(asked.join()).toContain(TOKEN)
  becomesAnother()
  asked.length = 0
  expect(await rejectionOf(way.open())).toMatchObject({code: 'no-route', message: 'Something that is not this session’s Jupyter answers in its place on node1'})
  expect(asked.join()).not.toContain(TOKEN)
  expect(await way.lost).toBeInstanceOf(Stranger)
})
