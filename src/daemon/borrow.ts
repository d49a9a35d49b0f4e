/** A connection that another process of this user has: the third kind of `Remote`, over that process's private socket. */
import {request, type IncomingMessage} from 'node:http'
import {connect} from 'node:net'
import type {Duplex} from 'node:stream'
import {LINE_CHARS} from '../bounds.ts'
import {JnodeError, throwIfAborted} from '../errors.ts'
import type {ClusterLink, NodeAddress} from '../flows/deps.ts'
import {lineSplitter} from '../lines.ts'
import type {Remote, RunResult} from '../ssh/remote.ts'
import {timeLimit} from '../time.ts'
import {LEND_BEAT_MS, type Asked, type FollowLine, type LeaseLine} from './lend.ts'
import {errorOf, type Failure} from './messages.ts'
import {fileAt, isOurs, removeLeft, textOf} from './private-socket.ts'
import {nodeKey} from './shared-link.ts'

/** What was found where a lender may be. */
export type Borrowed =
  | {kind: 'lent'; link: ClusterLink}
  /** The lender's own login did not work. */
  | {kind: 'refused'; failure: Failure}
  /** There is a process, and it does not answer. */
  | {kind: 'silent'}
  | {kind: 'nobody'}

/** A lender that shows no sign of life for this long is as good as gone. */
const SILENT_AFTER_MS = 4 * LEND_BEAT_MS
/** It answers at once, also while it is still logging in. */
const FIRST_SIGN_MS = 3000
const TOLD_AFTER_MS = 1000
/** The lender's own limit comes first, with better words. */
const SLACK_MS = 5000
const DEFAULT_TIMEOUT_MS = 60_000

/** Takes the connection that is lent at this place; waits while the lender is logging in, which `onWaiting` is told. */
export async function borrow(path: string, {signal, onWaiting}: {signal: AbortSignal; onWaiting(): void}): Promise<Borrowed> {
  if (!isOurs(path)) return {kind: 'nobody'}
  const file = fileAt(path)
  if (file === null) return {kind: 'nobody'}
  let waiting: NodeJS.Timeout | undefined
  const found = await leaseOf(path, {what: 'head'}, signal, () => (waiting = setTimeout(onWaiting, TOLD_AFTER_MS))).finally(() => clearTimeout(waiting))
  if (found.kind !== 'lent') {
    if (found.kind === 'nobody') removeLeft(path, file)
    return found
  }
  const head = remoteOver(path, found.lease)
  // Each lasts as long as the connection: a keeper that looks for its server a thousand times a day needs one.
  const nodes = new Map<string, Promise<Remote>>()
  const toNode = async (node: NodeAddress, nodeSignal?: AbortSignal): Promise<Remote> => {
    const key = nodeKey(node)
    const there = await nodes.get(key)?.catch(() => null)
    if (there) return there
    const remote = leaseNode(path, node, {closed: head.closed, ...(nodeSignal ? {signal: nodeSignal} : {})})
    nodes.set(key, remote)
    const forget = () => {
      if (nodes.get(key) === remote) nodes.delete(key)
    }
    remote.then(({closed}) => closed).then(forget, forget)
    return remote
  }
  return {
    kind: 'lent',
    link: {
      head,
      canAsk: false,
      machine: Promise.resolve(found.lease.machine),
      asked: found.lease.asked ?? [],
      toNode,
      close: head.close,
    },
  }
}

async function leaseNode(path: string, node: NodeAddress, {closed, signal}: {closed: Promise<string>; signal?: AbortSignal}): Promise<Remote> {
  const left = new AbortController()
  void closed.then(() => left.abort())
  const found = await leaseOf(path, {what: 'node', node}, signal ? AbortSignal.any([signal, left.signal]) : left.signal).catch((error: unknown) => {
    throw left.signal.aborted ? lost() : error
  })
  if (found.kind === 'refused') throw errorOf(found.failure)
  if (found.kind !== 'lent') throw lost()
  const remote = remoteOver(path, found.lease)
  // Given back together with the connection it runs inside of.
  void closed.then(() => remote.close())
  return remote
}

const GONE = 'the process whose connection was used is gone'

function lost(reason = GONE): JnodeError {
  return new JnodeError('connection-lost', `The connection was lost: ${reason}`, {hint: 'Run the command again.'})
}

interface Lease {
  of: string
  label: string
  standInKey: string | null
  machine: string | null
  asked?: readonly string[]
  closed: Promise<string>
  giveBack(): void
}

type FoundLease = {kind: 'lent'; lease: Lease} | Exclude<Borrowed, {kind: 'lent'}>

function leaseOf(path: string, asked: Asked, signal: AbortSignal, onAnswer?: () => void): Promise<FoundLease> {
  throwIfAborted(signal)
  return new Promise((resolve, reject) => {
    const req = request({socketPath: path, method: 'POST', path: '/', agent: false, timeout: FIRST_SIGN_MS})
    const over = new Promise<string>((settle) => {
      const onAbort = () => {
        req.destroy()
        reject(signal.reason as Error)
      }
      const done = (reason: string) => {
        signal.removeEventListener('abort', onAbort)
        settle(reason)
      }
      signal.addEventListener('abort', onAbort, {once: true})
      req.once('timeout', () => {
        resolve({kind: 'silent'})
        done('the process whose connection was used does not answer')
        req.destroy()
      })
      const gone = () => {
        resolve({kind: 'nobody'})
        done(GONE)
      }
      req.on('error', gone)
      req.once('response', (res) => {
        res.socket.setTimeout(SILENT_AFTER_MS)
        onAnswer?.()
        const read = readLines<LeaseLine>(res, (line) => {
          if ('of' in line) {
            // From here on the caller's signal is no reason to give it back.
            signal.removeEventListener('abort', onAbort)
            resolve({kind: 'lent', lease: {...line, closed: over, giveBack: () => req.destroy()}})
          } else if ('closed' in line) done(line.closed)
          else resolve({kind: 'refused', failure: line.failure})
        })
        read.then(gone, gone)
      })
    })
    req.end(JSON.stringify(asked))
  })
}

