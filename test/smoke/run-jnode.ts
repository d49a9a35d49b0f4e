/** Runs of the built program as a user would make them, without a terminal. */
import {spawn, type ChildProcessByStdio} from 'node:child_process'
import type {Readable} from 'node:stream'

export interface Ended {
  /** null: a signal ended it. */
  exitCode: number | null
  stdout: string
  stderr: string
}

/** One that still runs. */
export interface Running {
  readonly child: ChildProcessByStdio<null, Readable, Readable>
  stdout(): string
  stderr(): string
  /** Waits for this on stdout or stderr. Throws with all that was printed when it ends without. */
  prints(pattern: RegExp): Promise<void>
  readonly ended: Promise<Ended>
}

export function runJnode(bin: string, args: readonly string[], env: Record<string, string>): Running {
  const child = spawn(process.execPath, [bin, ...args], {env, stdio: ['ignore', 'pipe', 'pipe']})
  const printed = {stdout: '', stderr: ''}
  const waiting = new Set<() => void>()
  let over = false
  const changed = () => [...waiting].forEach((look) => look())
  for (const name of ['stdout', 'stderr'] as const) {
    child[name].setEncoding('utf8').on('data', (text: string) => {
      printed[name] += text
      changed()
    })
  }
  // 'close' and not 'exit': a background process that kept our pipes open would be a mistake, and show here.
  const ended = new Promise<Ended>((resolve) => {
    child.once('close', (exitCode) => {
      over = true
      changed()
      resolve({exitCode, ...printed})
    })
  })
  return {
    child,
    ended,
    stdout: () => printed.stdout,
    stderr: () => printed.stderr,
    prints: (pattern) =>
      new Promise((resolve, reject) => {
        const look = () => {
          const found = pattern.test(printed.stdout) || pattern.test(printed.stderr)
          if (!found && !over) return
          waiting.delete(look)
          if (found) resolve()
          else reject(new Error(`${args.join(' ')} ended without ${pattern}:\n${printed.stdout}\n${printed.stderr}`))
        }
        waiting.add(look)
        look()
      }),
  }
}
