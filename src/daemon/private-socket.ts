/** Sockets between processes of one user of this computer: in a directory that only they can enter. */
import {createHmac} from 'node:crypto'
import {lstatSync, rmSync} from 'node:fs'
import {chmod, mkdir, readdir} from 'node:fs/promises'
import type {IncomingMessage, Server} from 'node:http'
import {connect} from 'node:net'
import {tmpdir, userInfo} from 'node:os'
import {dirname, join} from 'node:path'
import {LONG_ANSWER_BYTES, tooMuch} from '../bounds.ts'
import {JnodeError, messageOf} from '../errors.ts'
import {userSecret} from './user-secret.ts'

/** Kernels take about 104 bytes of socket path, and home directories can be longer than that by themselves. */
const MAX_SOCKET_PATH = 100

/** Where the socket called `id` lies; a named pipe on Windows. */
export function privateSocket(stateDir: string, id: string): string {
  if (process.platform === 'win32') return `\\\\.\\pipe\\jnode-${userInfo().username}-${id}`
  return join(socketDirectory(stateDir), `${id}.sock`)
}

/** The longest name of a socket: a digest in hex, what it is for, and what its process writes beside it. */
const LONGEST_NAME = '/lent-0123456789abcdef.sock'
/** How many names in /tmp another user would have to guess. */
const PLACES = 4

/**
 * The same one for every process of this user. In the state directory where that is near enough to the root; else below the
 * directory for temporary files, where another user may have taken a name: then another is used, which only this user can foresee.
 */
function socketDirectory(stateDir: string): string {
  const usual = join(stateDir, 'keepers')
  if (fits(usual) && isFree(usual)) return usual
  const first = join(tmpdir(), `jnode-${userInfo().uid}`)
  if (isPrivate(first)) return first
  const secret = userSecret(stateDir)
  const others = Array.from({length: PLACES}, (_, i) => `${first}-${createHmac('sha256', secret).update(`sockets ${i}`).digest('hex').slice(0, 16)}`)
  const places = [first, ...others]
  // One that is in use before a new one: another user may have given a name back meanwhile.
  return places.find(isPrivate) ?? places.find(isFree) ?? first
}

function fits(directory: string): boolean {
  return Buffer.byteLength(directory + LONGEST_NAME) <= MAX_SOCKET_PATH
}

/** A directory of this user's into which nobody else can put anything: they could tell us where to send a token. */
function isPrivate(directory: string): boolean {
  try {
    const found = lstatSync(directory)
    return found.isDirectory() && found.uid === process.getuid?.() && (found.mode & 0o022) === 0
  } catch {
    return false
  }
}

/** Whether nothing is there yet, or it is private already. */
function isFree(directory: string): boolean {
  try {
    return lstatSync(directory, {throwIfNoEntry: false}) === undefined || isPrivate(directory)
  } catch {
    return false // a part of the path is no directory
  }
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
    if (!isOurs(path)) throw new Error('it is a link, or others can write to it')
    await chmod(directory, 0o700)
  } catch (cause) {
    throw new JnodeError('config', `The tunnel’s control socket cannot be made in ${directory}: ${messageOf(cause)}`, {
      hint: 'Make that directory yours, or set XDG_STATE_HOME to a short path that is.',
      cause,
    })
  }
}

/** Whether a socket at this path can only be this user's. On Windows a pipe proves itself. */
export function isOurs(path: string): boolean {
  return process.platform === 'win32' || isPrivate(dirname(path))
}

/** Sockets below `stateDir` whose process is gone, and what was written beside them. A named pipe of Windows goes with its process. */
export async function deadSockets(stateDir: string): Promise<string[]> {
  const any = privateSocket(stateDir, 'any')
  if (process.platform === 'win32' || !isOurs(any)) return []
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

/** Bytes of a request or an answer between processes of one user: answers of a cluster, as JSON, which may write a byte as six. */
export const MESSAGE_BYTES = 6 * LONG_ANSWER_BYTES

/** The whole text of a request or an answer. Rejects where there is no end of it. */
export async function textOf(message: IncomingMessage, maxBytes = MESSAGE_BYTES): Promise<string> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of message) {
    size += (chunk as Buffer).length
    if (size > maxBytes) throw tooMuch(maxBytes, 'Another process of yours')
    chunks.push(chunk as Buffer)
  }
  return Buffer.concat(chunks).toString('utf8')
}
