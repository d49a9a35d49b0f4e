/** Guards of ports, as the other processes see them: a process of its own for each session whose tunnel was closed and whose job goes on. */
import {spawn, type ChildProcess} from 'node:child_process'
import type {Server} from 'node:net'
import {messageOf} from '../errors.ts'
import type {Port} from '../tunnel/tunnel.ts'
import {askPrivately, type PipeSecret} from './private-http.ts'
import {fileAt, isOurs} from './private-socket.ts'

export interface GuardTask {
  /** The guard's own socket. */
  path: string
  /** As hex. */
  secret: string | null
  session: GuardedSession
  /** What Host may say. */
  names: readonly string[]
}

export interface GuardedSession {
  name: string
  /** It is there as long as the session is remembered on this computer. */
  file: string
}

/** First each of the listening sockets, then the task. */
export type ToGuard = {kind: 'port'} | {kind: 'task'; task: GuardTask}
export interface FromGuard {
  kind: 'guarding'
}

export const DISMISS = 'POST /dismiss'

/** A small heap: a guard does next to nothing. */
const FLAGS = ['--max-semi-space-size=1']
/** Less than a command waits for the keeper that posts it; a busy computer takes its time to start a program. */
const POSTED_WITHIN_MS = 10_000
const DISMISSED_WITHIN_MS = 3000

export interface Post {
  /** dist/guard.js of this very version. */
  program: string
  stateDir: string
  path: string
  secret: PipeSecret
  session: GuardedSession
}

/** Settles when a guard has the port, which the caller then closes: at no moment is it free. Rejects when there is no guard. */
export async function postGuard({servers, names}: Port, {program, stateDir, path, secret, session}: Post): Promise<void> {
  // Little of the environment is needed, and there may be secrets in it.
  const env = Object.fromEntries(['HOME', 'SystemRoot', 'WSL_DISTRO_NAME'].flatMap((key) => (process.env[key] === undefined ? [] : [[key, process.env[key]]])))
  const child = spawn(process.execPath, [...FLAGS, program], {detached: true, stdio: ['ignore', 'ignore', 'ignore', 'ipc'], windowsHide: true, cwd: stateDir, env})
  try {
    await handOver(child, servers, {path, secret: secret?.toString('hex') ?? null, session, names})
  } catch (error) {
    child.kill()
    throw error
  } finally {
    if (child.connected) child.disconnect()
    child.unref()
  }
}

function handOver(child: ChildProcess, servers: readonly Server[], task: GuardTask): Promise<void> {
  return new Promise((resolve, reject) => {
    const limit = setTimeout(() => reject(new Error('it does not start in time')), POSTED_WITHIN_MS)
    const fail = (why: string) => {
      clearTimeout(limit)
      reject(new Error(why))
    }
    child.once('error', (error) => fail(messageOf(error)))
    child.once('exit', (code, signal) => fail(`it ended at once (${signal ?? code})`))
    child.once('message', () => {
      clearTimeout(limit)
      resolve()
    })
    const send = (message: ToGuard, server?: Server) => child.send(message, server, {}, (error) => error && fail(messageOf(error)))
    for (const server of servers) send({kind: 'port'}, server)
    send({kind: 'task', task})
  })
}

/** Has the guard let go of its port; false where there is none. It may have been killed, and another user be there. */
export async function dismissGuard(path: string, secret: PipeSecret): Promise<boolean> {
  if (process.platform !== 'win32' && (!isOurs(path) || fileAt(path) === null)) return false
  const [method, url] = DISMISS.split(' ') as ['POST', string]
  return askPrivately(path, method, url, {secret, timeoutMs: DISMISSED_WITHIN_MS}).then(() => true, () => false)
}
