/** One local port, one route: each local connection becomes one stream to the server's endpoint. */
import type {Socket} from 'node:net'
import type {Duplex} from 'node:stream'
import {join} from './forward.ts'
import {listen, type ListenOptions} from './listener.ts'

/** Opens a stream to the server's endpoint; rejects when the way is down. */
export type OpenToServer = () => Promise<Duplex>

export interface Tunnel {
  readonly port: number
  /** Sets the way to the server; null while it is down: connections are then closed at once. */
  route(open: OpenToServer | null): void
  close(): Promise<void>
}

/** Listens now, forwards as soon as there is a route. Throws `port-taken`. */
export async function openTunnel(options: ListenOptions): Promise<Tunnel> {
  let open: OpenToServer | null = null
  const listener = await listen(options, (socket) => {
    if (open) void forward(socket, open)
    else socket.destroy()
  })
  return {
    port: listener.port,
    route(next) {
      open = next
    },
    close: () => listener.close(),
  }
}

async function forward(local: Socket, open: OpenToServer): Promise<void> {
  try {
    const remote = await open()
    if (local.destroyed) remote.destroy()
    else join(local, remote)
  } catch {
    local.destroy() // the browser tries again; the keeper learns of a dead link by itself
  }
}
