import {expect, test} from 'vitest'
import type {ClusterTarget} from '../../../src/config/cluster.ts'
import {knownFacts} from '../../../src/flows/known-facts.ts'
import type {SessionFacts} from '../../../src/session/facts.ts'
import type {RemoteSession} from '../../../src/session/remote-store.ts'

const cluster = {name: 'hpc', hops: [{user: 'alice', host: 'head', port: null}]} as unknown as ClusterTarget

const there = (over: object = {}, record = ''): RemoteSession =>
  ({facts: {id: 'a', name: 't1', jobId: '7', startedAt: null, localPort: 8890, ...over}, token: 'secret', record}) as RemoteSession
const here = (over: object = {}) => ({id: 'a', name: 't1', jobId: '7', startedAt: null, localPort: 8888, ...over}) as SessionFacts

test('each computer keeps its own port, whichever another one used last', () => {
  expect(knownFacts(there(), cluster, here()).localPort).toBe(8888)
  expect(knownFacts(there(), cluster, null).localPort).toBe(8890)
  expect(knownFacts(there(), cluster, here({id: 'b'})).localPort).toBe(8890)
})

test('a start that crashed before it could note the job is known by this computer, or by the job itself', () => {
  const record = 'jnode-record 1\njob 9\nnode node1\nstarted 1700000000\n'
  expect(knownFacts(there({jobId: null}), cluster, here()).jobId).toBe('7')
  expect(knownFacts(there({jobId: null}, record), cluster, null).jobId).toBe('9')
  expect(knownFacts(there({jobId: null}), cluster, null).jobId).toBeNull()
})

test('a job that nobody saw start tells itself when it did', () => {
  const record = 'jnode-record 1\njob 7\nnode node1\nstarted 1700000000\n'
  expect(knownFacts(there({}, record), cluster, null).startedAt).toBe('2023-11-14T22:13:20.000Z')
  expect(knownFacts(there({startedAt: '2023-11-14T22:13:21.000Z'}, record), cluster, null).startedAt).toBe('2023-11-14T22:13:21.000Z')
})
