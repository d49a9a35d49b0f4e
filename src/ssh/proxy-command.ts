/** The way to the first hop through a program, as ssh's ProxyCommand says: its stdin and stdout are the connection. */
import {spawn} from 'node:child_process'
import {Duplex} from 'node:stream'

/** Runs the command (tokens expanded already) by the user's shell, as ssh does. It ends with the stream. */
export function openProxy(command: string): Duplex {
  const [shell, flag] = process.platform === 'win32' ? [process.env['ComSpec'] ?? 'cmd.exe', '/c'] : [process.env['SHELL'] ?? '/bin/sh', '-c']
  // What it complains of is the user's to read, as with ssh.
  const child = spawn(shell, [flag, process.platform === 'win32' ? command : `exec ${command}`], {stdio: ['pipe', 'pipe', 'inherit'], windowsHide: true})
  const stream = Duplex.from({readable: child.stdout, writable: child.stdin})
  child.once('error', (error) => stream.destroy(error))
  stream.once('close', () => child.kill())
  return stream
}
