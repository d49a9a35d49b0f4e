/**
 * A keeper's control socket: HTTP over a Unix socket (a named pipe on Windows) that only its user can open.
 * `GET /status`, `POST /disconnect`, `POST /stop`.
 */
import {createHash} from 'node:crypto'
import {readFile, rm, writeFile} from 'node:fs/promises'
import {createServer, request, type IncomingMessage, type Server, type ServerResponse} from 'node:http'
import {tmpdir} from 'node:os'
import {basename, join} from 'node:path'
import {JnodeError, messageOf} from '../errors.ts'
import type {Keeper, KeeperDirectory, KeeperStatus, StopOutcome} from '../flows/keepers.ts'
import {deadSockets, fileAt, isDead, isOurs, listenPrivately, privateSocket, removeLeft, textOf} from './private-socket.ts'

export interface ControlHandlers {
  status(): KeeperStatus
  /** Closes the tunnel, keeps the job; settles when the tunnel is closed. `takenOver`: for another process that opens it anew. */
  disconnect(takenOver: boolean): Promise<void>
  stop(): Promise<StopOutcome>
}

export function controlPath(stateDir: string, cluster: string, name: string): string {
  return privateSocket(stateDir, createHash('sha256').update(`${cluster}\n${name}`).digest('hex').slice(0, 16))
}

/** Listens on the control socket, replacing one that a crash has left. Throws `session-exists` when a keeper lives there. */
export async function serveControl(path: string, handlers: ControlHandlers): Promise<{close(): Promise<void>}> {
  const server = createServer((req, res) => void answer(req, res, handlers))
  const left = fileAt(path)
  if (!(await listens(server, path))) {
    const lives = await statusOf(path, 'This session’s tunnel')
    if (!lives) removeLeft(path, left)
    if (lives || !(await listens(server, path))) {
      throw new JnodeError('session-exists', 'This session’s tunnel is held by another jnode on this computer', {hint: '`jnode url` prints its URL; `jnode disconnect` closes it.'})
    }
  }
  await writeFile(pidFile(path), `${process.pid}\n`, {mode: 0o600}).catch(() => {}) // only for words
  return {
    async close() {
      await rm(pidFile(path), {force: true}).catch(() => {})
      server.closeAllConnections()
      await new Promise<void>((resolve) => server.close(() => resolve()))
    },
  }
}

/** False where another process listens, or a crash has left the socket. */
async function listens(server: Server, path: string): Promise<boolean> {
  return listenPrivately(server, path).then(() => true, (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EADDRINUSE') throw error
    return false
  })
}

/** Who holds it, for when it does not answer itself. A named pipe of Windows has no place beside it. */
function pidFile(path: string): string {
  return process.platform === 'win32' ? join(tmpdir(), `jnode-${basename(path)}.pid`) : `${path}.pid`
}

async function answer(req: IncomingMessage, res: ServerResponse, handlers: ControlHandlers): Promise<void> {
  const send = (status: number, body: unknown) => {
    res.writeHead(status, {'content-type': 'application/json'}).end(JSON.stringify(body))
  }
  try {
    switch (`${req.method} ${req.url}`) {
      case 'GET /status':
        return send(200, handlers.status())
      case 'POST /disconnect':
        await handlers.disconnect(req.headers[WHY_HEADER] === 'taken-over')
        return send(200, {})
      case 'POST /stop':
        return send(200, await handlers.stop())
      default:
        return send(404, {})
    }
  } catch (error) {
    send(500, {message: messageOf(error)})
  }
}

/** Long enough for a `stop` to see its job off. */
const ANSWER_WITHIN_MS = 180_000
/** A keeper that does not answer in this time hangs, or its computer is overloaded. */
const ALIVE_WITHIN_MS = 5000
/** A header, which older keepers pass over, and not a part of the path, which they would not know. */
const WHY_HEADER = 'x-jnode-why'

interface AskOptions {
  timeoutMs?: number
  headers?: Record<string, string>
  signal?: AbortSignal
}

function ask<T>(path: string, method: 'GET' | 'POST', url: string, {timeoutMs = ANSWER_WITHIN_MS, ...more}: AskOptions = {}): Promise<T> {
  return new Promise((resolve, reject) => {
    const req = request({socketPath: path, method, path: url, timeout: timeoutMs, agent: false, ...more}, (res) => {
      textOf(res).then((text) => {
        if (res.statusCode === 200) resolve(JSON.parse(text) as T)
        else reject(new Error(text))
      }).catch(reject)
    })
    req.on('timeout', () => req.destroy(Object.assign(new Error('no answer'), {code: 'ETIMEDOUT'})))
    req.on('error', reject)
    req.end()
  })
}

/** Null where nobody listens. Rejects when somebody does and does not answer. */
async function statusOf(path: string, what: string): Promise<KeeperStatus | null> {
  try {
    return await ask<KeeperStatus>(path, 'GET', '/status', {timeoutMs: ALIVE_WITHIN_MS})
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'ETIMEDOUT') return null
    const pid = Number(await readFile(pidFile(path), 'utf8').catch(() => ''))
    const hint = 'If it stays so, end that process by force'
    throw new JnodeError('session-exists', `${what} is held by a process that does not answer${pid ? ` (${pid})` : ''}`, {hint: `${pid ? `${hint}: \`kill -9 ${pid}\`` : hint}. The job goes on.`, cause})
  }
}

/** The live keepers of this computer. */
export function keeperDirectory(stateDir: string): KeeperDirectory {
  return {
    async find(cluster, name): Promise<Keeper | null> {
      const path = controlPath(stateDir, cluster, name)
      if (!(await isOurs(path))) return null
      const status = await statusOf(path, `The tunnel of ${name}`)
      if (!status) return null
      return {
        // An older jnode knows no other address.
        status: {...status, localHost: status.localHost ?? '127.0.0.1'},
        async disconnect(why) {
          await ask(path, 'POST', '/disconnect', {timeoutMs: ALIVE_WITHIN_MS, ...(why && {headers: {[WHY_HEADER]: why}})}).catch((cause: unknown) => {
            throw new JnodeError('unexpected', `The process that holds the tunnel of ${name} (${status.pid}) does not close it: ${messageOf(cause)}`, {hint: `End it with \`kill ${status.pid}\`; the job goes on.`, cause})
          })
        },
        async stop(signal) {
          try {
            return await ask<StopOutcome>(path, 'POST', '/stop', {signal})
          } catch (error) {
            if (signal.aborted) throw new JnodeError('interrupted', `Interrupted; process ${status.pid} goes on with ending ${name}`, {cause: error})
            throw error
          }
        },
      }
    },
    async forget(cluster, name) {
      // A named pipe of Windows goes with its process.
      const path = controlPath(stateDir, cluster, name)
      if (process.platform !== 'win32') await rm(path, {force: true})
      await rm(pidFile(path), {force: true})
    },
    dead: () => deadSockets(stateDir),
    removeDead: async (path) => {
      // Another process may have taken its place while the user was asked.
      if (await isDead(path)) await rm(path, {force: true})
    },
  }
}
