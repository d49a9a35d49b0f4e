/** What it means when a host does or does not open a stream to a place where perhaps nobody listens. */
import type {Duplex} from 'node:stream'
import {JnodeError, messageOf, whenAborted} from '../errors.ts'
import type {Remote} from '../ssh/remote.ts'

/**
 * `refused`: it was let through and nobody listens; `prohibited`: the sshd opens no such streams; `shut`: the network does
 * not let it through; `unclear`: one of these.
 */
export type StreamAnswer = {kind: 'open'} | {kind: 'refused' | 'prohibited' | 'shut' | 'unclear'; why: string}

/** Takes the stream only to close it. Throws what is no answer: a lost connection, an abort. */
export async function streamAnswer(opening: Promise<Duplex>): Promise<StreamAnswer> {
  try {
    const stream = await opening
    stream.on('error', () => {}).destroy()
    return {kind: 'open'}
  } catch (error) {
    if (!(error instanceof JnodeError) || (error.code !== 'no-route' && error.code !== 'unreachable')) throw error
    // On this very machine the reason is in the cause.
    const why = error.code === 'unreachable' && error.cause !== undefined ? `${error.message}: ${messageOf(error.cause)}` : error.message
    return {kind: kindOf(why), why}
  }
}

function kindOf(why: string): 'refused' | 'prohibited' | 'shut' | 'unclear' {
  if (/prohibited/i.test(why)) return 'prohibited'
  if (/refused/i.test(why)) return 'refused'
  return /timed? ?out|no answer|unreachable|no route|EHOSTUNREACH/i.test(why) ? 'shut' : 'unclear'
}

/** Whether an SSH server speaks on this stream, which is closed then. */
export function greets(stream: Duplex, signal: AbortSignal): Promise<boolean> {
  return new Promise<boolean>((resolve) => {
    const end = (answer: boolean) => {
      stream.destroy()
      resolve(answer)
    }
    stream.once('data', (data: Buffer) => end(data.toString('latin1').startsWith('SSH-')))
    stream.once('error', () => end(false)).once('close', () => end(false)).once('end', () => end(false))
    void whenAborted(signal).then(() => end(false))
  })
}

/** To sshd a socket that is not there and one that is forbidden are the same, so there must be one: an ssh-agent without keys makes it. */
const MAKE_SOCKET = `umask 077
agent=
place=$(mktemp -d /tmp/jnode.XXXXXXXX) || exit 1
trap 'trap - EXIT; trap "" HUP INT TERM; [ -z "$agent" ] || kill "$agent" 2>/dev/null; rm -rf "$place"' EXIT
trap 'exit 0' HUP INT TERM
command -v ssh-agent >/dev/null || exit 1
ssh-agent -D -a "$place/sock" >/dev/null 2>&1 </dev/null &
agent=$!
until [ -S "$place/sock" ]; do
  kill -0 "$agent" 2>/dev/null || exit 1
  sleep 0.1 2>/dev/null || sleep 1
done
echo "$place/sock"
wait "$agent"`

/** Does something with a socket that is there on this host as long as it takes. Throws where none can be made. */
export async function socketThere<T>({follow, label}: Remote, signal: AbortSignal, work: (path: string) => Promise<T>): Promise<T> {
  const done = new AbortController()
  let up!: (path: string) => void
  const there = new Promise<string>((resolve) => (up = resolve))
  const ended = follow(MAKE_SOCKET, up, AbortSignal.any([signal, done.signal])).then(() => {
    throw new Error(`nothing on ${label} makes a socket to try it with`)
  })
  ended.catch(() => {})
  try {
    return await work(await Promise.race([there, ended]))
  } finally {
    done.abort()
    await ended.catch(() => {})
  }
}
