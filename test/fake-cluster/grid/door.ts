/**
 * The way from a Grid Engine program on the fake head node to the mock in this process. Starting Node for each
 * qstat would take longer than everything else, so the programs are small sh scripts: a directory per request, a
 * named pipe to ring at and one to be woken by.
 */
import {closeSync, constants, existsSync, openSync, readFileSync, writeFileSync, writeSync} from 'node:fs'
import {execFileSync} from 'node:child_process'
import {Socket} from 'node:net'
import {join} from 'node:path'
import {quote} from '../../../src/shell.ts'
import {writeProgram} from '../places.ts'

export interface Request {
  program: Program
  args: string[]
  cwd: string
  env: Record<string, string>
  stdin: string
}

export interface Answer {
  stdout?: string
  stderr?: string
  exitCode?: number
}

export type Answerer = (request: Request) => Answer

export type Program = (typeof PROGRAMS)[number]

const PROGRAMS = ['qsub', 'qstat', 'qdel', 'qacct', 'qconf', 'qselect', 'qalter'] as const

interface Door {
  asks: string
  bin: string
  wantsStdin(request: Request): boolean
}

/** The pipe at which programs ring. */
export function bellOf(asks: string): string {
  return join(asks, 'bell')
}

/** Opens the door; returns how to close it. */
export function openDoor({asks, bin, wantsStdin}: Door, answer: Answerer): () => void {
  const bell = bellOf(asks)
  execFileSync('mkfifo', [bell])
  for (const program of PROGRAMS) writeProgram(join(bin, program), programText(program, asks))
  // Opened for writing too, so that it does not end when the last program has hung up.
  const ring = new Socket({fd: openSync(bell, constants.O_RDWR | constants.O_NONBLOCK), readable: true, writable: false})
  let rest = ''
  ring.setEncoding('utf8').on('data', (text: string) => {
    const lines = (rest + text).split('\n')
    rest = lines.pop()!
    for (const line of lines) serve({ask: join(asks, line), wantsStdin, answer})
  })
  ring.unref()
  return () => ring.destroy()
}

function serve({ask, wantsStdin, answer}: {ask: string; wantsStdin: Door['wantsStdin']; answer: Answerer}): void {
  const request = readRequest(ask)
  writeFileSync(join(ask, 'answer'), wantsStdin(request) && !existsSync(join(ask, 'stdin')) ? READ_STDIN : answerText(answer(request)))
  try {
    const wake = openSync(join(ask, 'wake'), constants.O_WRONLY | constants.O_NONBLOCK)
    writeSync(wake, '\n')
    closeSync(wake)
  } catch {
    // the program was killed while it waited
  }
}

/** Run by the program: qsub reads its own input only when no script is named, as the shell around it may need it. */
const READ_STDIN = 'cat >"$ask/stdin"; echo $$ >"$bell"; read -r woken <&3; . "$ask/answer"\n'

function answerText({stdout = '', stderr = '', exitCode = 0}: Answer): string {
  return `printf '%s' ${quote(stdout)}\nprintf '%s' ${quote(stderr)} >&2\nstatus=${exitCode}\n`
}

function readRequest(ask: string): Request {
  const [program, cwd, ...args] = readFileSync(join(ask, 'argv'), 'utf8').split('\0').slice(0, -1)
  const envFile = join(ask, 'env')
  const stdinFile = join(ask, 'stdin')
  const env = existsSync(envFile) ? readFileSync(envFile, 'utf8') : ''
  return {
    program: program as Program,
    args,
    cwd: cwd!,
    env: Object.fromEntries(env.split('\n').flatMap((line) => (line.includes('=') ? [[line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]] : []))),
    stdin: existsSync(stdinFile) ? readFileSync(stdinFile, 'utf8') : '',
  }
}

/** The pipe to be woken by is opened for reading and writing, so that neither side waits for the other to open it. */
function programText(program: string, asks: string): string {
  return `ulimit -S -f unlimited
bell=${quote(bellOf(asks))}
ask=${quote(asks)}/$$
mkdir "$ask" && mkfifo "$ask/wake" || exit 1
printf '%s\\0' ${program} "$PWD" "$@" >"$ask/argv"
${program === 'qsub' ? 'env >"$ask/env"\n' : ''}exec 3<>"$ask/wake"
echo $$ >"$bell"
read -r woken <&3
. "$ask/answer"
rm -rf "$ask"
exit "$status"
`
}
