import {once} from 'node:events'
import {createServer, type AddressInfo} from 'node:net'
import {join} from 'node:path'
import {describe, expect, onTestFinished} from 'vitest'
import {borrow} from '../../../src/daemon/borrow.ts'
import {takePlace} from '../../../src/daemon/lend.ts'
import {shareLink} from '../../../src/daemon/shared-link.ts'
import {emptySecrets} from '../../../src/ssh/auth.ts'
import {sshDoor} from '../../../src/ssh/door.ts'
import {opensshDoor} from '../../../src/ssh/openssh.ts'
import {noPrompter} from '../../../src/ssh/prompt.ts'
import type {Endpoint} from '../../../src/ssh/remote.ts'
import {remoteContract, type Site} from '../../contract/remote.ts'
import {startFakeCluster, type FakeCluster} from '../../fake-cluster/cluster.ts'

const HEAD = [{user: null, host: 'head', port: null}]

/** All its hosts are this machine. */
async function fakeSite(): Promise<Site & {cluster: FakeCluster}> {
  const cluster = await startFakeCluster()
  onTestFinished(() => cluster.close())
  return {
    cluster,
    accepted: async (hop) => cluster.accepted(hop),
    connections: async (hop) => cluster.connections(hop),
    cut: async (hop) => cluster.cut(hop),
    echoes: () => Promise.all([0, join(cluster.laptop.home, 'echo')].map(echo)),
  }
}

async function echo(at: number | string): Promise<Endpoint> {
  const server = createServer((socket) => socket.pipe(socket)).listen(at)
  onTestFinished(() => void server.close())
  await once(server, 'listening')
  return typeof at === 'string' ? {kind: 'socket', path: at} : {kind: 'tcp', host: '127.0.0.1', port: (server.address() as AddressInfo).port}
}

const options = (cluster: FakeCluster) => ({env: cluster.laptop.env, prompter: noPrompter, secrets: emptySecrets(), machines: new Map<string, string>(), tell: () => {}, knownHosts: null, nodesFile: join(cluster.laptop.home, 'nodes')})

describe('over ssh2', () =>
  remoteContract(fakeSite, async ({cluster}) => {
    const door = sshDoor(options(cluster))
    const head = await door.open(HEAD)
    return {head, toNode: (name, hostKeys) => door.nodeThrough(head, {name, hostKeys})}
  }))

describe('over the system’s ssh', () =>
  remoteContract(fakeSite, async ({cluster}) => {
    const door = opensshDoor(options(cluster))
    const {signal} = new AbortController()
    const {head, hop} = await door.open(HEAD, signal)
    return {head, toNode: (name, hostKeys) => door.nodeThrough(head, hop, {name, hostKeys}, signal)}
  }))

describe('lent by another process', () =>
  remoteContract(fakeSite, async ({cluster}) => {
    const door = sshDoor(options(cluster))
    const path = join(cluster.laptop.home, 'lent', 's')
    const lender = await takePlace(path)
    expect(await takePlace(path)).toBeNull()
    const own = await door.open(HEAD)
    lender!.lend(shareLink({head: own, canAsk: false, toNode: ({names, hostKeys}) => door.nodeThrough(own, {name: names[0]!, hostKeys}), close: () => own.close()}))
    const found = await borrow(path, {signal: new AbortController().signal, onWaiting: () => {}})
    if (found.kind !== 'lent') throw new Error(found.kind)
    const {link} = found
    return {head: {...link.head, close: () => link.close()}, toNode: (name, hostKeys) => link.toNode({names: [name], hostKeys})}
  }))
