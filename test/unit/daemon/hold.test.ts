import {mkdtemp, rm} from 'node:fs/promises'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {expect, test} from 'vitest'
import type {ClusterTarget} from '../../../src/config/cluster.ts'
import {keeperDirectory} from '../../../src/daemon/control.ts'
import {holdSession} from '../../../src/daemon/hold.ts'
import type {Deps} from '../../../src/flows/deps.ts'
import type {OpenSession} from '../../../src/flows/open-session.ts'
import type {SessionFacts} from '../../../src/session/facts.ts'
import {openStore} from '../../../src/session/local-store.ts'
import {systemClock} from '../../../src/time.ts'
import {rejectionOf} from '../expect-error.ts'

const never = new Promise<never>(() => {})

const facts: SessionFacts = {
  version: 1, id: 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa', name: 't1', cluster: 'c1', hops: [], host: 'alice@head', jobId: '7', jobName: 'jnode-t1', slots: 1, memoryBytes: null, runSeconds: null,
  app: 'lab', remoteDir: '/home/alice/.jnode/sessions/t1', submittedAt: '2026-11-20T23:40:48.000Z', startedAt: null, localPort: 8889, page: 'lab', gpus: null, token: 'secret',
}

/** A session whose cluster says nothing, and what was done to it. */
function session(port: number): {open: OpenSession; done: string[]} {
  const done: string[] = []
  const close = (what: string) => async () => void done.push(`${what} closed`)
  const remote = {label: 'alice@head', run: () => never, closed: never}
  const open = {
    facts,
    link: {head: remote, close: close('link')},
    engine: {list: () => ({script: '', read: () => null}), calls: new Map()},
    user: 'alice',
    tunnel: {host: '127.1.2.3', port, route: () => {}, close: close('tunnel'), leave: close('tunnel, left to a guard, is')},
    way: {route: 'socket', node: remote, nodeName: 'node1', open: () => never, lost: never, trials: []},
  }
  return {open: open as unknown as OpenSession, done}
}

test('a second keeper of a session gives up, closes what it holds and says so', async () => {
  const stateDir = await mkdtemp(join(tmpdir(), 'jnode-hold-'))
  const store = openStore(stateDir)
  const deps = {clock: systemClock, upheaval: () => never, tell: () => {}, keepers: keeperDirectory(stateDir), store} as unknown as Deps
  const stop = new AbortController()
  const options = {cluster: {} as ClusterTarget, stateDir, version: '1', notify: () => {}, signal: stop.signal}
  const one = session(8888)
  const first = await holdSession(one.open, deps, options)
  const second = session(8889)
  const states: string[] = []
  const failure = await rejectionOf(holdSession(second.open, deps, {...options, onTunnel: ({tunnel}) => void states.push(tunnel)}))
  expect(failure.code).toBe('session-exists')
  expect(second.done).toEqual(['tunnel closed', 'link closed'])
  expect(states).toEqual(['closed'])
  expect(first.status()).toMatchObject({name: 't1', node: 'node1', tunnel: 'connected', localHost: '127.1.2.3', localPort: 8888})
  expect((await store.load('c1', 't1'))?.localPort).toBe(8888)
  stop.abort()
  expect(await first.ended).toEqual({kind: 'closed'})
  expect(one.done).toEqual(['tunnel, left to a guard, is closed', 'link closed'])
  await rm(stateDir, {recursive: true})
})
