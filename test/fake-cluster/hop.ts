/** One SSH server: logins, commands, forwarded streams. Links come from outside (a socket, or the hop before). */
import {once} from 'node:events'
import {connect, type Socket} from 'node:net'
import type {Duplex} from 'node:stream'
import ssh2, {type AcceptConnection, type Connection, type ParsedKey, type RejectConnection, type ServerChannel} from 'ssh2'
import type {HopName} from './faults.ts'
import {makeLink, type Link, type Weather} from './link.ts'
import {guardLogin, type LoginRecord, type LoginRules} from './login.ts'

export interface HopOptions {
  name: HopName
  user: string
  /** PEM text; asked for at each connection, as a test may change it. */
  hostKey(): string
  login: LoginRules
  publicKey: ParsedKey
  weather: Weather
  reachable(): boolean
  forwards: {tcp(): boolean; sockets(): boolean}
  /** Runs a command line (a login shell when undefined) with the channel as its stdio. */
  run(command: string | undefined, channel: ServerChannel, env: Record<string, string>): void
  /** The SSH server behind a name and port as this host sees them: undefined when it is none of the cluster's. */
  serverAt(host: string, port: number): Hop | undefined
}

export interface Hop {
  readonly name: HopName
  readonly record: LoginRecord
  login: LoginRules
  reachable(): boolean
  /** A new connection to this host's port 22; dropped at once while the host is unreachable. */
  take(outer: Duplex): void
  /** Links that stand now. */
  readonly links: ReadonlySet<Link>
  /** To be called when what `forwards` answers has changed. */
  forwardsChanged(): void
}

export function makeHop(options: HopOptions): Hop {
  const record: LoginRecord = {accepted: 0, attempts: []}
  const links = new Set<Link>()
  const clients = new Set<Connection>()
  const account = {user: options.user, publicKey: options.publicKey, rules: () => hop.login}
  const hop: Hop = {
    name: options.name,
    record,
    login: options.login,
    links,
    reachable: options.reachable,
    take(outer) {
      if (!options.reachable()) return void outer.destroy()
      const link = makeLink(outer, options.weather)
      links.add(link)
      link.stream.once('close', () => links.delete(link))
      const server = new ssh2.Server({hostKeys: [options.hostKey()], ident: 'OpenSSH_9.2p1 Fake'}, (client) => {
        clients.add(client)
        client.on('error', () => link.cut())
        client.on('close', () => clients.delete(client))
        guardLogin(client, account, record)
        client.on('session', (accept) => serveSession(accept(), options))
        setForwards(client, options)
      })
      server.injectSocket(link.stream as unknown as Socket)
    },
    forwardsChanged: () => clients.forEach((client) => setForwards(client, options)),
  }
  return hop
}

function serveSession(session: ReturnType<AcceptConnection<ssh2.Session>>, options: HopOptions): void {
  const env: Record<string, string> = {}
  session.on('env', (accept, _reject, {key, val}) => {
    if (/^(LANG|LC_.*)$/.test(key)) env[key] = val // Debian's AcceptEnv
    accept?.()
  })
  session.on('exec', (accept, _reject, {command}) => options.run(command, accept(), env))
  session.on('shell', (accept) => options.run(undefined, accept(), env))
}

/**
 * ssh2 refuses a kind of channel as "administratively prohibited" when nobody listens for it, and as
 * "connect failed" through `reject`. OpenSSH refuses forbidden TCP in the first way, and forbidden Unix sockets
 * in the second.
 */
function setForwards(client: Connection, options: HopOptions): void {
  client.removeAllListeners('tcpip').removeAllListeners('openssh.streamlocal')
  if (options.forwards.tcp()) {
    client.on('tcpip', (accept, reject, {destIP, destPort}) => {
      const next = options.serverAt(destIP, destPort)
      if (next) return next.reachable() ? next.take(accept()) : reject()
      // Loopback of every host is this machine's, whose own sshd is none of the cluster's.
      if (!isLoopback(destIP) || destPort === 22) return reject()
      void join(connect({host: '127.0.0.1', port: destPort, noDelay: true, allowHalfOpen: true}), accept, reject)
    })
  }
  client.on('openssh.streamlocal', (accept, reject, {socketPath}) => {
    if (!options.forwards.sockets()) return reject()
    void join(connect({path: socketPath, allowHalfOpen: true}), accept, reject)
  })
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '127.0.0.1' || host === '::1'
}

async function join(socket: Socket, accept: AcceptConnection<ServerChannel>, reject: RejectConnection): Promise<void> {
  try {
    await once(socket, 'connect')
  } catch {
    return reject()
  }
  const channel = accept()
  socket.on('error', () => {})
  channel.on('error', () => {})
  socket.pipe(channel).pipe(socket)
  socket.once('close', () => {
    if (!socket.readableEnded) channel.destroy() // a reset; after an orderly end `pipe` lets the rest flow first
  })
  channel.once('close', () => socket.destroy())
}