function remoteOver(path: string, {of, label, standInKey, closed, giveBack}: Lease): Remote {
  const gone = new AbortController()
  void closed.then((reason) => gone.abort(lost(reason)))
  /** Ends with the lease. */
  const send = (asked: Asked, {signal, timeoutMs}: {signal?: AbortSignal | undefined; timeoutMs?: number} = {}) => {
    const over = signal ? AbortSignal.any([gone.signal, signal]) : gone.signal
    return sendOver(path, asked, timeoutMs === undefined ? over : timeLimit(over, timeoutMs, lost()))
  }
  const stream = async (asked: Asked, signal?: AbortSignal) => {
    const {response, stream: opened} = await send(asked, {signal})
    if (opened) return opened
    await answerOf(response)
    throw lost()
  }
  const checked = (signal?: AbortSignal) => {
    throwIfAborted(signal)
    throwIfAborted(gone.signal)
  }
  return {
    label,
    closed,
    async run(scripts, {signal, ...limits} = {}) {
      const {response} = await send({what: 'run', of, scripts, ...limits}, {signal, timeoutMs: (limits.timeoutMs ?? DEFAULT_TIMEOUT_MS) + SLACK_MS})
      const answer = await answerOf<{results: RunResult[]}>(response)
      checked(signal)
      if (!answer) throw lost()
      return answer.results
    },
    async follow(script, onLine, signal) {
      const {response} = await send({what: 'follow', of, script}, {signal})
      let end: FollowLine | null = null
      await readLines<FollowLine>(response, (line) => {
        if ('line' in line) return onLine(line.line)
        end = line
      }).catch(() => {})
      checked(signal)
      const last = end as FollowLine | null
      if (last && 'failure' in last) throw errorOf(last.failure)
      if (!last) throw lost()
    },
    open: (endpoint, signal) => stream({what: 'open', of, endpoint}, signal),
    ...(standInKey === null ? {} : {standIn: {hostKey: standInKey, open: (signal) => stream({what: 'stand-in', of}, signal)}}),
    async close() {
      giveBack()
      await closed
    },
  }
}

/** Null when the lender ended before it had answered. Throws the failure it tells. */
async function answerOf<T>(response: IncomingMessage): Promise<T | null> {
  const text = await textOf(response).catch(() => '')
  const answer = parsed(text) as T | {failure: Failure} | null
  if (typeof answer === 'object' && answer !== null && 'failure' in answer) throw errorOf(answer.failure)
  return answer
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return null // it ended in the middle, or is no lender
  }
}

interface Answer {
  response: IncomingMessage
  stream: Duplex | null
}

/** Sends one request. Its signal ends it at any time, and with it what it asked for; a stream, once open, stands for itself. */
function sendOver(path: string, asked: Asked, signal: AbortSignal): Promise<Answer> {
  throwIfAborted(signal)
  return new Promise((resolve, reject) => {
    const upgrade = asked.what === 'open' || asked.what === 'stand-in'
    const body = JSON.stringify(asked)
    const headers = upgrade ? {connection: 'Upgrade', upgrade: 'jnode', 'x-jnode-asked': Buffer.from(body).toString('base64')} : {}
    const req = request({path: '/', method: upgrade ? 'GET' : 'POST', headers, createConnection: () => connect({path, allowHalfOpen: true})})
    const onAbort = () => {
      req.destroy()
      reject(signal.reason instanceof JnodeError ? signal.reason : lost())
    }
    const settle = () => signal.removeEventListener('abort', onAbort)
    signal.addEventListener('abort', onAbort, {once: true})
    req.once('close', settle)
    req.on('error', () => reject(lost()))
    req.once('response', (response) => resolve({response, stream: null}))
    req.once('upgrade', (response, stream, first) => {
      settle()
      stream.on('error', () => {}) // until its user listens
      if (first.length > 0) stream.unshift(first)
      resolve({response, stream})
    })
    req.end(upgrade ? undefined : body)
  })
}

/** JSON may write a character as six. A longer line is none of the lender's, and not JSON when it is cut. */
const MOST_CHARS = 8 * LINE_CHARS

/** Calls back for each line that is not empty, the last one without its end included. */
async function readLines<T>(message: IncomingMessage, onLine: (line: T) => unknown): Promise<void> {
  message.setEncoding('utf8')
  const splitter = lineSplitter({most: MOST_CHARS})
  for await (const chunk of message) {
    for (const line of splitter.take(chunk as string)) if (line !== '') await onLine(JSON.parse(line) as T)
  }
  if (splitter.rest() !== '') await onLine(JSON.parse(splitter.rest()) as T)
}
