/** Runs a command line as sshd does: the user's login shell with `-c`, the channel as its stdio. */
import {existsSync} from 'node:fs'
import {join} from 'node:path'
import type {ServerChannel} from 'ssh2'
import type {ActiveFaults} from './faults.ts'
import type {Processes} from './processes.ts'

export interface CommandOptions {
  processes: Processes
  faults: ActiveFaults
  home: string
  env: Record<string, string>
  /** Called when the command has ended, before its answer is complete; true = the answer shall be lost. */
  onEnd(): boolean
}

/** Ids of `nobody`, who may write nothing in the home directory of root. */
const NOBODY = 65_534

/** Sets the limit that makes every write to a file fail; the shell itself and its programs inherit it. */
const NO_SPACE = `trap '' XFSZ; ulimit -S -f 0; exec "$0" "$@"`

export function runCommand(command: string | undefined, channel: ServerChannel, options: CommandOptions): void {
  const {faults, home, env} = options
  const shell = findShell(faults['login-shell'] ?? 'sh')
  const argv = [shell, ...(command === undefined ? [] : ['-c', command])]
  if (faults['home-full']) argv.unshift('/bin/sh', '-c', NO_SPACE)
  if (faults.banner) channel.write(bannerBytes())
  const asNobody = faults['home-not-writable'] && process.getuid?.() === 0
  const child = options.processes.start(argv[0]!, argv.slice(1), {
    cwd: home,
    env: {...env, SHELL: shell},
    stdio: 'pipe',
    ...(asNobody ? {uid: NOBODY, gid: NOBODY} : {}),
  })
  const {stdin, stdout, stderr} = child as Required<typeof child>
  stdin!.on('error', () => {}) // the command need not read its input
  channel.on('error', () => {})
  channel.pipe(stdin!)
  stdout!.pipe(channel, {end: false})
  stderr!.pipe(channel.stderr, {end: false})
  // As under sshd, losing the channel kills nothing: input ends, and writing fails.
  channel.once('close', () => {
    stdin!.destroy()
    stdout!.destroy()
    stderr!.destroy()
  })
  child.once('error', () => channel.destroy())
  child.once('close', (code, signal) => {
    if (options.onEnd()) return
    if (signal) channel.exit(signal.slice(3), signal === 'SIGSEGV', '')
    else channel.exit(code ?? 255)
    channel.end()
  })
}

function findShell(name: string): string {
  return ['/bin', '/usr/bin', '/usr/local/bin', '/opt/homebrew/bin'].map((directory) => join(directory, name)).find((path) => existsSync(path)) ?? name
}

function bannerBytes(): Buffer {
  const lines = Array.from({length: 100}, (_, i) => `*** Welcome! Notice ${1000 + i}: <motd> quota 12345 of 67890, see the news ***\n`)
  return Buffer.concat([Buffer.from(lines.join('')), Buffer.from(Array.from({length: 512}, (_, i) => i % 256))])
}
