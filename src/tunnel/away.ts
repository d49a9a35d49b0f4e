/** Who answers the local port while there is no way to the server: a page for people, an honest 503 for programs; websockets wait for a while. */
import {createServer, type IncomingMessage, type ServerResponse} from 'node:http'
import type {Socket} from 'node:net'
import type {Duplex} from 'node:stream'
import {awayPage} from './away-page.ts'
import {lastAnswer} from './pass-on.ts'
import type {OpenToServer} from './tunnel.ts'
import {waitingWebsockets} from './websockets.ts'

/** Why there is no way, in words for anyone on this computer: no secret, no address. */
export interface Away {
  /** A sentence each, the first one as the title; between backquotes a command. */
  lines: readonly string[]
  /** When the way is tried again, in ms since the epoch; null when nobody knows. */
  retryAt: number | null
}

export interface AwayServer {
  say(away: Away): void
  /** Answers one request on this connection. */
  take(socket: Socket): void
  /** Answers a request that another server has read. */
  answer(req: IncomingMessage, res: ServerResponse): void
  /** As `answer`, for a request whose connection Node has handed over; `behind`: what came after it. */
  upgrade(req: IncomingMessage, socket: Duplex, behind: Buffer): void
  /** The way is up: websockets that wait go on to the server, and connections on which nothing has been asked are closed, so that they come again and get through. */
  release(open: OpenToServer): void
}

/** The page looks again at least this often, for a way may come up sooner than planned. */
const LONGEST_SECONDS = 10
/** As much as Jupyter reads, so that a browser full of cookies sees the same page. */
const MOST_HEADER_BYTES = 65_536
/** From the connection to the end of the answer; a browser may open connections before it needs them. */
const ANSWERED_WITHIN_MS = 30_000
/** More than browsers open at once; beyond it the oldest gives way. */
const MOST_CONNECTIONS = 200

export interface AwayOptions {
  first: Away
  /** What Host may say, whatever the port (a forwarding of the user's own may change it): another name that leads here is a stranger's page. */
  names: readonly string[]
  /** Whether a way is being sought. While there is one that does not work, nothing would end a websocket's waiting. */
  seeking(): boolean
}

export function awayServer({first, names, seeking}: AwayOptions, answeredWithinMs = ANSWERED_WITHIN_MS): AwayServer {
  let away = first
  const taken = new Map<Socket, NodeJS.Timeout>()
  const leave = (socket: Socket) => {
    clearTimeout(taken.get(socket))
    taken.delete(socket)
  }
  const websockets = waitingWebsockets()
  const handle = (req: IncomingMessage, res: ServerResponse) => {
    const refusal = refusalOf(req, names)
    if (refusal === null) answer(req, res, away)
    else turnAway(req, res, refusal)
  }
  const server = createServer({maxHeaderSize: MOST_HEADER_BYTES}, handle)
  const upgrade = (req: IncomingMessage, socket: Duplex, behind: Buffer) => {
    const refuse = () => handle(req, lastAnswer(req, socket))
    if (!seeking() || req.headers.upgrade?.toLowerCase() !== 'websocket' || refusalOf(req, names) !== null) return refuse()
    leave(socket as Socket)
    websockets.take(req, socket, {first: behind, refuse})
  }
  server.on('upgrade', upgrade)
  return {
    answer: handle,
    upgrade,
    say(next) {
      away = next
    },
    take(socket) {
      const [oldest] = taken.keys()
      if (taken.size >= MOST_CONNECTIONS) oldest!.destroy()
      // Node's own limits of time need a server that listens.
      taken.set(socket, setTimeout(() => socket.destroy(), answeredWithinMs))
      socket.once('close', () => leave(socket))
      // Node's way to serve a connection that another listener has accepted.
      server.emit('connection', socket)
    },
    release(open) {
      for (const socket of taken.keys()) if (socket.bytesWritten === 0) socket.destroy()
      websockets.release(open)
    },
  }
}

/**
 * The status with which it is turned away; null for one that was asked by its own name, and not by another page's script.
 * A program sends no Origin; a browser sends the page's with each websocket.
 */
function refusalOf({headers}: IncomingMessage, names: readonly string[]): 403 | 421 | null {
  const host = headers.host?.toLowerCase() ?? ''
  const [, name] = /^(\[[^\]]*\]|[^:]*)(?::\d{1,5})?$/.exec(host) ?? []
  if (name === undefined || !names.includes(name)) return 421
  return headers.upgrade === undefined || headers.origin === undefined || headers.origin.toLowerCase() === `http://${host}` ? null : 403
}

const HEADERS = {'cache-control': 'no-store', 'referrer-policy': 'no-referrer', 'x-content-type-options': 'nosniff', 'x-frame-options': 'DENY', connection: 'close'}

/** Says nothing of the session. */
function turnAway(req: IncomingMessage, res: ServerResponse, status: 403 | 421): void {
  req.resume()
  res.writeHead(status, {...HEADERS, 'content-type': 'text/plain'}).end(status === 421 ? 'Nothing of that name is here.\n' : 'Not for other pages.\n')
}

/** No more than status, words and how long to wait; `close`, so that the next request finds the way if it is up by then. */
function answer(req: IncomingMessage, res: ServerResponse, {lines, retryAt}: Away): void {
  const seconds = Math.ceil(((retryAt ?? Infinity) - Date.now()) / 1000)
  const reloadSeconds = Math.min(LONGEST_SECONDS, Math.max(1, seconds + 1))
  const headers = {...HEADERS, 'retry-after': String(reloadSeconds)}
  req.resume()
  if (isNavigation(req)) {
    const {html, policy} = awayPage(lines, reloadSeconds)
    res.writeHead(503, {...headers, 'content-type': 'text/html; charset=utf-8', 'content-security-policy': policy}).end(html)
  } else {
    res.writeHead(503, {...headers, 'content-type': 'application/json'}).end(JSON.stringify({message: lines.join(' '), reason: 'jnode: no connection'}))
  }
}

/** A person's page, as opposed to a request of Jupyter's own JavaScript. */
function isNavigation({method, headers}: IncomingMessage): boolean {
  if (method !== 'GET' || headers.upgrade !== undefined) return false
  const mode = headers['sec-fetch-mode']
  return mode === undefined ? (headers.accept ?? '').includes('text/html') : mode === 'navigate'
}
