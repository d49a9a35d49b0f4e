/**
 * For a system where all sessions share 127.0.0.1: a page of one could send the browser to another's name at its own port and get the
 * other's cookies. So each request is read, also the later ones of a connection, and one that does not name this session is answered here.
 */
import {createServer, type IncomingMessage, type ServerResponse} from 'node:http'
import type {Socket} from 'node:net'
import type {Duplex} from 'node:stream'
import {hostHeader, nameOf, type Origin} from '../origin.ts'
import type {AwayServer} from './away.ts'
import {listen, type Listener} from './listener.ts'
import {agentFor, lastAnswer, passOn, passUpgrade, type Names} from './pass-on.ts'
import type {OpenToServer} from './tunnel.ts'

export interface Behind {
  stand: AwayServer
  /** Null while there is no way to the server. */
  way(): OpenToServer | null
}

/** Below where systems take ports for connections. */
const [LOWEST_PORT, PORTS] = [20_000, 12_000]
/** Browsers keep a connection for minutes; each one costs a stream to the server. */
const IDLE_MS = 120_000
/** As much as Jupyter reads of a request's head. */
const MOST_HEAD_BYTES = 65_536

/** Listens for one name. Where no port is asked for it is read off the label, so that sessions do not take each other's. Throws `port-taken`. */
export async function listenByName({origin, port, orNext}: {origin: Origin; port: number | null; orNext: boolean}, behind: Behind): Promise<Listener & {host: string}> {
  const host = nameOf(origin)
  let listener: Listener | null = null
  const isOurs = (req: IncomingMessage): Names | null => {
    const names = listener && {shown: hostHeader(host, listener.port), inside: hostHeader(origin.address, listener.port)}
    return names && readdress(req, names) ? names : null
  }
  const take = serverFor(isOurs, behind)
  listener = await listen({addresses: ['127.0.0.1', '::1'], port: port ?? portOf(origin), orNext}, take)
  if (!listener) throw new Error('this computer has no 127.0.0.1')
  return {...listener, host}
}

function portOf({label}: Origin): number {
  return LOWEST_PORT + (Number.parseInt(label.slice(-8), 16) % PORTS)
}

function serverFor(isOurs: (req: IncomingMessage) => Names | null, {stand, way}: Behind): (socket: Socket) => void {
  // A large upload may take as long as it does.
  const server = createServer({requestTimeout: 0, keepAliveTimeout: IDLE_MS, maxHeaderSize: MOST_HEAD_BYTES})
  server.on('request', (req: IncomingMessage, res: ServerResponse) => {
    const names = isOurs(req)
    const open = way()
    if (!names) misdirected(req, res)
    else if (!open) stand.answer(req, res)
    else passOn(req, res, {agent: agentFor(req.socket, open), names, refuse: () => stand.answer(req, res)})
  })
  server.on('upgrade', (req: IncomingMessage, socket: Duplex, behind: Buffer) => {
    const open = way()
    if (!isOurs(req)) misdirected(req, lastAnswer(req, socket))
    else if (!open || req.headers.upgrade?.toLowerCase() !== 'websocket') stand.upgrade(req, socket, behind)
    else void passUpgrade(req, socket, {open, first: behind, refuse: () => stand.upgrade(req, socket, behind)})
  })
  return (socket) => void server.emit('connection', socket)
}

function misdirected(req: IncomingMessage, res: ServerResponse): void {
  req.resume()
  res.writeHead(421, {'content-type': 'text/plain; charset=utf-8', 'cache-control': 'no-store', 'x-content-type-options': 'nosniff', connection: 'close'})
  res.end('jnode: no session of this name is here. `jnode url` prints the URL of yours.\n')
}

/**
 * Whether the request names this session; if so it names the session's address from now on, which every Jupyter takes for this
 * computer. Of two Host headers, or a Host and a whole URL, each end might believe another one.
 */
function readdress(req: IncomingMessage, {shown, inside}: Names): boolean {
  const hosts = req.headersDistinct['host'] ?? []
  if (hosts.length !== 1 || hosts[0]!.toLowerCase() !== shown || !req.url!.startsWith('/')) return false
  const translated = (origin: string) => {
    if (origin === `http://${shown}` || origin.startsWith(`http://${shown}/`)) return `http://${inside}${origin.slice(shown.length + 7)}`
    // Who calls itself what we call ourselves behind this place is somebody else.
    return origin.startsWith(`http://${inside}`) ? 'null' : origin
  }
  const raw = req.rawHeaders
  for (let i = 0; i < raw.length; i += 2) {
    const name = raw[i]!.toLowerCase()
    if (name === 'host') raw[i + 1] = req.headers.host = inside
    else if (name === 'origin' || name === 'referer') raw[i + 1] = req.headers[name] = translated(raw[i + 1]!)
  }
  return true
}
