import {mkdtemp, readdir, rm} from 'node:fs/promises'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {expect, onTestFinished, test} from 'vitest'
import type {ClusterTarget} from '../../../src/config/cluster.ts'
import {borrow} from '../../../src/daemon/borrow.ts'
import {links} from '../../../src/daemon/links.ts'
import {JnodeError} from '../../../src/errors.ts'
import type {OwnLink} from '../../../src/daemon/shared-link.ts'

const forEver = new Promise<never>(() => {})
const {signal} = new AbortController()
const CLUSTER = {name: 'c1', kind: 'ssh', label: 'alice@head', hops: [{user: null, host: 'head', port: null}], knownHosts: null} as unknown as ClusterTarget

/** A keeper that has lost its own way, on a connection that somebody borrows from it; what was done to that connection. */
async function lending({run = async () => [], asked = [], refuses = false}: {run?: (scripts: unknown, options: {signal: AbortSignal}) => Promise<unknown>; asked?: string[]; refuses?: boolean} = {}) {
  const stateDir = await mkdtemp(join(tmpdir(), 'jnode-links-'))
  onTestFinished(() => rm(stateDir, {recursive: true}))
  const done: string[] = []
  const link = {
    head: {label: 'alice@head', closed: forEver, run},
    canAsk: true,
    asked,
    async toNode(_node: unknown, _signal: unknown, silent = false) {
      done.push(silent ? 'nobody asked' : 'somebody asked')
      if (refuses) throw new JnodeError('no-route', 'No way to the compute node', {cause: new JnodeError('login-failed', 'alice@node1 refused the login')})
      return {label: 'alice@node1', closed: forEver, close: async () => {}}
    },
    close: async () => void done.push('closed'),
  }
  const ours = links({stateDir, lending: true, canAsk: true, tell: () => {}, logIn: async () => link as unknown as OwnLink, nodeBehind: () => forEver, needPerson: () => {}})
  const first = await ours.connect(CLUSTER, {signal, lend: true})
  const [place] = await readdir(join(stateDir, 'keepers'))
  const borrowed = await borrow(join(stateDir, 'keepers', place!), {signal, onWaiting: () => {}})
  if (borrowed.kind !== 'lent') throw new Error(borrowed.kind)
  onTestFinished(() => ours.end())
  await first.close()
  return {ours, done, stateDir}
}

test('a keeper that comes back over the connection that it lends asks nobody for what a node wants', async () => {
  const {ours, done} = await lending()
  const again = await ours.connect(CLUSTER, {signal, lend: true, silent: true})
  expect(again.canAsk).toBe(false)
  await again.toNode({names: ['node1'], hostKeys: []}, signal)
  expect(done).toEqual(['nobody asked'])
})

test('a keeper that is told to end while it looks whether the connection lives leaves it to the others', async () => {
  const end = new AbortController()
  const {ours, done} = await lending({run: (_, options) => new Promise((_resolve, reject) => {
    options.signal.addEventListener('abort', () => reject(new Error('given up')))
    end.abort(new Error('told to end'))
  })})
  await expect(ours.connect(CLUSTER, {signal: end.signal, lend: true, silent: true})).rejects.toThrow()
  expect(done).toEqual([])
})

test('who borrows a connection knows where a login needs a person', async () => {
  const {stateDir} = await lending({asked: ['alice@gateway']})
  const asked: string[] = []
  const theirs = links({stateDir, lending: false, canAsk: false, tell: () => {}, logIn: () => forEver, nodeBehind: () => forEver, needPerson: (label) => asked.push(label)})
  const link = await theirs.connect(CLUSTER, {signal, lend: true})
  expect(asked).toEqual(['alice@gateway'])
  await link.close()
})

test('what was typed to this process for a node is used for it again behind a connection that is lent, and nobody is asked', async () => {
  const {stateDir} = await lending({refuses: true})
  const behind: boolean[] = []
  const node = {label: 'alice@node1', closed: forEver, close: async () => {}}
  let known: typeof node | null = node
  const theirs = links({stateDir, lending: false, canAsk: true, tell: () => {}, logIn: () => forEver, needPerson: () => {}, nodeBehind: async (_cluster, _head, _node, {quiet}) => {
    behind.push(quiet)
    return known as never
  }})
  const silent = await theirs.connect(CLUSTER, {signal, silent: true})
  expect(silent.canAsk).toBe(false)
  expect(await silent.toNode({names: ['node1'], hostKeys: []}, signal)).toBe(node)
  known = null
  await expect(silent.toNode({names: ['node1'], hostKeys: []}, signal, true)).rejects.toMatchObject({code: 'no-route', message: 'No way to the compute node'})
  const attended = await theirs.connect(CLUSTER, {signal})
  known = node
  await attended.toNode({names: ['node1'], hostKeys: []}, signal)
  expect(behind).toEqual([true, true, false])
  await silent.close()
  await attended.close()
})
