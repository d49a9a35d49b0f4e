/**
 * A keeper's control socket: HTTP over a Unix socket (a named pipe on Windows) that only its user can open.
 * `GET /status`, `POST /disconnect`, `POST /stop`.
 */
import {createHash} from 'node:crypto'
import {readFile, rm, writeFile} from 'node:fs/promises'
import {createServer, type IncomingMessage, type Server, type ServerResponse} from 'node:http'
import {tmpdir} from 'node:os'
import {basename, join} from 'node:path'
import {JnodeError, messageOf} from '../errors.ts'
import type {Keeper, KeeperDirectory, KeeperStatus, StopOutcome} from '../flows/keepers.ts'
import {sessionFile} from '../session/local-store.ts'
import {dismissGuard, postGuard} from './guards.ts'
import {askPrivately, guarded, pipeSecret, WHY_HEADER, type PipeSecret} from './private-http.ts'
import {deadSockets, fileAt, isDead, isOurs, listenPrivately, privateSocket, removeLeft} from './private-socket.ts'

export interface ControlHandlers {
  status(): KeeperStatus
  /** Closes the tunnel, keeps the job; settles when the tunnel is closed. `takenOver`: for another process that opens it anew. */
  disconnect(takenOver: boolean): Promise<void>
  stop(): Promise<StopOutcome>
}

export function controlPath(stateDir: string, cluster: string, name: string): string {
  return privateSocket(stateDir, digestOf(cluster, name))
}

function guardPath(stateDir: string, cluster: string, name: string): string {
  return privateSocket(stateDir, `port-${digestOf(cluster, name)}`)
}

function digestOf(cluster: string, name: string): string {
  return createHash('sha256').update(`${cluster}\n${name}`).digest('hex').slice(0, 16)
}

/** Listens on the control socket, replacing one that a crash has left. Throws `session-exists` when a keeper lives there. */
export async function serveControl(path: string, handlers: ControlHandlers, secretOf: () => PipeSecret): Promise<{close(): Promise<void>}> {
  const secret = secretOf()
  const server = createServer(guarded(path, secret, (req, res) => void answer(req, res, handlers)))
  const left = fileAt(path)
  if (!(await listens(server, path))) {
    const what = 'This session’s tunnel'
    let lives = await statusOf(path, what, secret)
    if (!lives) removeLeft(path, left)
    if (lives || !(await listens(server, path))) {
      lives ??= await statusOf(path, what, secret)
      if (!lives) throw new JnodeError('unexpected', `Another program has taken ${path}`)
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
/** A tunnel is closed at once; its port has to find a guard first. */
const CLOSED_WITHIN_MS = 15_000
/** A keeper that does not answer in this time hangs, or its computer is overloaded. */
const ALIVE_WITHIN_MS = 5000

/** Null where no keeper of this user's listens. Rejects when somebody does and does not answer. */
async function statusOf(path: string, what: string, secret: PipeSecret): Promise<KeeperStatus | null> {
  try {
    return await askPrivately<KeeperStatus>(path, 'GET', '/status', {secret, timeoutMs: ALIVE_WITHIN_MS})
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'ETIMEDOUT') return null
    const pid = Number(await readFile(pidFile(path), 'utf8').catch(() => ''))
    const hint = 'If it stays so, end that process by force'
    throw new JnodeError('session-exists', `${what} is held by a process that does not answer${pid ? ` (${pid})` : ''}`, {hint: `${pid ? `${hint}: \`kill -9 ${pid}\`` : hint}. The job goes on.`, cause})
  }
}

export interface DirectoryOptions {
  /** The guard's program; without one, ports are guarded by nobody. */
  guard?: string
  secretOf?: () => PipeSecret
}

/** The live keepers of this computer, and the guards of ports. */
export function keeperDirectory(stateDir: string, {guard, secretOf = () => pipeSecret(stateDir)}: DirectoryOptions = {}): KeeperDirectory {
  const dismiss = async (cluster: string, name: string) => dismissGuard(guardPath(stateDir, cluster, name), secretOf())
  return {
    dismiss,
    async guard(tunnel, {cluster, name}) {
      await tunnel.leave(async (port) => {
        const session = {name, file: sessionFile(stateDir, cluster, name)}
        if (guard !== undefined) await postGuard(port, {program: guard, stateDir, path: guardPath(stateDir, cluster, name), secret: secretOf(), session})
      })
    },
    async find(cluster, name): Promise<Keeper | null> {
      const path = controlPath(stateDir, cluster, name)
      if (!isOurs(path)) return null
      const secret = secretOf()
      const status = await statusOf(path, `The tunnel of ${name}`, secret)
      if (!status) return null
      return {
        // An older jnode knows no other address.
        status: {...status, localHost: status.localHost ?? '127.0.0.1'},
        async disconnect(why) {
          await askPrivately(path, 'POST', '/disconnect', {secret, timeoutMs: CLOSED_WITHIN_MS, why}).catch((cause: unknown) => {
            throw new JnodeError('unexpected', `The process that holds the tunnel of ${name} (${status.pid}) does not close it: ${messageOf(cause)}`, {hint: `End it with \`kill ${status.pid}\`; the job goes on.`, cause})
          })
        },
        async stop(signal) {
          try {
            return await askPrivately<StopOutcome>(path, 'POST', '/stop', {secret, timeoutMs: ANSWER_WITHIN_MS, signal})
          } catch (error) {
            if (signal.aborted) throw new JnodeError('interrupted', `Interrupted; process ${status.pid} goes on with ending ${name}`, {cause: error})
            throw error
          }
        },
      }
    },
    async forget(cluster, name) {
      await dismiss(cluster, name)
      // A named pipe of Windows goes with its process.
      const path = controlPath(stateDir, cluster, name)
      if (process.platform !== 'win32') await Promise.all([path, guardPath(stateDir, cluster, name)].map((left) => rm(left, {force: true})))
      await rm(pidFile(path), {force: true})
    },
    dead: () => deadSockets(stateDir),
    removeDead: async (path) => {
      // Another process may have taken its place while the user was asked.
      if (await isDead(path)) await rm(path, {force: true})
    },
  }
}
