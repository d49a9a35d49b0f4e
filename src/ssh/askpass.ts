/** Questions of the ssh program, answered by our own prompter: SSH_ASKPASS is a script that brings them to this process. */
import {once} from 'node:events'
import {writeFile} from 'node:fs/promises'
import {createServer, type Socket} from 'node:net'
import {join} from 'node:path'
import {printable} from '../printable.ts'
import {command} from '../shell.ts'
import {isPasswordPrompt} from './password-prompt.ts'
import type {Prompter, Question} from './prompt.ts'
import {LONGEST_TEXT, ofServer} from './typed-login.ts'

export interface Askpass {
  /** For the environment of ssh. */
  env: NodeJS.ProcessEnv
  close(): void
}

export interface AskpassOptions {
  /** Only its user can enter it; script and socket are made there. */
  directory: string
  /** For what ssh only wants to say, such as to touch a security key. */
  tell(text: string): void
  hop: string
  signal: AbortSignal
}

/** Runs in a process of its own: the question goes out, the answer comes back; without one it ends as a cancelled question does. */
const ASK = `const socket = require('net').connect(process.argv[1]), chunks = []
socket.end(JSON.stringify({text: process.argv[2], mode: process.env.SSH_ASKPASS_PROMPT || ''}))
socket.on('data', (chunk) => chunks.push(chunk)).on('error', () => {})
socket.on('close', () => { if (chunks.length === 0) process.exitCode = 1; else process.stdout.write(Buffer.concat(chunks)) })`

export async function serveAskpass(prompter: Prompter, {directory, tell, hop, signal}: AskpassOptions): Promise<Askpass> {
  const [path, script] = [join(directory, 'ask'), join(directory, 'askpass')]
  const server = createServer({allowHalfOpen: true}, (socket) => {
    socket.on('error', () => {})
    answer(socket).catch(() => socket.destroy())
  })
  async function answer(socket: Socket): Promise<void> {
    // Not by iterating over it: that would close the socket before the answer is written.
    const chunks: Buffer[] = []
    socket.on('data', (chunk: Buffer) => chunks.push(chunk))
    await once(socket, 'end')
    const {text, mode} = JSON.parse(Buffer.concat(chunks).toString('utf8')) as {text: string; mode: string}
    // It stands until ssh takes it away.
    if (mode === 'none') return tell(printable(text.slice(0, LONGEST_TEXT)))
    socket.end(`${await prompter.ask({...questionOf(text), hop}, signal)}\n`)
  }
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(path, resolve))
  await writeFile(script, `#!/bin/sh\nexec ${command([process.execPath, '-e', ASK, path])} "$1"\n`, {mode: 0o700})
  return {
    // A display is what versions before 8.4 want to see.
    env: {SSH_ASKPASS: script, SSH_ASKPASS_REQUIRE: 'force', DISPLAY: process.env['DISPLAY'] || ':0'},
    close: () => void server.close(),
  }
}

/** How ssh marks a prompt of a server's own; whatever that says, it is never one of ssh's. */
const OF_SERVER = /^\(([^\s()@]+@[^\s()]+)\) ([^]*)$/

function questionOf(text: string): Pick<Question, 'text' | 'kind' | 'echo'> {
  const [, host, prompt] = OF_SERVER.exec(text) ?? []
  if (host === undefined || prompt === undefined) return {text: printable(text.slice(0, LONGEST_TEXT)), ...kindOf(text)}
  return {text: ofServer(printable(prompt), host), kind: isPasswordPrompt(prompt) ? 'password' : 'code', echo: false}
}

function kindOf(text: string): Pick<Question, 'kind' | 'echo'> {
  if (/\(yes\/no/.test(text)) return {kind: 'confirm', echo: true}
  if (/passphrase|PIN for/i.test(text)) return {kind: 'passphrase', echo: false}
  return {kind: /password/i.test(text) ? 'password' : 'code', echo: false}
}
