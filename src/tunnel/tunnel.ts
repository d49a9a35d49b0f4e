/** One origin, one route: each local connection becomes one stream to the server's endpoint. */
import type {Server, Socket} from 'node:net'
import type {Duplex} from 'node:stream'
import {connect} from 'node:tls'
import type {Origin} from '../origin.ts'
import {isWsl} from '../wsl.ts'
import {awayServer, type Away} from './away.ts'
import {join} from './forward.ts'
import {listen} from './listener.ts'
import {listenByName} from './named.ts'

/** Opens a stream to the server's endpoint; rejects when the way is down. */
export type OpenToServer = () => Promise<Duplex>

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
  let open: OpenToServer | null = null
  const stand = awayServer({first: NOT_YET, names: [origin.address, ...FORWARDED], seeking: () => open === null})
  const carry = (socket: Socket) => {
    if (open) void forward(socket, open).catch(() => stand.take(socket))
    else stand.take(socket)
  }
  const own = named ? null : await listen({addresses: [origin.address], port: port ?? DEFAULT_PORT, orNext}, carry)
  const place = own ? {...own, host: origin.address} : await listenByName({origin, port, orNext}, {stand, way: () => open})
  const names = own ? [origin.address, ...FORWARDED] : [place.host]
  return {
    host: place.host,
    port: place.port,
    route(next, {secure} = {secure: false}) {
      open = secure && !own ? overTls(next) : next
      stand.say(BROKE)
      stand.release(open)
    },
    away(why) {
      open = null
      stand.say(why)
    },
    close: () => place.close(),
    async leave(take) {
      await take({servers: place.servers, names}).finally(() => place.close())
    },
  }
}

/** Rejects with the local end untouched when there is no stream to be had; the keeper learns of a dead link by itself. */
async function forward(local: Socket, open: OpenToServer): Promise<void> {
  const remote = await open()
  if (local.destroyed) remote.destroy()
  else join(local, remote)
}

/** Somebody else's https server, whose certificate nobody here can check: like one with http it is known by where it listens. */
function overTls(open: OpenToServer): OpenToServer {
  return async () => {
    const socket = await open()
    return connect({socket, rejectUnauthorized: false, ALPNProtocols: ['http/1.1']}).on('error', () => socket.destroy())
  }
}
