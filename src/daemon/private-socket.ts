/** Sockets between processes of one user of this computer: in a directory that only they can enter. */
import {lstatSync, rmSync} from 'node:fs'
import {chmod, lstat, mkdir, readdir} from 'node:fs/promises'
import type {IncomingMessage, Server} from 'node:http'
import {connect} from 'node:net'
import {tmpdir, userInfo} from 'node:os'
import {dirname, join} from 'node:path'
import {JnodeError, messageOf} from '../errors.ts'

/** Kernels take about 104 bytes of socket path, and home directories can be longer than that by themselves. */
const MAX_SOCKET_PATH = 100

/** Where the socket called `id` lies; a named pipe on Windows. */
export function privateSocket(stateDir: string, id: string): string {
  if (process.platform === 'win32') return `\\\\.\\pipe\\jnode-${userInfo().username}-${id}`
  const path = join(stateDir, 'keepers', `${id}.sock`)
  return Buffer.byteLength(path) <= MAX_SOCKET_PATH ? path : join(tmpdir(), `jnode-${userInfo().uid}`, `${id}.sock`)
}

/** Rejects with the system's error, EADDRINUSE where somebody listens there or a crash has left the file. */
export async function listenPrivately(server: Server, path: string): Promise<void> {
  await makeRoom(path)
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(path, () => {
      server.off('error', reject)
      server.on('error', () => {}) // no room for a connection is no reason to end
      resolve()
    })
  })
}

/** Which file is at a path, so that it can be told from one that takes its place; null where there is none. */
export function fileAt(path: string): string | null {
  const found = lstatSync(path, {throwIfNoEntry: false})
  // Numbers of files are used again at once.
  return found ? `${found.ino} ${found.ctimeMs}` : null
}

/** Removes the very file that a killed process has left, and not what another one has put in its place meanwhile. */
export function removeLeft(path: string, left: string | null): void {
  if (left !== null && fileAt(path) === left) rmSync(path, {force: true})
}

/** The directory of a socket. Made before a job is: it must not turn out to be impossible when the session is ready. */
export async function makeRoom(path: string): Promise<void> {
  if (process.platform === 'win32') return
  const directory = dirname(path)
  try {
    await mkdir(directory, {recursive: true, mode: 0o700})
    if (!(await isOurs(path))) throw new Error('it is a link, or another user’s')
    await chmod(directory, 0o700)
  } catch (cause) {
    throw new JnodeError('config', `The tunnel’s control socket cannot be made in ${directory}: ${messageOf(cause)}`, {
      hint: 'Make that directory yours, or set XDG_STATE_HOME to a short path that is.',
      cause,
    })
  }
}

/** A directory in /tmp may be somebody else's, who would then tell us where to send a token. */
export async function isOurs(path: string): Promise<boolean> {
  if (process.platform === 'win32') return true
  const found = await lstat(dirname(path)).catch(() => null)
  return found !== null && found.isDirectory() && found.uid === process.getuid?.()
}

/** Sockets below `stateDir` whose process is gone, and what was written beside them. A named pipe of Windows goes with its process. */
export async function deadSockets(stateDir: string): Promise<string[]> {
  const any = privateSocket(stateDir, 'any')
  if (process.platform === 'win32' || !(await isOurs(any))) return []
  const directory = dirname(any)
  const names = await readdir(directory)
  const dead: string[] = []
  for (const name of names) {
    if (/\.sock(\.pid)?$/.test(name) && (await isDead(join(directory, name)))) dead.push(join(directory, name))
  }
  return dead
}

/** Whether the process of this socket, or of the file beside it, refuses for certain: one that hangs accepts. */
export function isDead(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path.replace(/\.pid$/, ''))
    const settle = (dead: boolean) => {
      socket.destroy()
      resolve(dead)
    }
    socket.once('connect', () => settle(false))
    socket.once('error', (error: NodeJS.ErrnoException) => settle(error.code === 'ECONNREFUSED' || error.code === 'ENOENT'))
  })
}

/** The whole text of a request or an answer. */
export async function textOf(message: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of message) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks).toString('utf8')
}
