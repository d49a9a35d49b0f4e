/**
 * The system's ssh as a `Remote`: one ControlMaster connection. Scripts are sessions of it, streams go through a private
 * local socket that it forwards. For logins that ssh2 cannot do: Kerberos, certificates, security keys, PKCS#11.
 */
import {spawn} from 'node:child_process'
import {rm, stat, writeFile} from 'node:fs/promises'
import {connect, type Socket} from 'node:net'
import {join} from 'node:path'
import {setTimeout as sleep} from 'node:timers/promises'
import {JnodeError, throwIfAborted} from '../errors.ts'
import {findProgram} from '../program.ts'
import {checkHostName} from '../rules.ts'
import {command, forwardPath} from '../shell.ts'
import {describe} from './local.ts'
import {fileNames} from './option-text.ts'
import {serveAskpass, type Askpass} from './askpass.ts'
import {privateDirectory} from './private-directory.ts'
import type {Prompter} from './prompt.ts'
import {quietly} from './quiet-ssh.ts'
import type {Endpoint, OpenStream, Remote} from './remote.ts'
import {followOver, runOver, SHELL_COMMAND, type OpenShell} from './remote-command.ts'

export interface MasterOptions {
  env: NodeJS.ProcessEnv
  prompter: Prompter
  label: string
  tell(text: string): void
  /** In our words, from what ssh said; what it said last stands at the end. */
  failure(said: string): JnodeError
  signal: AbortSignal
  /** known_hosts text: these keys and no others. */
  pinned?: string
}

export interface Master extends Remote {
  /** For the ssh to a host behind this one. */
  readonly proxyCommand: string
}

/** The socket of a connection that is there already is never taken for a reason to log in anew. */
const OVER_MASTER = ['-F', 'none', '-o', 'ControlMaster=no', '-o', 'ProxyCommand=false', '-o', 'BatchMode=yes', '-o', 'LogLevel=ERROR']
const LOOK_MS = 20
/** A stream that the host refuses is closed within this time; ssh does not tell it otherwise. */
const REFUSED_WITHIN_MS = 400
const CHECK_MS = 4000

/** ssh in a group of its own, without a terminal. It ends, and its directory goes, with whoever holds its stdin: also when that is killed. */
const GUARDED = `dir=$1; shift; exec 3<&0
"$@" </dev/null 3<&- & ssh=$!
( cat <&3 >/dev/null; kill $ssh; rm -rf "$dir" ) 2>/dev/null & watch=$!
exec 3<&-; wait $ssh; status=$?
kill $watch; rm -rf "$dir"; exit $status`

/** Logs in with `ssh ARGS`. Throws what `failure` makes of ssh's words. */
export async function openMaster(args: readonly string[], options: MasterOptions): Promise<Master> {
  const {env, label, failure, signal, pinned} = options
  throwIfAborted(signal)
  const directory = await privateDirectory()
  const path = join(directory, 'm')
  const over = new AbortController()
  const asking = await prepare(directory, {...options, signal: AbortSignal.any([signal, over.signal])}).catch(async (error: unknown) => {
    await rm(directory, {recursive: true, force: true})
    throw error
  })
  const childEnv = asking ? {...env, ...asking.env} : quietly(env)
  const ssh = [findProgram('ssh', {env: childEnv}), '-M', '-S', path, '-N', '-T', ...MASTER_OPTIONS, ...(pinned === undefined ? [] : ['-o', `UserKnownHostsFile=${fileNames([knownIn(directory)])}`]), ...args]
  const child = spawn('/bin/sh', ['-c', GUARDED, 'sh', directory, ...ssh], {env: childEnv, detached: true, stdio: ['pipe', 'ignore', 'pipe']})
  let said = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => (said = (said + text).slice(-8000)))
  child.stdin.on('error', () => {})
  const closed = new Promise<string>((resolve) => {
    child.once('close', () => resolve(lastLine(said) || 'the connection was closed'))
    // The shell that guards it has ended; what still waits for stdin ends with it.
    child.once('exit', () => child.stdin.destroy())
  })
  const onAbort = () => child.stdin.destroy()
  signal.addEventListener('abort', onAbort, {once: true})
  if (signal.aborted) onAbort()
  try {
    const state = await Promise.race([closed.then(() => 'closed'), whenThere(path, over.signal)])
    throwIfAborted(signal)
    if (state === 'closed') throw failure(said)
  } finally {
    signal.removeEventListener('abort', onAbort)
    over.abort()
    asking?.close()
  }
  return overSocket({label, env, path, theirs: false, directory, closed, said: () => said, end: () => child.stdin.destroy()})
}

const knownIn = (directory: string) => join(directory, 'known')

/** What ssh finds in its directory: the keys to accept, and a way to ask; null where nobody can be asked. */
async function prepare(directory: string, {prompter, label, tell, signal, pinned}: MasterOptions): Promise<Askpass | null> {
  if (pinned !== undefined) await writeFile(knownIn(directory), pinned, {mode: 0o600})
  return prompter.canAsk ? serveAskpass(prompter, {directory, tell, hop: label, signal}) : null
}

/** A connection of the user's own, which is left open. Null when nobody answers there. */
export async function joinMaster(path: string, {env, label}: Pick<MasterOptions, 'env' | 'label'>): Promise<Master | null> {
  if (!(await control(['-O', 'check'], path, env)).ok) return null
  const directory = await privateDirectory()
  let end!: (reason: string) => void
  const closed = new Promise<string>((resolve) => (end = resolve))
  const look = setInterval(() => void control(['-O', 'check'], path, env).then(({ok}) => ok || end('your own ssh connection was closed')), CHECK_MS)
  void closed.then(async () => {
    clearInterval(look)
    await rm(directory, {recursive: true, force: true})
  })
  return overSocket({label, env, path, theirs: true, directory, closed, said: () => '', end: () => end('the connection was closed')})
}

