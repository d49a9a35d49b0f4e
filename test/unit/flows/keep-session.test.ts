import {PassThrough} from 'node:stream'
import {expect, test, vi} from 'vitest'
import type {ClusterTarget} from '../../../src/config/cluster.ts'
import type {Deps} from '../../../src/flows/deps.ts'
import {JnodeError} from '../../../src/errors.ts'
import {keepSession} from '../../../src/flows/keep-session.ts'
import type {OpenSession} from '../../../src/flows/open-session.ts'
import {Stranger} from '../../../src/flows/route-context.ts'
import {systemClock} from '../../../src/time.ts'

const keepers = {guard: async () => {}}
const never = new Promise<never>(() => {})

test('a stream that opens after the tunnel was closed is closed, too: the connection may be one that others go on using', async () => {
  let opens!: (stream: PassThrough) => void
  const remote = {label: 'alice@head', run: () => never, closed: never}
  const session = {
    facts: {jobId: '7', jobName: 'jnode-t1', remoteDir: '/home/alice/.jnode/sessions/t1'},
    link: {head: remote, close: async () => {}},
    engine: {list: () => ({script: '', read: () => null}), calls: new Map()},
    user: 'alice',
    tunnel: {host: '127.1.2.3', port: 8888, route: () => {}, away: () => {}, close: async () => {}},
    way: {route: 'socket', node: remote, nodeName: 'node1', open: () => new Promise((resolve) => (opens = resolve)), lost: never, trials: []},
  }
  const deps = {clock: systemClock, upheaval: () => never, tell: () => {}, keepers}
  const closing = new AbortController()
  const kept = keepSession(session as unknown as OpenSession, deps as unknown as Deps, {cluster: {} as ClusterTarget, signal: closing.signal, onTunnel: () => {}, yields: () => false, stopping: () => null})
  closing.abort()
  expect(await kept.ended).toEqual({kind: 'closed'})
  const stream = new PassThrough()
  const closed = new Promise((resolve) => stream.once('close', resolve))
  opens(stream)
  await closed
  expect(stream.destroyed).toBe(true)
})

test('after sleep a node that is silent does not cost the connection to the head, which answers', async () => {
  let first!: (what: string) => void
  const closedFirst = new Promise<string>((resolve) => (first = resolve))
  const remote = {label: 'alice@head', run: async ([script]: string[]) => (script === ':' ? [] : never), closed: never}
  const session = {
    facts: {name: 't1', jobId: '7', jobName: 'jnode-t1', remoteDir: '/home/alice/.jnode/sessions/t1', startedAt: null, runSeconds: null},
    link: {head: remote, close: async () => first('the connection')},
    engine: {list: () => ({script: '', read: () => null}), calls: new Map()},
    user: 'alice',
    tunnel: {host: '127.1.2.3', port: 8888, route: () => {}, away: () => {}, close: async () => {}},
    way: {route: 'direct', start: null, node: remote, nodeName: 'node1', open: () => never, touch: () => never, lost: never, trials: [], close: async () => first('the way')},
  }
  let slept = false
  const upheaval = async () => (slept ? never : ((slept = true), 'this computer has slept'))
  const clock = {now: () => Date.now(), sleep: (ms: number, signal?: AbortSignal) => systemClock.sleep(Math.min(ms, 20), signal)}
  const closing = new AbortController()
  const kept = keepSession(session as unknown as OpenSession, {clock, upheaval, tell: () => {}, keepers} as unknown as Deps, {cluster: {} as ClusterTarget, signal: closing.signal, onTunnel: () => {}, yields: () => false, stopping: () => null})
  expect(await closedFirst).toBe('the way')
  closing.abort()
  await kept.ended
})

