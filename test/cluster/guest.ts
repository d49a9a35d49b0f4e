/** Programs inside a lab host, run as one of its users with the environment of a fresh login. */
import {type ChildProcess, spawn} from 'node:child_process'
import {readFileSync} from 'node:fs'
import {enter} from './hosts.ts'
import {collect, type Result} from './run.ts'
import type {HostName} from './topology.ts'
import {account} from './users.ts'

export interface GuestOptions {
  /** Added to the login environment. */
  env?: NodeJS.ProcessEnv
  /** Default: the user's home. */
  cwd?: string
}

export interface ExecOptions extends GuestOptions {
  input?: string
  /** Default one minute; then the program is killed and the promise rejects. */
  timeoutMs?: number
}

export interface SpawnOptions extends GuestOptions {
  stdio?: 'pipe' | 'inherit'
}

/** Where to run: which host of which lab, as whom. */
export interface Place {
  lab: string
  host: HostName
  user: string
}

/**
 * Starts a program (an argument vector, or a line for bash) in a host. `child.kill` signals the program itself, not
 * what stands around it; an exit code passes through.
 */
export function spawnIn(place: Place, command: readonly string[] | string, options: SpawnOptions = {}): ChildProcess {
  const {name, uid, shell, home} = account(place.user)
  // Node's pipes are sockets, and bash takes one on stdin for a login by rsh: it would read ~/.bashrc, root's being the machine's own.
  const argv = typeof command === 'string' ? ['/bin/bash', '--norc', '-c', command] : command
  const [nsenter = '', ...args] = [
    ...enter(place.lab, place.host),
    `--wdns=${options.cwd ?? home}`,
    ...['/usr/bin/setpriv', `--reuid=${uid}`, `--regid=${uid}`, uid === 0 ? '--clear-groups' : '--init-groups', '--'],
    ...argv,
  ]
  const env = {
    HOME: home,
    USER: name,
    LOGNAME: name,
    SHELL: shell,
    PATH: `/srv/bin:/usr/local/bin:/usr/bin:/bin${uid === 0 ? ':/usr/local/sbin:/usr/sbin:/sbin' : ''}`,
    LANG: 'C.UTF-8',
    ...(options.stdio === 'inherit' && {TERM: process.env.TERM ?? 'dumb'}),
    ...options.env,
  }
  const child = spawn(nsenter, args, {env, cwd: '/', stdio: options.stdio ?? 'pipe'})
  const killEnterer = child.kill.bind(child)
  child.kill = (signal) => {
    const inner = onlyChild(child.pid)
    return inner === undefined ? killEnterer(signal) : process.kill(inner, signal ?? 'SIGTERM')
  }
  return child
}

/** Runs a program in a host to its end and answers with its output, whatever its exit code. */
export async function execIn(place: Place, command: readonly string[] | string, options: ExecOptions = {}): Promise<Result> {
  const {timeoutMs = 60_000, input} = options
  const child = spawnIn(place, command, options)
  let late = false
  const timer = setTimeout(() => {
    late = true
    child.kill('SIGKILL')
  }, timeoutMs)
  const result = await collect(child, input).finally(() => clearTimeout(timer))
  if (late) {
    const what = typeof command === 'string' ? command : command.join(' ')
    throw new Error(`${place.user}@${place.host}: ${what}: not done within ${timeoutMs / 1000} s\n${result.stdout}${result.stderr}`)
  }
  return result
}

/** nsenter forks to get into the PID namespace; the fork becomes the program. */
function onlyChild(pid: number | undefined): number | undefined {
  try {
    const [child] = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ')
    return child ? Number(child) : undefined
  } catch {
    return undefined
  }
}