const MASTER_OPTIONS = ['ControlPersist=no', 'ClearAllForwardings=yes', 'RequestTTY=no', 'RemoteCommand=none', 'PermitLocalCommand=no', 'StreamLocalBindMask=0177', 'LogLevel=INFO'].flatMap((option) => ['-o', option])

interface Connection {
  label: string
  env: NodeJS.ProcessEnv
  /** Of the ControlMaster. */
  path: string
  /** It is the user's own, and stays. */
  theirs: boolean
  directory: string
  closed: Promise<string>
  /** What ssh has printed so far. */
  said(): string
  end(): void
}

function overSocket({label, env, path, theirs, directory, closed, said, end}: Connection): Master {
  const gone = new AbortController()
  void closed.then(() => gone.abort())
  const openShell: OpenShell = async (signal) => {
    throwIfAborted(signal)
    if (gone.signal.aborted) throw new JnodeError('connection-lost', `The connection to ${label} is gone`)
    const child = spawn(findProgram('ssh', {env}), ['-S', path, ...OVER_MASTER, '-T', 'host', SHELL_COMMAND], {env, stdio: 'pipe', detached: true})
    const ended = new Promise<void>((resolve) => child.once('close', () => resolve()).once('error', () => resolve()))
    const kill = () => void child.kill()
    gone.signal.addEventListener('abort', kill)
    void ended.then(() => gone.signal.removeEventListener('abort', kill))
    return {stdin: child.stdin, stdout: child.stdout, stderr: child.stderr, ended, kill}
  }
  const forwards = new Map<string, Promise<string>>()
  /** What the ControlMaster forwards; each from a socket of its own, also after one that was refused. */
  const specs = new Set<string>()
  let asked = 0
  const cancel = async (spec: string) => {
    specs.delete(spec)
    await control(['-O', 'cancel', '-L', spec], path, env)
  }
  /** The local socket behind which an endpoint is. */
  const forward = async (endpoint: Endpoint): Promise<string> => {
    const local = join(directory, `f${++asked}`)
    const spec = `${local}:${endpoint.kind === 'socket' ? forwardPath(endpoint.path) : `[${checkHostName(endpoint.host)}]:${endpoint.port}`}`
    const {ok, words} = await control(['-O', 'forward', '-L', spec], path, env)
    if (!ok) throw new JnodeError(gone.signal.aborted ? 'connection-lost' : 'no-route', `${label} did not open a stream to ${describe(endpoint)}: ${words}`)
    specs.add(spec)
    const socket = await connectTo(local)
    await openedFor(socket).catch(async () => {
      const why = /open failed: (.*)/.exec(lastLine(said()))?.[1] ?? 'it was closed at once'
      await cancel(spec)
      throw new JnodeError(gone.signal.aborted ? 'connection-lost' : 'no-route', `${label} did not open a stream to ${describe(endpoint)}: ${why}`)
    }).finally(() => socket.destroy())
    return local
  }
  const open: OpenStream = async (endpoint, signal) => {
    throwIfAborted(signal)
    if (gone.signal.aborted) throw new JnodeError('connection-lost', `The connection to ${label} is gone`)
    const key = JSON.stringify(endpoint)
    const local = forwards.get(key) ?? forward(endpoint)
    forwards.set(key, local)
    local.catch(() => forwards.delete(key))
    return connectTo(await local, signal)
  }
  return {
    label,
    run: runOver(openShell, label),
    follow: followOver(openShell, label),
    open,
    closed,
    proxyCommand: `${command(['ssh', '-S', path, ...OVER_MASTER, '-W'])} '[%h]:%p' host`,
    async close() {
      // A connection of the user's own keeps no forward of ours.
      if (theirs) await Promise.all([...specs].map(cancel))
      end()
      await closed
    },
  }
}

function control(args: string[], path: string, env: NodeJS.ProcessEnv): Promise<{ok: boolean; words: string}> {
  return new Promise((resolve) => {
    const child = spawn(findProgram('ssh', {env}), ['-S', path, ...OVER_MASTER, ...args, 'host'], {env, stdio: ['ignore', 'ignore', 'pipe']})
    let words = ''
    child.stderr.setEncoding('utf8').on('data', (text: string) => (words += text))
    child.once('error', (error) => resolve({ok: false, words: error.message}))
    child.once('close', (exitCode) => resolve({ok: exitCode === 0, words: lastLine(words)}))
  })
}

/** The socket is there when the login is done. */
async function whenThere(path: string, signal: AbortSignal): Promise<'there'> {
  while (!signal.aborted && !(await stat(path).catch(() => null))) await sleep(LOOK_MS)
  return 'there'
}

function connectTo(path: string, signal?: AbortSignal): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({path, allowHalfOpen: true, ...(signal ? {signal} : {})})
    socket.once('connect', () => {
      socket.off('error', reject)
      socket.on('error', () => {}) // until its user listens
      resolve(socket)
    })
    socket.once('error', reject)
  })
}

/** Rejects when the other end closes the stream at once. */
function openedFor(socket: Socket): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, REFUSED_WITHIN_MS)
    socket.once('data', () => resolve())
    socket.once('end', () => {
      clearTimeout(timer)
      reject(new Error('closed'))
    })
  })
}

function lastLine(text: string): string {
  return text.trim().split(/\r?\n/).at(-1) ?? ''
}
