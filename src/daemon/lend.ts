/**
 * Lending a connection to other processes of the same user, over a private socket: HTTP, each request a connection of its
 * own, so that the end of a request is the end of what it asked for, and a stream has the back-pressure of its socket.
 */
import {once} from 'node:events'
import {createServer, type IncomingMessage, type ServerResponse} from 'node:http'
import type {Socket} from 'node:net'
import {whenAborted} from '../errors.ts'
import type {ClusterLink, NodeAddress} from '../flows/deps.ts'
import type {Endpoint, Remote} from '../ssh/remote.ts'
import {join} from '../tunnel/forward.ts'
import {failureOf} from './messages.ts'
import {listenPrivately, textOf} from './private-socket.ts'
import {limitsOf, type SharedLink} from './shared-link.ts'

/** Part of the socket's name, so that two versions which would not understand each other never meet. */
export const LEND_PROTOCOL = 2
/** How often a lender shows that it lives. */
export const LEND_BEAT_MS = 5000

/** What is asked for, and of which host: `head`, or the number of a node's lease. */
export type Asked =
  | {what: 'head'}
  | {what: 'node'; node: NodeAddress}
  | {what: 'run'; of: string; scripts: readonly string[]; timeoutMs?: number; freshMs?: number; maxBytes?: number}
  | {what: 'follow'; of: string; script: string}
  | {what: 'open'; of: string; endpoint: Endpoint}
  | {what: 'stand-in'; of: string}

/**
 * The lines of an answer that lasts: a lease, or what is followed. An empty line is a sign of life. `standInKey`: null where
 * the host has no stand-in. `machine`: which one of those that have the head node's name. `asked`: older lenders do not tell.
 */
export type LeaseLine = {of: string; label: string; standInKey: string | null; machine: string | null; asked?: readonly string[]} | {closed: string} | {failure: ReturnType<typeof failureOf>}
export type FollowLine = {line: string} | {done: true} | {failure: ReturnType<typeof failureOf>}

/** The right to lend at this place, taken before the login: whoever asks meanwhile waits for it. */
export interface Lender {
  lend(link: SharedLink): void
  /** The login did not work. */
  refuse(error: unknown): void
}

/** Null when somebody else has the place, or it cannot be had. */
export async function takePlace(path: string): Promise<Lender | null> {
  let settle!: Lender
  const ready = new Promise<SharedLink>((resolve, reject) => {
    settle = {lend: resolve, refuse: reject}
  })
  const remotes = new Map<string, Remote>()
  const server = createServer((req, res) => void answer(req, res, {ready, remotes}))
  server.on('upgrade', (req: IncomingMessage, socket: Socket) => void answerStream(req, socket, remotes))
  try {
    await listenPrivately(server, path)
  } catch {
    return null
  }
  // Requests under way end by themselves, with what they use.
  const close = () => void server.close()
  ready.then(async (link) => link.closed).then(close, close)
  return settle
}

interface Desk {
  ready: Promise<SharedLink>
  remotes: Map<string, Remote>
}

async function answer(req: IncomingMessage, res: ServerResponse, desk: Desk): Promise<void> {
  const over = new AbortController()
  res.once('close', () => over.abort())
  const say = (line: LeaseLine | FollowLine) => res.write(`${JSON.stringify(line)}\n`)
  try {
    const asked = JSON.parse(await textOf(req)) as Asked
    switch (asked.what) {
      case 'head':
      case 'node':
        return await lease(asked, {res, say, signal: over.signal}, desk)
      case 'run': {
        const results = await remoteOf(asked.of, desk.remotes).run(asked.scripts, {...limitsOf(asked), signal: over.signal})
        return void res.end(JSON.stringify({results}))
      }
      case 'follow':
        // A command that was stopped (Ctrl-Z) reads no more, and the log goes on: then nothing more is taken from the host either.
        await remoteOf(asked.of, desk.remotes).follow(asked.script, async (line) => {
          if (!say({line})) await once(res, 'drain', {signal: over.signal}).catch(() => {})
        }, over.signal)
        return void res.end(JSON.stringify({done: true}))
      case 'open':
      case 'stand-in':
        return void res.writeHead(426).end()
    }
  } catch (error) {
    res.end(JSON.stringify({failure: failureOf(error)}))
  }
}

interface Counter {
  res: ServerResponse
  say(line: LeaseLine): void
  signal: AbortSignal
}

let leases = 0

/** Lasts as long as the borrower stays and the connection lives. */
async function lease(asked: Extract<Asked, {what: 'head' | 'node'}>, {res, say, signal}: Counter, {ready, remotes}: Desk): Promise<void> {
  res.write('\n')
  const beat = setInterval(() => res.write('\n'), LEND_BEAT_MS)
  const of = asked.what === 'head' ? 'head' : String(++leases)
  let link: ClusterLink | null = null
  try {
    const shared = await ready
    // The last user has gone in this very moment: there is nothing to borrow any more.
    if (!shared.usable()) return void res.destroy()
    link = shared.hold(true)
    const remote = asked.what === 'head' ? link.head : await link.toNode(asked.node, signal)
    remotes.set(of, remote)
    say({of, label: remote.label, standInKey: remote.standIn?.hostKey ?? null, machine: (await link.machine) ?? null, asked: link.asked ?? []})
    // It may have left while the login was under way.
    const closed = await Promise.race([remote.closed, link.head.closed, whenAborted(signal).then(() => 'given back')])
    res.end(JSON.stringify({closed}))
  } finally {
    clearInterval(beat)
    if (of !== 'head') remotes.delete(of)
    await link?.close()
  }
}

async function answerStream(req: IncomingMessage, socket: Socket, remotes: Map<string, Remote>): Promise<void> {
  socket.on('error', () => {})
  const given = new AbortController()
  const onClose = () => given.abort()
  socket.once('close', onClose)
  try {
    const asked = JSON.parse(Buffer.from(String(req.headers['x-jnode-asked']), 'base64').toString('utf8')) as Extract<Asked, {what: 'open' | 'stand-in'}>
    const remote = remoteOf(asked.of, remotes)
    const stream = await (asked.what === 'open' ? remote.open(asked.endpoint, given.signal) : remote.standIn!.open())
    socket.off('close', onClose)
    if (socket.destroyed) return void stream.destroy()
    socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: jnode\r\n\r\n')
    join(socket, stream)
  } catch (error) {
    const body = JSON.stringify({failure: failureOf(error)})
    socket.end(`HTTP/1.1 502 Bad Gateway\r\nConnection: close\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`)
  }
}

function remoteOf(of: string, remotes: Map<string, Remote>): Remote {
  const remote = remotes.get(of)
  if (!remote) throw new Error(`nothing is lent under ${of}`)
  return remote
}
