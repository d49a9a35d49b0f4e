/** Requests that were read here, made anew at the server: what each end takes for one request is one for the other as well. */
import {Agent, request, ServerResponse, type ClientRequest, type IncomingMessage, type RequestOptions} from 'node:http'
import type {Socket} from 'node:net'
import {pipeline, type Duplex} from 'node:stream'
import {join} from './forward.ts'
import type {OpenToServer} from './tunnel.ts'

/** Host and port of a session: as the browser shows them, and as the server is told. */
export interface Names {
  shown: string
  inside: string
}

/** What is between two ends only, and not for the one behind. */
const OF_ONE_CONNECTION = new Set(['connection', 'keep-alive', 'proxy-connection', 'expect', 'upgrade', 'trailer'])

const agents = new WeakMap<Socket, {open: OpenToServer; agent: Agent}>()

/** One stream to the server for each connection of the browser, as long as both stand and the way is the same. */
export function agentFor(socket: Socket, open: OpenToServer): Agent {
  const known = agents.get(socket)
  if (known?.open === open) return known.agent
  known?.agent.destroy()
  const agent = new StreamAgent(open)
  if (!known) socket.once('close', () => agents.get(socket)?.agent.destroy())
  agents.set(socket, {open, agent})
  return agent
}

/** Streams are not sockets: they have no keep-alive of TCP and nothing to unref. */
class StreamAgent extends Agent {
  constructor(private readonly open: OpenToServer) {
    super({keepAlive: true, maxSockets: 1})
  }
  override createConnection(_: unknown, done?: (error: Error | null, stream: Duplex) => void): undefined {
    // A stream stays half open for those who want that. One that the server has ended is of no use for another request.
    this.open().then((stream) => done!(null, stream.once('end', () => stream.end())), (error: unknown) => done!(error as Error, undefined as never))
  }
  override keepSocketAlive(): boolean {
    return true
  }
  override reuseSocket(): void {}
}

export function passOn(req: IncomingMessage, res: ServerResponse, {agent, names, refuse}: {agent: Agent; names: Names; refuse(): void}): void {
  const sent = requested({agent, method: req.method!, path: req.url!, headers: passed(req.rawHeaders)})
  if (!sent) return refuse()
  sent.once('response', (answer) => {
    // Node finds out anew how its end is marked.
    res.sendDate = false
    if (!hasHead(res, answer, asShown(passed(answer.rawHeaders, 'transfer-encoding'), names))) {
      answer.destroy()
      return refuse()
    }
    res.flushHeaders()
    pipeline(answer, res, () => {})
  })
  sent.once('error', () => {
    req.unpipe(sent)
    if (res.headersSent) res.destroy()
    // The server ended a stream that was idle. The browser knows what to ask again when its own connection ends in the same way.
    else if (sent.reusedSocket) req.socket.destroy()
    else refuse()
  })
  res.once('close', () => {
    if (!res.writableFinished) sent.destroy()
  })
  req.pipe(sent)
}

/** The server's answer decides whether it is a websocket from now on, or an answer and the end. */
export async function passUpgrade(req: IncomingMessage, socket: Duplex, {open, first, refuse}: {open: OpenToServer; first: Buffer; refuse(): void}): Promise<void> {
  const remote = await open().catch(() => null)
  if (!remote) return refuse()
  if (socket.destroyed) return void remote.destroy()
  const gone = () => remote.destroy()
  socket.once('close', gone)
  const sent = requested({createConnection: () => remote as Socket, method: req.method!, path: req.url!, headers: without(req.rawHeaders, 'trailer')})
  if (!sent) {
    remote.destroy()
    return void socket.destroy()
  }
  sent.once('upgrade', ({statusCode, statusMessage, rawHeaders}, _, behind) => {
    const lines = rawHeaders.flatMap((name, i) => (i % 2 === 0 ? [`${name}: ${rawHeaders[i + 1]}`] : []))
    socket.write([`HTTP/1.1 ${statusCode} ${statusMessage}`, ...lines, '', ''].join('\r\n'), 'latin1')
    if (behind.length > 0) socket.write(behind)
    if (first.length > 0) remote.write(first)
    join(socket, remote)
  })
  sent.once('response', (answer) => {
    const res = lastAnswer(req, socket)
    if (hasHead(res, answer, [...passed(answer.rawHeaders, 'transfer-encoding'), 'connection', 'close'])) return pipeline(answer, res, () => remote.destroy())
    remote.destroy()
    socket.destroy()
  })
  sent.once('error', () => {
    remote.destroy()
    if (socket.destroyed) return
    socket.off('close', gone)
    refuse()
  })
  sent.end()
}

/** The answer to a request whose connection Node has handed over; it ends with it. */
export function lastAnswer(req: IncomingMessage, socket: Duplex): ServerResponse {
  const res = new ServerResponse(req)
  res.assignSocket(socket as Socket)
  res.once('finish', () => socket.end())
  return res
}

/** Null for a request that Node reads and does not write. */
function requested(options: RequestOptions): ClientRequest | null {
  try {
    return request(options)
  } catch {
    return null
  }
}

/** Whether the answer now has that head. Node reads some from a server that it does not write: a status of 50, say. */
function hasHead(res: ServerResponse, {statusCode, statusMessage}: IncomingMessage, headers: readonly string[]): boolean {
  try {
    res.writeHead(statusCode!, statusMessage, [...headers])
    return true
  } catch {
    res.statusMessage = '' // it would be kept for the next answer
    return false
  }
}

function passed(rawHeaders: readonly string[], alsoNot = ''): string[] {
  return without(rawHeaders, alsoNot, ...OF_ONE_CONNECTION)
}

function without(rawHeaders: readonly string[], ...names: readonly string[]): string[] {
  return rawHeaders.filter((_, i) => !names.includes(rawHeaders[i - (i % 2)]!.toLowerCase()))
}

function asShown(headers: readonly string[], {shown, inside}: Names): string[] {
  const own = `http://${inside}/`
  return headers.map((value, i) => (i % 2 === 1 && headers[i - 1]!.toLowerCase() === 'location' && value.startsWith(own) ? `http://${shown}/${value.slice(own.length)}` : value))
}
