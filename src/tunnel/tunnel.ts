/** One local port, one route: each local connection becomes one stream to the server's endpoint. */
import {setMaxListeners} from 'node:events'
import type {Socket} from 'node:net'
import type {Duplex} from 'node:stream'
import {within} from '../http.ts'
import {awayServer, type Away} from './away.ts'
import {join} from './forward.ts'
import {listen, type ListenOptions} from './listener.ts'

/** Opens a stream to the server's endpoint; rejects when the way is down. The signal ends what it waits for. */
export type OpenToServer = (signal?: AbortSignal) => Promise<Duplex>

/** Where local connections go. `over` is aborted when they go there no longer. */
interface Route {
  open: OpenToServer
  over: AbortController
}

export interface Tunnel {
  readonly port: number
  /** The way to the server is up: bytes go there untouched. */
  route(open: OpenToServer): void
  /** There is none until the next `route`: requests are told why. */
  away(why: Away): void
  close(): Promise<void>
}

const NOT_YET: Away = {lines: ['This session is being started.'], retryAt: null}
const BROKE: Away = {lines: ['The server of this session does not answer just now.', 'Its connection may have been lost, or the server is busy or has ended.'], retryAt: null}

/** Listens now, forwards as soon as there is a route. Throws `port-taken`. */
export async function openTunnel(options: ListenOptions): Promise<Tunnel> {
  let route: Route | null = null
  const leave = () => {
    route?.over.abort(new Error('The way is down'))
    route = null
  }
  const stand = awayServer({first: NOT_YET, seeking: () => route === null})
  const listener = await listen(options, (socket) => {
    if (route) void forward(socket, route).catch(() => stand.take(socket))
    else stand.take(socket)
  })
  return {
    port: listener.port,
    route(open) {
      leave()
      route = {open, over: new AbortController()}
      // A page opens many connections at once.
      setMaxListeners(0, route.over.signal)
      stand.say(BROKE)
      stand.release(open)
    },
    away(why) {
      stand.say(why)
      leave()
    },
    close: () => listener.close(),
  }
}

/** Rejects with the local end untouched when there is no stream to be had; the keeper learns of a dead link by itself. */
async function forward(local: Socket, {open, over: {signal}}: Route): Promise<void> {
  // A server that listens and says nothing must not keep a connection from the page that says why.
  const remote = await within(signal, open(signal))
  if (local.destroyed) remote.destroy()
  else join(local, remote)
}