/** A session whose server answers each stream in turn as told: with one that the test can end, or not at all. */
function served(...answers: ((() => PassThrough) | Error | typeof never)[]) {
  const remote = {label: 'alice@head', run: async ([script]: string[]) => (script === ':' ? [] : never), closed: never}
  const seen: string[] = []
  const open = async () => {
    const answer = answers.shift() ?? never
    if (answer instanceof Error) throw answer
    return typeof answer === 'function' ? answer() : answer
  }
  const session = {
    facts: {name: 't1', jobId: '7', jobName: 'jnode-t1', remoteDir: '/home/alice/.jnode/sessions/t1', startedAt: null, runSeconds: null},
    link: {head: remote, close: async () => {}},
    engine: {list: () => ({script: '', read: () => null}), calls: new Map()},
    user: 'alice',
    tunnel: {host: '127.1.2.3', port: 8888, route: () => seen.push('route'), away: ({lines}: {lines: string[]}) => seen.push(lines[0]!), close: async () => {}},
    way: {route: 'node', start: null, node: remote, nodeName: 'node1', open, touch: open, lost: never, trials: [], close: async () => {}},
  }
  const clock = {now: () => Date.now(), sleep: (ms: number, signal?: AbortSignal) => systemClock.sleep(ms, signal)}
  const closing = new AbortController()
  const tell = (event: {kind: string; text?: string}) => event.kind === 'warning' && seen.push(event.text!)
  const kept = keepSession(session as unknown as OpenSession, {clock, upheaval: () => never, tell, keepers} as unknown as Deps, {
    cluster: {} as ClusterTarget, signal: closing.signal, onTunnel: (state) => seen.push(state), yields: () => false, stopping: () => null,
  })
  return {
    seen,
    kept,
    async end() {
      closing.abort()
      await kept.ended
    },
  }
}

/** For the next stream: it lives longer than one that was never to the server, and then ends. */
const living = (streams: PassThrough[]) => () => {
  streams.push(new PassThrough())
  return streams.at(-1)!
}
const lived = async (stream: PassThrough) => {
  await systemClock.sleep(1050)
  stream.end()
}
const SILENT = 'The server of this session does not answer just now.'

test('a server that closes an idle stream and shows at once that it is there loses no connection, and nobody is told', async () => {
  const streams: PassThrough[] = []
  const {seen, kept, end} = served(living(streams), living(streams))
  await vi.waitFor(() => expect(streams).toHaveLength(1))
  await lived(streams[0]!)
  await vi.waitFor(() => expect(streams).toHaveLength(2))
  expect(seen).toEqual([])
  expect(kept.status()).toMatchObject({tunnel: 'connected', reconnects: 0})
  await end()
})

test('a server that is gone has no route from then on, until it shows that it is there again', async () => {
  const streams: PassThrough[] = []
  const {seen, kept, end} = served(living(streams), new JnodeError('unreachable', 'connection refused'), living(streams))
  await vi.waitFor(() => expect(streams).toHaveLength(1))
  await lived(streams[0]!)
  await vi.waitFor(() => expect(seen).toEqual([SILENT, 'reconnecting', SILENT]))
  expect(kept.status()).toMatchObject({tunnel: 'reconnecting', reason: null})
  await vi.waitFor(() => expect(seen.slice(3)).toEqual(['route', 'connected']), 5000)
  expect(kept.status()).toMatchObject({tunnel: 'connected', reconnects: 0})
  await end()
})

test('a server that says nothing after its idle stream has ended has no route until it does', async () => {
  const streams: PassThrough[] = []
  let answers!: (stream: PassThrough) => void
  const {seen, end} = served(living(streams), new Promise<never>((resolve) => (answers = resolve as unknown as typeof answers)))
  await vi.waitFor(() => expect(streams).toHaveLength(1))
  await lived(streams[0]!)
  await vi.waitFor(() => expect(seen).toEqual([SILENT, 'reconnecting']), 5000)
  answers(new PassThrough())
  await vi.waitFor(() => expect(seen.slice(2)).toEqual(['route', 'connected']))
  await end()
})

test('whoever takes the server’s place is named, and the tunnel is not called connected', async () => {
  const streams: PassThrough[] = []
  const {seen, kept, end} = served(living(streams), new Stranger('Port 9123 of node1 belongs to another user'))
  await vi.waitFor(() => expect(streams).toHaveLength(1))
  await lived(streams[0]!)
  await vi.waitFor(() => expect(seen).toContain('Port 9123 of node1 belongs to another user: nothing is sent there; reconnecting'))
  expect(seen).toContain('Another program answers in place of this session’s server.')
  expect(kept.status()).toMatchObject({tunnel: 'reconnecting', reason: 'Port 9123 of node1 belongs to another user'})
  await end()
})
