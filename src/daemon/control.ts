/**
 * A keeper's control socket: HTTP over a Unix socket (a named pipe on Windows) that only its user can open.
 * `GET /status`, `POST /disconnect`, `POST /stop`.
 */
import {createHash} from 'node:crypto'
import {chmod, lstat, mkdir, rm, unlink} from 'node:fs/promises'
import {createServer, request, type IncomingMessage, type ServerResponse} from 'node:http'
import {tmpdir, userInfo} from 'node:os'
import {dirname, join} from 'node:path'
import {JnodeError, messageOf} from '../errors.ts'
import type {Keeper, KeeperDirectory, KeeperStatus, StopOutcome} from '../flows/keepers.ts'

export interface ControlHandlers {
  status(): KeeperStatus
  /** Closes the tunnel, keeps the job; settles when the tunnel is closed. */
  disconnect(): Promise<void>
  stop(): Promise<StopOutcome>
}

/** Kernels take about 104 bytes of socket path, and home directories can be longer than that by themselves. */
const MAX_SOCKET_PATH = 100

export function controlPath(stateDir: string, cluster: string, name: string): string {
  const id = createHash('sha256').update(`${cluster}\n${name}`).digest('hex').slice(0, 16)
  if (process.platform === 'win32') return `\\\\.\\pipe\\jnode-${userInfo().username}-${id}`
  const path = join(stateDir, 'keepers', `${id}.sock`)
  return Buffer.byteLength(path) <= MAX_SOCKET_PATH ? path : join(tmpdir(), `jnode-${userInfo().uid}`, `${id}.sock`)
}

/** Listens on the control socket, replacing one that a crash has left. Throws `session-exists` when a keeper lives there. */
export async function serveControl(path: string, handlers: ControlHandlers): Promise<{close(): Promise<void>}> {
  if (process.platform !== 'win32') await makePrivate(dirname(path))
  const server = createServer((req, res) => void answer(req, res, handlers))
  const listen = () =>
    new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      server.listen(path, () => {
        server.off('error', reject)
        resolve()
      })
    })
  try {
    await listen()
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error
    if (await ask<KeeperStatus>(path, 'GET', '/status', ALIVE_WITHIN_MS).catch(() => null)) {
      throw new JnodeError('session-exists', 'This session’s tunnel is held by another jnode on this computer', {hint: '`jnode url` prints its URL; `jnode disconnect` closes it.'})
    }
    await unlink(path)
    await listen()
  }
  return {
    async close() {
      server.closeAllConnections()
      await new Promise<void>((resolve) => server.close(() => resolve()))
    },
  }
}

async function makePrivate(directory: string): Promise<void> {
  try {
    await mkdir(directory, {recursive: true, mode: 0o700})
    await chmod(directory, 0o700) // fails when the directory is another user's, as it should
  } catch (cause) {
    throw new JnodeError('config', `The tunnel’s control socket cannot be made in ${directory}: ${messageOf(cause)}`, {
      hint: 'The job goes on. Make that directory yours, or set XDG_STATE_HOME to a short path that is; then `jnode connect`.',
      cause,
    })
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
      const chunks: Buffer[] = []
      res.on('data', (chunk: Buffer) => chunks.push(chunk))
      res.on('error', reject)
      res.on('end', () => {
        const text = Buffer.concat(chunks).toString('utf8')
        if (res.statusCode === 200) resolve(JSON.parse(text) as T)
        else reject(new Error(text))
      })
    })
    req.on('timeout', () => req.destroy(new Error('no answer')))
    req.on('error', reject)
    req.end()
  })
}

/** A directory in /tmp may be somebody else's, who would then tell us where to send a token. */
async function isOurs(directory: string): Promise<boolean> {
  if (process.platform === 'win32') return true
  const found = await lstat(directory).catch(() => null)
  return found !== null && found.isDirectory() && found.uid === process.getuid?.()
}

/** The live keepers of this computer. */
export function keeperDirectory(stateDir: string): KeeperDirectory {
  return {
    async find(cluster, name): Promise<Keeper | null> {
      const path = controlPath(stateDir, cluster, name)
      if (!(await isOurs(dirname(path)))) return null
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
