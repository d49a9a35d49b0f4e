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
  take(outer: Duplex, weather?: Weather): void
  /** Links that stand now. */
  readonly links: ReadonlySet<Link>
}

/**
 * Not chacha20: where ssh2's native part is missing (no compiler, or another Node than the one that installed it),
 * its chacha20 keeps the packet's number in a variable that all connections share, and one inside of another mixes them up.
 */
const CIPHERS: ssh2.Algorithms = {cipher: ['aes128-gcm@openssh.com', 'aes256-gcm@openssh.com']}

/** Inside the cluster. */
const CALM: Weather = {delayMs: () => 0, sent: () => {}}

export function makeHop(options: HopOptions): Hop {
  const record: LoginRecord = {accepted: 0, attempts: []}
  const links = new Set<Link>()
  const account = {user: options.user, publicKey: options.publicKey, rules: () => hop.login}
  const hop: Hop = {
    name: options.name,
    record,
    login: options.login,
    links,
    reachable: options.reachable,
    take(outer, weather = CALM) {
      if (!options.reachable()) return void outer.destroy()
      const link = makeLink(outer, weather)
      links.add(link)
      link.stream.once('close', () => links.delete(link))
      const server = new ssh2.Server({hostKeys: [options.hostKey()], ident: 'OpenSSH_9.2p1 Fake', algorithms: CIPHERS}, (client) => {
        client.on('error', () => link.cut())
        client.on('end', () => link.cut()) // as sshd: who has hung up, or was killed, is gone
        guardLogin(client, account, record)
        client.on('session', (accept) => serveSession(accept(), options))
        serveForwards(client, options)
      })
      server.injectSocket(link.stream as unknown as Socket)
    },
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

function serveForwards(client: Connection, options: HopOptions): void {
  client.on('tcpip', (accept, reject, {destIP, destPort}) => {
    if (!options.forwards.tcp()) return refuse(client, reject, PROHIBITED)
    const next = options.serverAt(destIP, destPort)
    if (next) return next.reachable() ? next.take(accept()) : refuse(client, reject, failed('Connection refused'))
    // Loopback of every host is this machine's, whose own sshd is none of the cluster's.
    if (!isLoopback(destIP) || destPort === 22) return refuse(client, reject, failed('Name or service not known'))
    const socket = connect({host: '127.0.0.1', port: destPort, noDelay: true, allowHalfOpen: true})
    void join(socket, accept, () => refuse(client, reject, failed('Connection refused')))
  })
  client.on('openssh.streamlocal', (accept, reject, {socketPath}) => {
    // OpenSSH says the same of a forbidden socket and of one that nobody listens on.
    const refuseSocket = () => refuse(client, reject, failed('open failed'))
    if (!options.forwards.sockets()) return refuseSocket()
    void join(connect({path: socketPath, allowHalfOpen: true}), accept, refuseSocket)
  })
}

interface Refusal {
  /** RFC 4254, 5.1. */
  reason: number
  words: string
}

const PROHIBITED: Refusal = {reason: 1, words: 'open failed'}
const failed = (words: string): Refusal => ({reason: 2, words})

/** As OpenSSH refuses a channel: ssh2's own `reject` gives the wrong reason and no words. */
function refuse(client: Connection, reject: RejectConnection, {reason, words}: Refusal): void {
  const {_protocol: protocol} = client as unknown as {_protocol: {channelOpenFail(channel: number, reason: number, words: string): void}}
  const original = protocol.channelOpenFail
  protocol.channelOpenFail = (channel) => original.call(protocol, channel, reason, words)
  reject()
  protocol.channelOpenFail = original
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '127.0.0.1' || host === '::1'
}

async function join(socket: Socket, accept: AcceptConnection<ServerChannel>, refused: () => void): Promise<void> {
  try {
    await once(socket, 'connect')
  } catch {
    return refused()
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
