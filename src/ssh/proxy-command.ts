/** The way to the first hop through a program, as ssh's ProxyCommand says: its stdin and stdout are the connection. */
import {spawn, type SpawnOptions} from 'node:child_process'
import {Duplex} from 'node:stream'
import {quietly} from './quiet-ssh.ts'

/** A terminal sends Ctrl-C to all that runs in it; but what a command takes back then needs its connection. */
const WITHOUT_INTERRUPT = `trap '' INT; exec "$0" -c "$1"`

/** Runs the command (tokens expanded already) by the user's shell, as ssh does. It ends with the stream. `quiet`: nobody is there to answer an ssh in it. */
export function openProxy(command: string, {quiet}: {quiet: boolean}): Duplex {
  // What it complains of is the user's to read, as with ssh.
  const options = {stdio: ['pipe', 'pipe', 'inherit'], windowsHide: true, ...(quiet && process.platform !== 'win32' ? {env: quietly(process.env)} : {})} satisfies SpawnOptions
  // On Windows Node.js knows how cmd.exe wants its quotes.
  const child = process.platform === 'win32' ? spawn(command, {...options, shell: true}) : spawn('/bin/sh', ['-c', WITHOUT_INTERRUPT, process.env['SHELL'] ?? '/bin/sh', `exec ${command}`], options)
  const stream = Duplex.from({readable: child.stdout, writable: child.stdin})
  child.once('error', (error) => stream.destroy(error))
  stream.once('close', () => child.kill())
  return stream
}
