/** The way to a session's compute node for ssh and its kin: who is meant there, which keys it must show, a stream to its sshd. */
import type {Duplex} from 'node:stream'
import {ask} from '../ask.ts'
import {JnodeError} from '../errors.ts'
import {parseRecord} from '../jupyter/record.ts'
import {readRemoteSessions} from '../session/remote-store.ts'
import type {Remote} from '../ssh/remote.ts'
import type {Deps} from './deps.ts'
import type {Found} from './find-session.ts'
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
export function findNode(found: Found, deps: Deps, signal: AbortSignal): Promise<NodeShell> {
  return withNode(found, deps, signal, async (_, {node, hostKeys}, head) => ({session: found.name, node, hostKeys, user: head.label.slice(0, head.label.lastIndexOf('@'))}))
}

/** Carries bytes between `local` and the node's SSH server until either has ended: ssh's ProxyCommand. */
export function carryToNode(found: Found, local: {input: NodeJS.ReadableStream; output: NodeJS.WritableStream}, deps: Deps, signal: AbortSignal): Promise<void> {
  return withNode(found, deps, signal, async (_, {names}, head) => {
    const stream = await firstThatOpens(head, names, signal)
    await new Promise<void>((resolve) => {
      stream.once('close', resolve).once('error', () => resolve())
      signal.addEventListener('abort', () => stream.destroy(), {once: true})
      local.output.on('error', () => stream.destroy())
      local.input.pipe(stream)
      stream.pipe(local.output)
    })
  })
}

interface Place {
  node: string
  names: string[]
  hostKeys: string[]
}

async function withNode<T>({name, cluster}: Found, deps: Deps, signal: AbortSignal, work: (name: string, place: Place, head: Remote) => Promise<T>): Promise<T> {
  const link = await deps.connect(cluster, {signal})
  try {
    const {sessions} = await ask(link.head.run, readRemoteSessions(name), {signal})
    const there = sessions[0]
    if (!there) throw new JnodeError('no-session', `There is no session "${name}" on ${cluster.label}`, {hint: '`jnode list` shows those there are.'})
    const record = parseRecord(there.record)
    if (record?.end) throw new JnodeError('job-ended', `The job of ${name} is over`, {hint: `\`jnode status ${name}\` says why.`})
    if (!record?.node) throw new JnodeError('no-route', `The job of ${name} does not run yet`, {hint: `\`jnode status ${name}\` says what it waits for.`})
    return await work(name, {node: record.node, ...nodeAddress(record)}, link.head)
  } finally {
    await link.close()
  }
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
