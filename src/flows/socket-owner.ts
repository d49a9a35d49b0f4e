/** Whose server a Unix socket of a node is that jnode did not place: its owner, and who else could put another one there. */
import {posix} from 'node:path'
import {ask} from '../ask.ts'
import {quote} from '../shell.ts'
import {closed, Stranger} from './route-context.ts'
import type {OnNode} from './place-owner.ts'

export interface HeldSocket {
  /** Without links, which others might turn elsewhere. */
  path: string
  /** Another one at the same path has another. */
  identity: string
}

/** Type and rights as stat's %f tells them. */
const TYPE = 0o170000
const SOCKET = 0o140000
const STICKY = 0o1000
const OTHERS_WRITE = 0o022
const LOOK_MS = 15_000

/** Shell text for the node: the path without links, the file there, then each directory above it up to the root. */
export function whoHas(path: string): string {
  return `path=$(readlink -f -- ${quote(path)}) && printf 'path %s\\n' "$path" && stat -c 'file %u %f %d:%i:%z' -- "$path"
while [ -n "$path" ]; do
  path=\${path%/*}
  stat -c 'directory %u %f' -- "\${path:-/}"
done
echo "me $(id -u)"`
}

/**
 * Throws `no-route` unless the socket is this user's and nobody else could put one in its place: only who has made the file
 * is connected to through it. Where that cannot be seen, it throws as well.
 */
export async function lookAtSocket(place: string, {nodeName, remote, script, notRun}: OnNode): Promise<HeldSocket> {
  const {stdout, stderr} = await ask(remote.run, {script: script(whoHas(place)), read: (said) => said}, {timeoutMs: LOOK_MS})
  const me = /^me (\d+)$/m.exec(stdout)?.[1]
  const path = /^path (\/.+)$/m.exec(stdout)?.[1]
  const [, owner, type, identity] = /^file (\d+) ([0-9a-f]+) (.+)$/m.exec(stdout) ?? []
  const last = stderr.trim().split('\n').at(-1)!
  if (me === undefined) throw notRun(last)
  if (path === undefined || owner === undefined) throw closed(`whose socket ${place} of ${nodeName} is cannot be seen: ${last || 'it is not there'}`, null)
  if (owner !== me) throw new Stranger(`Socket ${path} of ${nodeName} belongs to another user`)
  if ((Number.parseInt(type!, 16) & TYPE) !== SOCKET) throw closed(`${path} of ${nodeName} is no socket`, null)
  const directories = [...stdout.matchAll(/^directory (\d+) ([0-9a-f]+)$/gm)]
  let above = path
  for (const [, whose, rights] of directories) {
    above = posix.dirname(above)
    const mode = Number.parseInt(rights!, 16)
    const isSafe = (whose === me || whose === '0') && ((mode & OTHERS_WRITE) === 0 || (mode & STICKY) !== 0)
    if (!isSafe) throw new Stranger(`Others on ${nodeName} could replace socket ${path}: they can write to ${above}`, 'Start that Jupyter with its socket in a directory that only you can write to.')
  }
  if (above !== '/' || directories.length === 0) throw closed(`whose the directories of socket ${path} of ${nodeName} are cannot be seen: ${last}`, null)
  return {path, identity: identity!}
}
