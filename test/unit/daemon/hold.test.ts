import {mkdtemp, rm} from 'node:fs/promises'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {expect, test} from 'vitest'
import type {ClusterTarget} from '../../../src/config/cluster.ts'
import {holdSession} from '../../../src/daemon/hold.ts'
import type {Deps} from '../../../src/flows/deps.ts'
import type {OpenSession} from '../../../src/flows/open-session.ts'
import {systemClock} from '../../../src/time.ts'
import {rejectionOf} from '../expect-error.ts'

const never = new Promise<never>(() => {})
const deps = {clock: systemClock, tell: () => {}} as unknown as Deps

/** A session whose cluster says nothing, and what was done to it. */
function session(): {open: OpenSession; done: string[]} {
  const done: string[] = []
  const close = (what: string) => async () => void done.push(`${what} closed`)
  const remote = {label: 'alice@head', run: () => never, closed: never}
  const open = {
    facts: {name: 't1', cluster: 'c1', jobId: '7', jobName: 'jnode-t1', remoteDir: '/home/alice/.jnode/sessions/t1'},
    link: {head: remote, close: close('link')},
    engine: {list: () => ({script: '', read: () => null})},
    user: 'alice',
    tunnel: {port: 8888, route: () => {}, close: close('tunnel')},
    way: {route: 'socket', node: remote, nodeName: 'node1', open: () => never},
  }
  return {open: open as unknown as OpenSession, done}
}

test('a second keeper of a session gives up, closes what it holds and says so', async () => {
  const stateDir = await mkdtemp(join(tmpdir(), 'jnode-hold-'))
  const stop = new AbortController()
  const options = {cluster: {} as ClusterTarget, stateDir, version: '1', signal: stop.signal}
  const first = await holdSession(session().open, deps, options)
  const second = session()
  const states: string[] = []
  const failure = await rejectionOf(holdSession(second.open, deps, {...options, onTunnel: ({tunnel}) => void states.push(tunnel)}))
  expect(failure.code).toBe('session-exists')
  expect(second.done).toEqual(['tunnel closed', 'link closed'])
  expect(states).toEqual(['closed'])
  expect(first.status()).toMatchObject({name: 't1', node: 'node1', tunnel: 'connected', localPort: 8888})
  stop.abort()
  expect(await first.ended).toEqual({kind: 'closed'})
  await rm(stateDir, {recursive: true})
})
