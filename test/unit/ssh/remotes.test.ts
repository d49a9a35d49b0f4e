import {join} from 'node:path'
import {describe, expect} from 'vitest'
import {borrow} from '../../../src/daemon/borrow.ts'
import {takePlace} from '../../../src/daemon/lend.ts'
import {shareLink} from '../../../src/daemon/shared-link.ts'
import {emptySecrets} from '../../../src/ssh/auth.ts'
import {sshDoor} from '../../../src/ssh/door.ts'
import {opensshDoor} from '../../../src/ssh/openssh.ts'
import {noPrompter} from '../../../src/ssh/prompt.ts'
import {remoteContract} from '../../contract/remote.ts'
import type {FakeCluster} from '../../fake-cluster/cluster.ts'

const HEAD = [{user: null, host: 'head', port: null}]
const options = (cluster: FakeCluster) => ({env: cluster.laptop.env, prompter: noPrompter, secrets: emptySecrets(), machines: new Map<string, string>(), tell: () => {}, knownHosts: null, nodesFile: join(cluster.laptop.home, 'nodes')})

describe('over ssh2', () =>
  remoteContract(async (cluster) => {
    const door = sshDoor(options(cluster))
    const head = await door.open(HEAD)
    return {head, toNode: (name, hostKeys) => door.nodeThrough(head, {name, hostKeys})}
  }))

describe('over the system’s ssh', () =>
  remoteContract(async (cluster) => {
    const door = opensshDoor(options(cluster))
    const {signal} = new AbortController()
    const {head, hop} = await door.open(HEAD, signal)
    return {head, toNode: (name, hostKeys) => door.nodeThrough(head, hop, {name, hostKeys}, signal)}
  }))

describe('lent by another process', () =>
  remoteContract(async (cluster) => {
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
