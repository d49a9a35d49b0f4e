/**
 * Shell scripts over a byte pipe to a remote `/bin/sh`. The login shell may be csh or fish and its start-up
 * files may print anything, so nothing but `exec /bin/sh -s` is ever a command line: scripts travel on stdin,
 * and each answer is cut out between random markers.
 */
import {randomBytes} from 'node:crypto'
import type {Readable, Writable} from 'node:stream'
import {tooMuch} from '../bounds.ts'
import {abortReason, JnodeError, throwIfAborted} from '../errors.ts'
import {lineSplitter} from '../lines.ts'
import {oneLine} from '../printable.ts'
import {quote} from '../shell.ts'
import type {FollowLines, RunCommand, RunResult} from './remote.ts'

/** The one command line sent to a login shell; every shell in use reads it alike. */
export const SHELL_COMMAND = 'exec /bin/sh -s'

/** A running `/bin/sh -s`. */
export interface ShellProcess {
  stdin: Writable
  stdout: Readable
  stderr: Readable
  /** Settles when the process and its output have ended, whatever the reason. */
  ended: Promise<void>
  kill(): void
}

export type OpenShell = (signal?: AbortSignal) => Promise<ShellProcess>

const DEFAULT_TIMEOUT_MS = 60_000
/** Where nobody says what is sensible; protects this process's memory. */
const MAX_OUTPUT_BYTES = 64_000_000
/** What start-up files of a login shell may print before the answers. */
const NOISE_BYTES = 1_000_000

/** Makes `run` for a host out of a way to open a shell there. `label` names the host in errors. */
export function runOver(openShell: OpenShell, label: string): RunCommand {
  return async (scripts, {signal, timeoutMs = DEFAULT_TIMEOUT_MS, maxBytes = MAX_OUTPUT_BYTES} = {}) => {
    throwIfAborted(signal)
    const mark = makeMark()
    const shell = await openShell(signal)
    const limit = {maxBytes, label}
    const collected = Promise.all([collect(shell.stdout, limit), collect(shell.stderr, limit)])
    shell.stdin.on('error', () => {}) // the answer tells: a shell that died early shows as a missing marker
    shell.stdin.end(frameScripts(scripts, mark))
    const [stdout, stderr] = await guarded(collected, shell, {label, signal, timeoutMs})
    return cutAnswers({stdout, stderr, count: scripts.length, mark}, label)
  }
}

/** Makes `follow` for a host. The remote side ends with the channel: see `frameFollow`. */
export function followOver(openShell: OpenShell, label: string): FollowLines {
  return async (script, onLine, signal) => {
    throwIfAborted(signal)
    const mark = makeMark()
    const shell = await openShell(signal)
    shell.stdin.on('error', () => {})
    shell.stderr.resume()
    shell.stdin.write(frameFollow(script, mark))
    const seenEnd = readLines(shell.stdout, mark, onLine)
    let givenUp!: (complete: false) => void
    // Whoever reads the lines may be waiting for something else.
    const aborted = new Promise<false>((resolve) => (givenUp = resolve))
    const onAbort = () => {
      shell.kill()
      givenUp(false)
    }
    signal.addEventListener('abort', onAbort, {once: true})
    if (signal.aborted) onAbort()
    try {
      const complete = await Promise.race([seenEnd, aborted])
      throwIfAborted(signal)
      if (!complete) throw new JnodeError('connection-lost', `The connection to ${label} broke off`)
    } finally {
      signal.removeEventListener('abort', onAbort)
      shell.kill()
    }
  }
}

function makeMark(): string {
  return `jnode-${randomBytes(12).toString('hex')}`
}

/**
 * All scripts as one brace group: sh reads it to its end before it runs the first word, so a connection
 * that dies half-way runs nothing. `eval` in a subshell keeps a syntax error or `exit` of one from the rest.
 */
function frameScripts(scripts: readonly string[], mark: string): string {
  const parts = scripts.map(
    (script, i) =>
      `echo '${mark} begin ${i}'; echo '${mark} begin ${i}' >&2\n` +
      `( eval ${quote(script)} ) </dev/null; jnode_status=$?\n` +
      `printf '\\n%s\\n' "${mark} end ${i} $jnode_status"; printf '\\n%s\\n' '${mark} end ${i}' >&2\n`,
  )
  return `{\n${parts.join('')}exit 0\n}\n`
}

