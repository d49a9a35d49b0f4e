/** One origin, one route: each local connection becomes one stream to the server's endpoint. */
import {setMaxListeners} from 'node:events'
import type {Server, Socket} from 'node:net'
import type {Duplex} from 'node:stream'
import {connect} from 'node:tls'
import {within} from '../http.ts'
import type {Origin} from '../origin.ts'
import {isWsl} from '../wsl.ts'
import {awayServer, type Away} from './away.ts'
import {join} from './forward.ts'
import {listen} from './listener.ts'
import {listenByName} from './named.ts'

/** Opens a stream to the server's endpoint; rejects when the way is down. The signal ends what it waits for. */
export type OpenToServer = (signal?: AbortSignal) => Promise<Duplex>

/** Where local connections go, until it has ended. */
interface Route {
  open: OpenToServer
  end(): void
}

export interface Tunnel {
  /** Of this session's URL: its own address, or its own name where the system has no address for it. */
  readonly host: string
  readonly port: number
  /** The way to the server is up. `secure`: it speaks https, which at a name the browser does not. */
  route(open: OpenToServer, options?: {secure: boolean}): void
  /** There is none until the next `route`: requests are told why. */
  away(why: Away): void
  close(): Promise<void>
  /** As `close`, but not before `take` has settled: what it has been given then still listens. */
  leave(take: (port: Port) => Promise<void>): Promise<void>
}

/** What another process needs to answer in the tunnel's place. */
export interface Port {
  servers: readonly Server[]
  /** What Host may say. */
  names: readonly string[]
}

export interface TunnelOptions {
  origin: Origin
  /** Port to take, or to start from when `orNext` is set; null where any will do that is the same each time. */
  port: number | null
  orNext: boolean
  /** Use the name and not the address; what the system lacks decides otherwise. */
  named?: boolean
}

const DEFAULT_PORT = 8888

const NOT_YET: Away = {lines: ['This session is being started.'], retryAt: null}
const BROKE: Away = {lines: ['The server of this session does not answer just now.', 'Its connection may have been lost, or the server is busy or has ended.'], retryAt: null}

/** Behind a forwarding of the user's own (`ssh -L`) the browser calls it so. */
const FORWARDED = ['127.0.0.1', 'localhost', '[::1]']

/**
 * Listens now, forwards as soon as there is a route. At the session's own address bytes go through untouched, for nobody else's page
 * leads there. Where the system has 127.0.0.1 only (macOS, and WSL as Windows sees it) all sessions share that, and each
 * request must name this one. Throws `port-taken`.
 */
export async function openTunnel({origin, port, orNext, named = isWsl()}: TunnelOptions): Promise<Tunnel> {
  let route: Route | null = null
  const end = () => {
    route?.end()
    route = null
  }
  const stand = awayServer({first: NOT_YET, names: [origin.address, ...FORWARDED], seeking: () => route === null})
  const carry = (socket: Socket) => {
    if (route) void forward(socket, route.open).catch(() => stand.take(socket))
    else stand.take(socket)
  }
  const own = named ? null : await listen({addresses: [origin.address], port: port ?? DEFAULT_PORT, orNext}, carry)
  const place = own ? {...own, host: origin.address} : await listenByName({origin, port, orNext}, {stand, way: () => route?.open ?? null})
  const names = own ? [origin.address, ...FORWARDED] : [place.host]
  return {
    host: place.host,
    port: place.port,
    route(next, {secure} = {secure: false}) {
      end()
      route = routeTo(secure && !own ? overTls(next) : next)
      stand.say(BROKE)
      stand.release(route.open)
    },
    away(why) {
      stand.say(why)
      end()
    },
    close: () => place.close(),
    async leave(take) {
      await take({servers: place.servers, names}).finally(() => place.close())
    },
  }
}

/** A server that listens and says nothing must not keep a connection from the page that says why: what still waits for it ends with the route. */
function routeTo(open: OpenToServer): Route {
  const over = new AbortController()
  // A page opens many connections at once.
  setMaxListeners(0, over.signal)
  return {open: () => within(over.signal, open(over.signal)), end: () => over.abort(new Error('The way is down'))}
}

/** Rejects with the local end untouched when there is no stream to be had; the keeper learns of a dead link by itself. */
async function forward(local: Socket, open: OpenToServer): Promise<void> {
  const remote = await open()
  if (local.destroyed) remote.destroy()
  else join(local, remote)
}

/** Somebody else's https server, whose certificate nobody here can check: like one with http it is known by where it listens. */
function overTls(open: OpenToServer): OpenToServer {
  return async (signal) => {
    const socket = await open(signal)
    return connect({socket, rejectUnauthorized: false, ALPNProtocols: ['http/1.1']}).on('error', () => socket.destroy())
  }
}
