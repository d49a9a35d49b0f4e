/** The laptop's end: one port of an address of its own, never one that other computers can reach, and for this user's programs alone. */
import {createServer, type Server, type Socket} from 'node:net'
import {JnodeError} from '../errors.ts'
import {peerCheck, type IsMine} from '../peer.ts'

export interface Listener {
  readonly port: number
  readonly servers: readonly Server[]
  /** Stops listening and ends the connections that are open. */
  close(): Promise<void>
}

export interface ListenOptions {
  /** All at one port. This computer must have the first; another one that it lacks is left out. */
  addresses: readonly [string, ...string[]]
  /** Port to take, or to start from when `orNext` is set. */
  port: number
  /** Whether the next free port will do. */
  orNext: boolean
}

const TRIES = 100

/** Listens before anything is announced, so that the port in a URL is really ours. Null where this computer has no such address. Throws `port-taken`, and `config` where nobody can tell who connects. */
export async function listen({addresses, port, orNext}: ListenOptions, onSocket: (socket: Socket) => void): Promise<Listener | null> {
  const isMine = await peerCheck()
  const last = Math.min(65_535, orNext ? port + TRIES : port)
  for (let candidate = port; candidate <= last; candidate++) {
    const listener = await listenOn(addresses, candidate, greeter(isMine, onSocket))
    if (listener !== 'taken') return listener
  }
  const [where] = addresses
  throw new JnodeError('port-taken', orNext ? `No port from ${port} to ${last} is free at ${where}` : `Port ${port} is taken at ${where}`, {
    hint: 'Give another one with --port, or leave --port out.',
  })
}

/** Another user of this computer gets not one byte. */
export function greeter(isMine: IsMine, onSocket: (socket: Socket) => void): (socket: Socket) => void {
  return (socket) =>
    void isMine(socket).then((mine) => {
      if (!mine) socket.destroy()
      else if (!socket.destroyed) onSocket(socket)
    })
}

/** Taken when somebody else has the port at any of the addresses: who asks for a name with several could then reach them instead of us. */
async function listenOn([first, ...others]: ListenOptions['addresses'], port: number, onSocket: (socket: Socket) => void): Promise<Listener | 'taken' | null> {
  const sockets = new Set<Socket>()
  const accept = (socket: Socket) => {
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket))
    socket.on('error', () => {}) // the browser may reset at any moment, also before anyone else listens
    onSocket(socket)
  }
  const server = await bind(first, port, accept)
  if (server === 'taken') return server
  if (server === 'no-such-address') return null
  const servers = [server]
  const close = async () => {
    for (const socket of sockets) socket.destroy()
    await Promise.all(servers.map(closeServer))
  }
  const {port: bound} = server.address() as {port: number}
  for (const address of others) {
    const another = await bind(address, bound, accept)
    if (another === 'taken') {
      await close()
      return another
    }
    if (another !== 'no-such-address') servers.push(another)
  }
  return {port: bound, servers, close}
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