/**
 * sshd does not end a process whose channel was closed unless it writes; so a `cat` waits for the end of
 * stdin, which is the channel's, and then ends the script. Background commands lose stdin unless it is named (fd 3).
 */
function frameFollow(script: string, mark: string): string {
  return `{
exec 3<&0
echo '${mark} begin 0'
( eval ${quote(script)} ) </dev/null 3<&- &
jnode_script=$!
( cat <&3 >/dev/null; kill $jnode_script 2>/dev/null ) &
jnode_watch=$!
wait $jnode_script
echo '${mark} end 0'
kill $jnode_watch 2>/dev/null
exit 0
}
`
}

async function collect(stream: Readable, {maxBytes, label}: {maxBytes: number; label: string}): Promise<string> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of stream) {
    size += (chunk as Buffer).length
    if (size > maxBytes + NOISE_BYTES) throw tooMuch(maxBytes, `A command on ${label}`)
    chunks.push(chunk as Buffer)
  }
  return Buffer.concat(chunks).toString('utf8')
}

/** Waits for the answer, but not past the time limit or an abort; either way the shell is gone afterwards. */
async function guarded<T>(work: Promise<T>, shell: ShellProcess, limits: {label: string; signal?: AbortSignal; timeoutMs: number}): Promise<T> {
  const {label, signal, timeoutMs} = limits
  return new Promise<T>((resolve, reject) => {
    const finish = (settle: () => void) => {
      clearTimeout(timer)
      signal?.removeEventListener('abort', onAbort)
      settle()
    }
    const onAbort = () => {
      shell.kill()
      finish(() => reject(abortReason(signal!)))
    }
    const timer = setTimeout(() => {
      shell.kill()
      finish(() =>
        reject(
          new JnodeError('connection-lost', `${label} did not answer within ${Math.round(timeoutMs / 1000)} s`, {
            hint: 'The host or its file server may be overloaded; try again.',
          }),
        ),
      )
    }, timeoutMs)
    signal?.addEventListener('abort', onAbort, {once: true})
    // It may have been given up while the shell was being opened.
    if (signal?.aborted) onAbort()
    work.then(
      (value) => finish(() => resolve(value)),
      (error: unknown) => {
        shell.kill()
        finish(() => reject(error))
      },
    )
  })
}

interface RawAnswer {
  stdout: string
  stderr: string
  count: number
  mark: string
}

function cutAnswers({stdout, stderr, count, mark}: RawAnswer, label: string): RunResult[] {
  return Array.from({length: count}, (_, i) => {
    const out = between(stdout, `${mark} begin ${i}\n`, `\n${mark} end ${i}`)
    const err = between(stderr, `${mark} begin ${i}\n`, `\n${mark} end ${i}`)
    if (out === null) {
      throw new JnodeError('connection-lost', `The shell on ${label} ended before it had answered`, {
        hint: noShellHint(stdout, stderr, mark),
      })
    }
    const status = new RegExp(`\\n${mark} end ${i} (\\d+)`).exec(stdout)
    return {exitCode: Number(status?.[1] ?? -1), stdout: out, stderr: err ?? ''}
  })
}

function noShellHint(stdout: string, stderr: string, mark: string): string {
  if (stdout.includes(mark)) return 'Try again; if it stays so, ask the cluster’s support whether login processes are ended.'
  const said = (stderr || stdout).trim().split('\n').at(-1)
  return said ? `It said: ${oneLine(said, 200)}` : 'Check that an ordinary `ssh` to it gives a shell.'
}

function between(text: string, from: string, to: string): string | null {
  const start = text.indexOf(from)
  if (start < 0) return null
  const end = text.indexOf(to, start + from.length - 1)
  return end < 0 ? null : text.slice(start + from.length, end)
}

/** Feeds complete lines between the markers to `onLine`; true when the end marker came. */
async function readLines(stream: Readable, mark: string, onLine: (line: string) => unknown): Promise<boolean> {
  const [begin, end] = [`${mark} begin 0`, `${mark} end 0`]
  // The mark stands behind an output without a last newline.
  const splitter = lineSplitter({tail: begin.length})
  let begun = false
  stream.setEncoding('utf8')
  try {
    for await (const chunk of stream) {
      for (const line of splitter.take(chunk as string)) {
        if (line.endsWith(end)) return true
        if (begun) await onLine(line)
        else if (line.endsWith(begin)) begun = true
      }
    }
  } catch {
    // a stream torn down is the same as one that ended without the marker
  }
  return false
}
