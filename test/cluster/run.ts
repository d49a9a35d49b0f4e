/** Runs one program of this machine to its end. */
import {spawn} from 'node:child_process'

export interface Result {
  /** Null when a signal ended it. */
  exitCode: number | null
  stdout: string
  stderr: string
}

/** Runs argv and answers with its output, whatever its exit code. */
export async function tryRun(argv: readonly string[], options: {input?: string; env?: NodeJS.ProcessEnv} = {}): Promise<Result> {
  const [program = '', ...args] = argv
  const child = spawn(program, args, {env: options.env ?? process.env, stdio: 'pipe'})
  return collect(child, options.input)
}

/** Runs argv and answers with its stdout; anything but exit 0 is an error with the program's own words. */
export async function run(argv: readonly string[], options: {input?: string; env?: NodeJS.ProcessEnv} = {}): Promise<string> {
  const result = await tryRun(argv, options)
  if (result.exitCode !== 0) {
    throw new Error(`${argv.join(' ')} ended with ${result.exitCode}: ${(result.stderr || result.stdout).trim()}`)
  }
  return result.stdout
}

/** Feeds a child its input and gathers what it prints until it ends. */
export function collect(child: ReturnType<typeof spawn>, input?: string): Promise<Result> {
  const stdout: Buffer[] = []
  const stderr: Buffer[] = []
  child.stdout?.on('data', (data: Buffer) => stdout.push(data))
  child.stderr?.on('data', (data: Buffer) => stderr.push(data))
  // A program that ends without reading its input is no failure of ours.
  child.stdin?.on('error', () => {})
  child.stdin?.end(input ?? '')
  return new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (exitCode) => {
      resolve({exitCode, stdout: Buffer.concat(stdout).toString(), stderr: Buffer.concat(stderr).toString()})
    })
  })
}

/** Asks every 50 ms until the answer is neither undefined nor false; after timeoutMs an error says what was waited for. */
export async function until<T>(
  what: string,
  ask: () => Promise<T | undefined | false> | T | undefined | false,
  timeoutMs = 30_000,
): Promise<T> {
  const deadline = Date.now() + timeoutMs
  for (;;) {
    const answer = await ask()
    if (answer !== undefined && answer !== false) return answer
    if (Date.now() > deadline) throw new Error(`${what}: not within ${timeoutMs / 1000} s`)
    await new Promise((wake) => setTimeout(wake, 50))
  }
}
