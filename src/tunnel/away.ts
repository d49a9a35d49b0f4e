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
  /** Answers on this connection from now on, as often as it is asked. */
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

export interface AwayOptions {
  first: Away
  /** Whether a way is being sought. While there is one that does not work, nothing would end a websocket's waiting. */
  seeking(): boolean
}

export function awayServer({first, seeking}: AwayOptions): AwayServer {
  let away = first
  const taken = new Set<Socket>()
  const websockets = waitingWebsockets()
  const server = createServer((req, res) => answer(req, res, away))
  const upgrade = (req: IncomingMessage, socket: Duplex, behind: Buffer) => {
    taken.delete(socket as Socket)
    const refuse = () => answerOn(socket, req, away)
    if (seeking() && req.headers.upgrade?.toLowerCase() === 'websocket') websockets.take(req, socket, {first: behind, refuse})
    else refuse()
  }
  server.on('upgrade', upgrade)
  return {
    answer: (req, res) => answer(req, res, away),
    upgrade,
    say(next) {
      away = next
    },
    take(socket) {
      taken.add(socket)
      socket.once('close', () => taken.delete(socket))
      // Node's way to serve a connection that another listener has accepted.
      server.emit('connection', socket)
    },
    release(open) {
      for (const socket of taken) if (socket.bytesWritten === 0) socket.destroy()
      websockets.release(open)
    },
  }
}

function answerOn(socket: Duplex, req: IncomingMessage, away: Away): void {
  answer(req, lastAnswer(req, socket), away)
}

/** No more than status, words and how long to wait; `close`, so that the next request finds the way if it is up by then. */
function answer(req: IncomingMessage, res: ServerResponse, {lines, retryAt}: Away): void {
  const seconds = Math.ceil(((retryAt ?? Infinity) - Date.now()) / 1000)
  const reloadSeconds = Math.min(LONGEST_SECONDS, Math.max(1, seconds + 1))
  const headers = {'retry-after': String(reloadSeconds), 'cache-control': 'no-store', 'referrer-policy': 'no-referrer', 'x-content-type-options': 'nosniff', connection: 'close'}
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
