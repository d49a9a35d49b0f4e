/** One connection of ssh2 as a `Remote`: each script is a shell of it, each stream a channel. */
import type {Duplex} from 'node:stream'
import type {Client, ClientChannel} from 'ssh2'
import {abortReason, JnodeError, messageOf, throwIfAborted} from '../errors.ts'
import {describe} from './local.ts'
import {fitPackets, sendAtOnce} from './packets.ts'
import type {Endpoint, OpenStream, Remote} from './remote.ts'
import {followOver, runOver, SHELL_COMMAND, type OpenShell, type ShellProcess} from './remote-command.ts'
import {takeTurns} from './shells.ts'
import {standInFor} from './stand-in.ts'

export interface Connection {
  label: string
  /** How many SSH connections this one runs inside of. */
  depth: number
  /** The byte pipe below it. */
  sock: Duplex
  /** A link that is silent for this long is dead. */
  silentMs: number
}

const GOODBYE_WITHIN_MS = 1000

/** Of a client that is logged in. */
export function remoteOver(client: Client, {label, depth, sock, silentMs}: Connection): Remote {
  let lastError = ''
  let giveUp!: (why: string) => void
  const closed = new Promise<string>((resolve) => {
    // Inside of a link that is dead the client would wait for ever for its goodbye to be answered.
    giveUp = (why) => {
      client.destroy()
      sock.destroy() // ssh2 leaves it alone where the goodbye was said before
      resolve(why)
    }
    client.on('error', (error: Error & {level?: string}) => {
      const silent = error.level === 'client-timeout'
      lastError = silent ? `${label} has not answered for ${silentMs / 1000} s` : messageOf(error)
      if (silent) giveUp(lastError)
    })
    client.once('close', () => resolve(lastError || 'the connection was closed'))
  })
  let hasRunCommand = false
  const openShell: OpenShell = (signal) => {
    hasRunCommand = true
    return openChannel(client, label, signal, (done) => client.exec(SHELL_COMMAND, done)).then(shellProcess, (error: unknown) => {
      throw isRefusal(error) ? new JnodeError('connection-lost', `${label} runs no command: ${messageOf(error.cause)}`, {hint: 'Ask the cluster’s support whether SSH may run commands there.', cause: error}) : error
    })
  }
  const shells = takeTurns(openShell, (error) => isRefusal((error as Error).cause))
  const beforeForwarding = () => {
    if (!hasRunCommand) sendAtOnce(client)
    hasRunCommand = true
  }
  const open: OpenStream = async (endpoint, signal) => {
    beforeForwarding()
    const channel = await openChannel(client, label, signal, (done) => dialThrough(client, endpoint, done), endpoint)
    fitPackets(channel, depth)
    return channel
  }
  return {
    label,
    run: runOver(shells.run, label),
    follow: followOver(shells.follow, label),
    open,
    standIn: standInFor(client),
    closed,
    async close() {
      client.end()
      const timer = setTimeout(() => giveUp('the connection was closed'), GOODBYE_WITHIN_MS)
      await closed
      clearTimeout(timer)
    },
  }
}

/** The connection stands, but the host did not open what it was asked for. */
export function isRefusal(error: unknown): error is JnodeError {
  return error instanceof JnodeError && error.code === 'no-route'
}

function dialThrough(client: Client, endpoint: Endpoint, done: (error: Error | undefined, channel: ClientChannel) => void): void {
  if (endpoint.kind === 'socket') client.openssh_forwardOutStreamLocal(endpoint.path, done)
  else client.forwardOut('127.0.0.1', 0, endpoint.host, endpoint.port, done)
}

type Opener = (done: (error: Error | undefined, channel: ClientChannel) => void) => void

/** Opens a channel, or rejects with `connection-lost` (dead link) or `no-route` (the host said no). */
function openChannel(client: Client, label: string, signal: AbortSignal | undefined, opener: Opener, endpoint?: Endpoint): Promise<ClientChannel> {
  throwIfAborted(signal)
  return new Promise((resolve, reject) => {
    const onClose = () => reject(new JnodeError('connection-lost', `The connection to ${label} is gone`))
    const onAbort = () => reject(abortReason(signal!))
    const settle = () => {
      client.off('close', onClose)
      signal?.removeEventListener('abort', onAbort)
    }
    client.once('close', onClose)
    signal?.addEventListener('abort', onAbort, {once: true})
    try {
      opener((failure, channel) => {
        settle()
        if (failure) {
          const cause = inWords(failure)
          const what = endpoint ? `a stream to ${describe(endpoint)}` : 'a channel'
          return reject(new JnodeError('no-route', `${label} did not open ${what}: ${messageOf(cause)}`, {cause}))
        }
        channel.on('error', () => {}) // until its user listens; an unheard error ends the process
        if (signal?.aborted) channel.destroy()
        resolve(channel)
      })
    } catch {
      settle()
      onClose()
    }
  })
}

/** Reason 1 of RFC 4254, of which sshd's own text says no more than "open failed". */
function inWords(failure: Error & {reason?: unknown}): Error {
  return failure.reason === 1 ? new Error('administratively prohibited', {cause: failure}) : failure
}

function shellProcess(channel: ClientChannel): ShellProcess {
  return {
    stdin: channel,
    stdout: channel,
    stderr: channel.stderr,
    ended: new Promise((resolve) => {
      channel.once('close', () => resolve())
    }),
    kill: () => channel.close(),
  }
}
