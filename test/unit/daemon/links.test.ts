import {mkdtemp, readdir, rm} from 'node:fs/promises'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {expect, onTestFinished, test} from 'vitest'
import type {ClusterTarget} from '../../../src/config/cluster.ts'
import {borrow} from '../../../src/daemon/borrow.ts'
import {links} from '../../../src/daemon/links.ts'
import type {OwnLink} from '../../../src/daemon/shared-link.ts'

const forEver = new Promise<string>(() => {})
const {signal} = new AbortController()

test('a keeper that comes back over the connection that others borrow from it asks nobody for what a node wants', async () => {
  const stateDir = await mkdtemp(join(tmpdir(), 'jnode-links-'))
  onTestFinished(() => rm(stateDir, {recursive: true}))
  const quiet: (boolean | undefined)[] = []
  const link = {
    head: {label: 'alice@head', closed: forEver, run: async () => []},
    canAsk: true,
    async toNode(_node: unknown, _signal: unknown, silent?: boolean) {
      quiet.push(silent)
      return {label: 'alice@node1', closed: forEver, close: async () => {}}
    },
    close: async () => {},
  }
  const ours = links({stateDir, lending: true, canAsk: true, tell: () => {}, logIn: async () => link as unknown as OwnLink, nodeBehind: () => forEver as Promise<never>})
  const cluster = {name: 'c1', kind: 'ssh', label: 'alice@head', hops: [{user: null, host: 'head', port: null}], knownHosts: null} as unknown as ClusterTarget
  const first = await ours.connect(cluster, {signal, lend: true})
  const [place] = await readdir(join(stateDir, 'keepers'))
  const borrowed = await borrow(join(stateDir, 'keepers', place!), {signal, onWaiting: () => {}})
  if (borrowed.kind !== 'lent') throw new Error(borrowed.kind)
  await first.close()
  const again = await ours.connect(cluster, {signal, lend: true, silent: true})
  expect(again.canAsk).toBe(false)
  await again.toNode({names: ['node1'], hostKeys: []}, signal)
  expect(quiet).toEqual([true])
  await Promise.all([again.close(), borrowed.link.close(), ours.end()])
})
