/**
 * A keeper's control socket: HTTP over a Unix socket (a named pipe on Windows) that only its user can open.
 * `GET /status`, `POST /disconnect`, `POST /stop`.
 */
import {createHash} from 'node:crypto'
import {rm, unlink} from 'node:fs/promises'
import {createServer, request, type IncomingMessage, type ServerResponse} from 'node:http'
import {JnodeError, messageOf} from '../errors.ts'
import type {Keeper, KeeperDirectory, KeeperStatus, StopOutcome} from '../flows/keepers.ts'
import {isOurs, listenPrivately, privateSocket, textOf} from './private-socket.ts'

export interface ControlHandlers {
  status(): KeeperStatus
  /** Closes the tunnel, keeps the job; settles when the tunnel is closed. */
  disconnect(): Promise<void>
  stop(): Promise<StopOutcome>
}

export function controlPath(stateDir: string, cluster: string, name: string): string {
  return privateSocket(stateDir, createHash('sha256').update(`${cluster}\n${name}`).digest('hex').slice(0, 16))
}

/** Listens on the control socket, replacing one that a crash has left. Throws `session-exists` when a keeper lives there. */
export async function serveControl(path: string, handlers: ControlHandlers): Promise<{close(): Promise<void>}> {
  const server = createServer((req, res) => void answer(req, res, handlers))
  try {
    await listenPrivately(server, path)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error
    if (await ask<KeeperStatus>(path, 'GET', '/status', ALIVE_WITHIN_MS).catch(() => null)) {
      throw new JnodeError('session-exists', 'This session’s tunnel is held by another jnode on this computer', {hint: '`jnode url` prints its URL; `jnode disconnect` closes it.'})
    }
    await unlink(path)
    await listenPrivately(server, path)
  }
  return {
    async close() {
      server.closeAllConnections()
      await new Promise<void>((resolve) => server.close(() => resolve()))
    },
  }
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
        await handlers.disconnect()
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
/** A keeper that does not tell its status in this time does not count as alive. */
const ALIVE_WITHIN_MS = 3000

function ask<T>(path: string, method: 'GET' | 'POST', url: string, timeoutMs = ANSWER_WITHIN_MS): Promise<T> {
  return new Promise((resolve, reject) => {
    const req = request({socketPath: path, method, path: url, timeout: timeoutMs, agent: false}, (res) => {
      textOf(res).then((text) => {
        if (res.statusCode === 200) resolve(JSON.parse(text) as T)
        else reject(new Error(text))
      }, reject)
    })
    req.on('timeout', () => req.destroy(new Error('no answer')))
    req.on('error', reject)
    req.end()
  })
}

/** The live keepers of this computer. */
export function keeperDirectory(stateDir: string): KeeperDirectory {
  return {
    async find(cluster, name): Promise<Keeper | null> {
      const path = controlPath(stateDir, cluster, name)
      if (!(await isOurs(path))) return null
      const status = await ask<KeeperStatus>(path, 'GET', '/status', ALIVE_WITHIN_MS).catch(() => null)
      if (!status) return null
      return {
        status,
        async disconnect() {
          await ask(path, 'POST', '/disconnect', 10_000).catch((cause: unknown) => {
            throw new JnodeError('unexpected', `The process that holds the tunnel of ${name} (${status.pid}) does not close it: ${messageOf(cause)}`, {hint: `End it with \`kill ${status.pid}\`; the job goes on.`, cause})
          })
        },
        stop: () => ask<StopOutcome>(path, 'POST', '/stop'),
      }
    },
    async forget(cluster, name) {
      // A named pipe of Windows goes with its process.
      if (process.platform !== 'win32') await rm(controlPath(stateDir, cluster, name), {force: true})
    },
  }
}
