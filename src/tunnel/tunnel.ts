/** One local port, one route: each local connection becomes one stream to the server's endpoint. */
import type {Socket} from 'node:net'
import type {Duplex} from 'node:stream'
import {awayServer, type Away} from './away.ts'
import {join} from './forward.ts'
import {listen, type ListenOptions} from './listener.ts'

/** Opens a stream to the server's endpoint; rejects when the way is down. */
export type OpenToServer = () => Promise<Duplex>

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
  let open: OpenToServer | null = null
  const stand = awayServer({first: NOT_YET, seeking: () => open === null})
  const listener = await listen(options, (socket) => {
    if (open) void forward(socket, open).catch(() => stand.take(socket))
    else stand.take(socket)
  })
  return {
    port: listener.port,
    route(next) {
      open = next
      stand.say(BROKE)
      stand.release(next)
    },
    away(why) {
      open = null
      stand.say(why)
    },
    close: () => listener.close(),
  }
}

/** Rejects with the local end untouched when there is no stream to be had; the keeper learns of a dead link by itself. */
async function forward(local: Socket, open: OpenToServer): Promise<void> {
  const remote = await open()
  if (local.destroyed) remote.destroy()
  else join(local, remote)
}
