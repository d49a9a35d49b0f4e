/**
 * The guard's program: it has the port of a session whose tunnel is closed, so that no other user of this computer can take it, and
 * be sent what a tab that was left open goes on asking for. It knows no token, has no connection to the cluster and starts nothing.
 */
import {existsSync, watch as watchDirectory} from 'node:fs'
import {createServer, type Server} from 'node:http'
import type {Server as PortServer, Socket} from 'node:net'
import {dirname} from 'node:path'
import {peerCheck} from '../peer.ts'
import {awayServer} from '../tunnel/away.ts'
import {greeter} from '../tunnel/listener.ts'
import {DISMISS, type FromGuard, type GuardTask, type ToGuard} from './guards.ts'
import {guarded} from './private-http.ts'
import {fileAt, isDead, listenPrivately, removeLeft} from './private-socket.ts'

/** A laptop may sleep with the tab open; this counts while it is awake. */
const IDLE_MS = 12 * 3_600_000

const ports: PortServer[] = []
let beginToGreet!: (greet: (socket: Socket) => void) => void
const greeting = new Promise<(socket: Socket) => void>((resolve) => (beginToGreet = resolve))
const sockets = new Set<Socket>()
let control: Server | null = null
let guarding = false
const idle = setTimeout(end, IDLE_MS)

/** Lets go of the port; then nothing keeps this process. */
function end(): void {
  clearTimeout(idle)
  for (const port of ports) port.close()
  for (const socket of sockets) socket.destroy()
  control?.close()
  control?.closeIdleConnections()
  if (process.connected) process.disconnect()
}

/** It accepts from now on, together with the process that had it alone before. */
function addPort(port: PortServer): void {
  ports.push(port)
  port.on('connection', (socket: Socket) => {
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket)).on('error', () => {})
    void greeting.then((greet) => greet(socket))
  })
}

/** Ends with the session, whoever removes it. */
function watch(file: string): void {
  const gone = () => existsSync(file) || end()
  try {
    const watcher = watchDirectory(dirname(file), {persistent: false}, gone)
    watcher.on('error', gone)
  } catch {
    // Then those who end a session dismiss its guard, and the others leave it to its limit of time.
  }
}

async function take({path, secret, session: {name, file}, names}: GuardTask): Promise<void> {
  if (existsSync(file)) watch(file)
  const stand = awayServer({first: {lines: ['Disconnected.', `Run \`jnode connect ${name}\` in a terminal to come back; this page then goes on by itself.`], retryAt: null}, names, seeking: () => false})
  const greet = greeter(await peerCheck(), (socket) => {
    idle.refresh()
    stand.take(socket)
  })
  await listenForDismissal(path, secret === null ? null : Buffer.from(secret, 'hex'))
  guarding = true
  beginToGreet(greet)
  process.send!({kind: 'guarding'} satisfies FromGuard)
}

async function listenForDismissal(path: string, secret: Buffer | null): Promise<void> {
  control = createServer(guarded(path, secret, (req, res) => {
    if (`${req.method} ${req.url}` !== DISMISS) return void res.writeHead(404).end('{}')
    // Whoever has asked takes the port as soon as it is answered.
    Promise.all(ports.map((port) => new Promise((resolve) => port.close(resolve)))).then(() => res.writeHead(200, {connection: 'close'}).end('{}', end), end)
    for (const socket of sockets) socket.destroy()
  }))
  const left = fileAt(path)
  const again = async (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EADDRINUSE' || !(await isDead(path))) throw error
    removeLeft(path, left)
    await listenPrivately(control!, path)
  }
  await listenPrivately(control, path).catch(again)
}

process.on('message', (message: ToGuard, port?: PortServer) => {
  if (message.kind === 'port') return addPort(port!)
  take(message.task).catch(end)
})
// Who had the port before has ended without a word.
process.on('disconnect', () => guarding || end())
for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.on(signal, end)
