/** The way to a session's compute node for ssh and its kin: who is meant there, which keys it must show, a stream to its sshd. */
import type {Duplex} from 'node:stream'
import {ask} from '../ask.ts'
import {JnodeError, messageOf, whenAborted} from '../errors.ts'
import {parseRecord} from '../jupyter/record.ts'
import {readRemoteSessions} from '../session/remote-store.ts'
import type {Remote, StandIn} from '../ssh/remote.ts'
import type {ClusterLink, Deps, NodeAddress} from './deps.ts'
import type {Found} from './find-session.ts'
import {onlySession} from './remote-session.ts'
import {nodeAddress} from './routes.ts'

export interface NodeShell {
  session: string
  /** As the job names its host. */
  node: string
  user: string
  /** `type base64` lines; empty where the job could not read them. */
  hostKeys: string[]
}

const SSH_PORT = 22

/** Asks the cluster where the session's job runs. Throws `no-session`, `job-ended`, `no-route` while it waits. */
export async function findNode(found: Found, deps: Deps, signal: AbortSignal): Promise<NodeShell> {
  const link = await deps.connect(found.cluster, {signal})
  try {
    return shellOn(found, await placeOf(found, link, signal), link)
  } finally {
    await link.close()
  }
}

export interface OpenNode {
  shell: NodeShell
  /** For the ssh program, in the node's place; null where it must log in itself. */
  standIn: StandIn | null
  close(): Promise<void>
}

/** As `findNode`, with a connection to the node: the keeper's where there is one. */
export async function openNode(found: Found, deps: Deps, signal: AbortSignal): Promise<OpenNode> {
  const link = await deps.connect(found.cluster, {signal})
  try {
    const place = await placeOf(found, link, signal)
    const node = await link.toNode(place, signal).catch((error: unknown) => {
      signal.throwIfAborted()
      // The ssh program may know a way in, and tells better why not.
      deps.tell({kind: 'trace', text: `the ssh program logs in itself: ${messageOf(error)}`})
      return null
    })
    return {shell: shellOn(found, place, link), standIn: node?.standIn ?? null, close: () => link.close()}
  } catch (error) {
    await link.close()
    throw error
  }
}

function shellOn({name}: Found, {node, hostKeys}: Place, {head: {label}}: ClusterLink): NodeShell {
  return {session: name, node, hostKeys, user: label.slice(0, label.lastIndexOf('@'))}
}

/** Carries bytes between `local` and the node's SSH server until either has ended: ssh's ProxyCommand. */
export async function carryToNode(found: Found, local: {input: NodeJS.ReadableStream; output: NodeJS.WritableStream}, deps: Deps, signal: AbortSignal): Promise<void> {
  const link = await deps.connect(found.cluster, {signal})
  try {
    const {names} = await placeOf(found, link, signal)
    const stream = await firstThatOpens(link.head, names, signal)
    await new Promise<void>((resolve) => {
      stream.once('close', resolve).once('error', () => resolve())
      void whenAborted(signal).then(() => stream.destroy())
      local.output.on('error', () => stream.destroy())
      local.input.pipe(stream)
      stream.pipe(local.output)
    })
  } finally {
    await link.close()
  }
}

interface Place extends NodeAddress {
  node: string
}

async function placeOf({name, cluster}: Found, {head}: ClusterLink, signal: AbortSignal): Promise<Place> {
  const there = onlySession(await ask(head.run, readRemoteSessions(name), {signal}), name, cluster.label)
  const record = parseRecord(there.record)
  if (record?.end) throw new JnodeError('job-ended', `The job of ${name} is over`, {hint: `\`jnode status ${name}\` says why.`})
  if (!record?.node) throw new JnodeError('no-route', `The job of ${name} does not run yet`, {hint: `\`jnode status ${name}\` says what it waits for.`})
  return {node: record.node, ...nodeAddress(record)}
}

/** A node's own name may mean nothing to the head node, while another one does. */
async function firstThatOpens(head: Remote, names: readonly string[], signal: AbortSignal): Promise<Duplex> {
  let first: unknown
  for (const host of names) {
    try {
      return await head.open({kind: 'tcp', host, port: SSH_PORT}, signal)
    } catch (error) {
      first ??= error
      if (!(error instanceof JnodeError) || (error.code !== 'no-route' && error.code !== 'unreachable')) break
    }
  }
  throw first
}
