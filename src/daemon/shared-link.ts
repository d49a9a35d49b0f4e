/** One connection of this process and its connections to nodes, for several who use them: its own session, and whoever borrows. */
import {whenAborted} from '../errors.ts'
import type {ClusterLink, NodeAddress} from '../flows/deps.ts'
import type {Remote, RunCommand, RunOptions, RunResult} from '../ssh/remote.ts'

/** A connection this process has made. */
export type OwnLink = ClusterLink

export interface SharedLink {
  /** Settles with the reason when the connection is lost, or its last user has gone. */
  readonly closed: Promise<string>
  /** Whether it can be held: not once its last user has gone. */
  usable(): boolean
  /** One user more. Its `close` gives back what it has taken; when the last one has, the connection is closed. */
  hold(silent?: boolean): ClusterLink
  /** Closes the connection, whoever uses it. */
  end(): Promise<void>
}

interface SharedNode {
  remote: Promise<Remote>
  users: number
}

/** The same for the same node. Its addresses are known a moment later than its name; its keys alone may be those of every node, where all are clones. */
export function nodeKey({names, hostKeys}: NodeAddress): string {
  return JSON.stringify([names[0], hostKeys])
}

/** What limits a call, without the signal of whoever made it. */
export function limitsOf({timeoutMs, freshMs, maxBytes}: RunOptions): Omit<RunOptions, 'signal'> {
  return Object.fromEntries(Object.entries({timeoutMs, freshMs, maxBytes}).filter(([, limit]) => limit !== undefined))
}

/** `now`: milliseconds of any clock that does not jump. */
export function shareLink(link: OwnLink, now = () => performance.now()): SharedLink {
  const nodes = new Map<string, SharedNode>()
  let holds = 0
  const ended = new AbortController()
  const closed = Promise.race([link.head.closed, reasonOf(ended.signal)])
  void closed.then(() => ended.abort())

  function logIn(key: string, attempt: () => Promise<Remote>): SharedNode {
    const node: SharedNode = {remote: attempt(), users: 0}
    const forget = () => {
      if (nodes.get(key) === node) nodes.delete(key)
    }
    nodes.set(key, node)
    node.remote.then((remote) => remote.closed).then(forget, forget)
    return node
  }

  /** A node's connection, and how to give it back. */
  async function take(address: NodeAddress, attempt: () => Promise<Remote>): Promise<{remote: Remote; giveBack(): Promise<void>}> {
    const key = nodeKey(address)
    for (;;) {
      const there = nodes.get(key)
      const node = there ?? logIn(key, attempt)
      node.users++
      const giveBack = async () => {
        if (--node.users > 0) return
        if (nodes.get(key) === node) nodes.delete(key)
        await node.remote.then((remote) => remote.close(), () => {})
      }
      try {
        return {remote: await node.remote, giveBack}
      } catch (error) {
        node.users--
        // What another one's attempt failed of (given up, nobody to ask) need not hold for this one.
        if (!there) throw error
      }
    }
  }

  /** Answers that may be shared, by what was asked. What is shared is not given up when one of its users has enough. */
  const answers = new Map<string, {askedAt: number; results: Promise<RunResult[]>}>()
  const run: RunCommand = (scripts, {freshMs, ...options} = {}) => {
    if (freshMs === undefined) return link.head.run(scripts, options)
    const key = JSON.stringify(scripts)
    const known = answers.get(key)
    if (known && now() - known.askedAt <= freshMs) return known.results.then((results) => results.map((result) => ({...result, reused: true})))
    const results = link.head.run(scripts, limitsOf(options))
    answers.set(key, {askedAt: now(), results})
    results.catch(() => answers.delete(key))
    return results
  }

  function hold(silent = false): ClusterLink {
    holds++
    const taken = new Map<Remote, () => Promise<void>>()
    const over = new AbortController()
    return {
      head: {...link.head, run, closed: Promise.race([link.head.closed, reasonOf(over.signal)])},
      canAsk: link.canAsk && !silent,
      ...(link.machine ? {machine: link.machine} : {}),
      ...(link.asked ? {asked: link.asked} : {}),
      async toNode(address, signal, quiet = false) {
        const {remote, giveBack} = await take(address, () => link.toNode(address, signal, silent || quiet))
        // Once is enough: a keeper that looks for its server takes it a thousand times a day.
        if (over.signal.aborted || taken.has(remote)) await giveBack()
        else taken.set(remote, giveBack)
        return remote
      },
      async close() {
        if (over.signal.aborted) return
        over.abort()
        await Promise.all([...taken.values()].map((giveBack) => giveBack()))
        if (--holds > 0) return
        ended.abort()
        await link.close()
      },
    }
  }

  return {closed, usable: () => !ended.signal.aborted, hold, end: () => link.close()}
}

function reasonOf(signal: AbortSignal): Promise<string> {
  return whenAborted(signal).then(() => 'the connection was closed')
}
