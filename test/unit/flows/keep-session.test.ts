import {PassThrough} from 'node:stream'
import {expect, test} from 'vitest'
import type {ClusterTarget} from '../../../src/config/cluster.ts'
import type {Deps} from '../../../src/flows/deps.ts'
import {keepSession} from '../../../src/flows/keep-session.ts'
import type {OpenSession} from '../../../src/flows/open-session.ts'
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
    way: {route: 'direct', start: null, node: remote, nodeName: 'node1', open: () => never, lost: never, trials: [], close: async () => first('the way')},
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
