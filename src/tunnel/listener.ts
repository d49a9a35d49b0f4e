/** The laptop's end: one port on 127.0.0.1 and ::1, never on an address others can reach. */
import {createServer, type Server, type Socket} from 'node:net'
import {JnodeError} from '../errors.ts'

export interface Listener {
  readonly port: number
  /** Stops listening and ends the connections that are open. */
  close(): Promise<void>
}

export interface ListenOptions {
  /** Port to take, or to start from when `orNext` is set. */
  port: number
  /** Whether the next free port will do. */
  orNext: boolean
}

const TRIES = 100

/** Listens before anything is announced, so that the port in a URL is really ours. Throws `port-taken`. */
export async function listen({port, orNext}: ListenOptions, onSocket: (socket: Socket) => void): Promise<Listener> {
  const last = Math.min(65_535, orNext ? port + TRIES : port)
  for (let candidate = port; candidate <= last; candidate++) {
    const listener = await listenOn(candidate, onSocket)
    if (listener) return listener
  }
  throw new JnodeError('port-taken', orNext ? `No free port between ${port} and ${last} on this computer` : `Port ${port} of this computer is taken`, {
    hint: 'Give another one with --port, or leave --port out.',
  })
}

/** Null when somebody else has the port on either address: `localhost` could then reach them instead of us. */
async function listenOn(port: number, onSocket: (socket: Socket) => void): Promise<Listener | null> {
  const sockets = new Set<Socket>()
  const accept = (socket: Socket) => {
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket))
    socket.on('error', () => {}) // the browser may reset at any moment, also before anyone else listens
    onSocket(socket)
  }
  const v4 = await bind('127.0.0.1', port, accept)
  if (v4 === 'taken' || v4 === 'no-such-address') return null
  const bound = (v4.address() as {port: number}).port
  const v6 = await bind('::1', bound, accept)
  if (v6 === 'taken') {
    await closeServer(v4)
    return null
  }
  const servers = v6 === 'no-such-address' ? [v4] : [v4, v6]
  return {
    port: bound,
    async close() {
      for (const socket of sockets) socket.destroy()
      await Promise.all(servers.map(closeServer))
    },
  }
}

function bind(host: string, port: number, accept: (socket: Socket) => void): Promise<Server | 'taken' | 'no-such-address'> {
  return new Promise((resolve, reject) => {
    const server = createServer({noDelay: true, allowHalfOpen: true}, accept)
    // Also later: the system may have no file descriptor left for a connection.
    server.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EADDRINUSE') resolve('taken')
      else if (error.code === 'EADDRNOTAVAIL' || error.code === 'EAFNOSUPPORT') resolve('no-such-address')
      else if (error.code === 'EACCES') reject(new JnodeError('port-taken', `This computer does not let you use port ${port}`, {hint: 'Give a port above 1023 with --port.'}))
      else reject(error)
    })
    server.listen({host, port, exclusive: true}, () => resolve(server))
  })
}

function closeServer(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve())
  })
}
