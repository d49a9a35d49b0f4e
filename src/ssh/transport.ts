/**
 * The ssh2 transport: one connection per hop, each inside the one before, everything else multiplexed on it (ssh2-remote.ts).
 * Traps it steps around: Nagle, host keys unchecked by default, no keepalive.
 */
import type {Socket} from 'node:net'
import type {Duplex} from 'node:stream'
import ssh2, {type ConnectConfig} from 'ssh2'
import {abortReason, JnodeError, messageOf} from '../errors.ts'
import {algorithmsFor} from './algorithms.ts'
import type {AuthSession} from './auth.ts'
import {dial, unreachable, type Dialling} from './dial.ts'
import type {Hop} from './host-config.ts'
import {addressBehind, isGone} from './machine.ts'
import type {KeyTools} from './identities.ts'
import {pausable} from './pausable.ts'
import type {Remote} from './remote.ts'
import {isRefusal, remoteOver} from './ssh2-remote.ts'
import {systemClock} from '../time.ts'

const {BaseAgent, createAgent, utils} = ssh2

/** What a hop needs from outside: how its key is judged and how to log in. */
export interface DoorKeeper extends Dialling {
  /** Resolves when the key is accepted; rejects with `host-key`. Nothing secret is sent before. */
  acceptHostKey(hop: Hop, key: Buffer, signal?: AbortSignal): Promise<void>
  /** Host key algorithms to offer, in order. */
  hostKeyAlgorithms(hop: Hop): string[]
  /** A fresh login to this hop. */
  logIn(hop: Hop, signal?: AbortSignal): AuthSession
}

/** What logging in needs of ssh2. */
export const keyTools: KeyTools = {
  parseKey: utils.parseKey as unknown as KeyTools['parseKey'],
  createAgent: createAgent as unknown as KeyTools['createAgent'],
  BaseAgent: BaseAgent as unknown as KeyTools['BaseAgent'],
}

export interface SshRemote extends Remote {
  readonly hop: Hop
  /** The address that was dialled, where that happened on this computer. */
  readonly address: string | null
  /** Logs in to one more hop, through this one. */
  next(hop: Hop, door: DoorKeeper, signal?: AbortSignal): Promise<SshRemote>
}

/** A link that is silent for three times this long is dead: 12 s. */
const KEEPALIVE_INTERVAL_MS = 4000
const KEEPALIVE_MISSES = 2

/** Logs in hop by hop and answers with the last one; closes what it opened when a hop fails. */
export async function openSsh(hops: readonly Hop[], door: DoorKeeper, signal?: AbortSignal): Promise<SshRemote> {
  const chain: SshRemote[] = []
  // The innermost first: each says goodbye through those around it. On a dead link all wait for the same second.
  const close = async () => void (await Promise.all([...chain].reverse().map((remote) => remote.close())))
  try {
    for (const meant of hops) {
      const before = chain.at(-1)
      const hop = before && meant.address !== null ? {...meant, address: await addressBehind(before, meant, signal)} : meant
      const enter = (place: Hop) => (before ? before.next(place, door, signal) : logInTo(place, {door, depth: 0, dial: () => dial(place, door, signal), signal}))
      chain.push(await enter(hop).catch((error: unknown) => {
        if (hop.address === null || !isGone(error)) throw error
        return enter({...hop, address: null})
      }))
    }
  } catch (error) {
    await close()
    throw error
  }
  const last = chain.at(-1)
  if (!last) throw new JnodeError('unexpected', 'No host to connect to')
  // Of a hop that dies those behind it know only that they were closed.
  return {...last, close, closed: Promise.race(chain.map(({closed}) => closed))}
}

interface Login {
  door: DoorKeeper
  /** How many SSH connections this one runs inside of. */
  depth: number
  /** Makes the byte pipe to the hop. */
  dial(): Promise<Duplex>
  signal: AbortSignal | undefined
}

/** A server that takes no more logins at once (sshd's MaxStartups) closes the connection without a word: it is asked again. */
const BUSY_PAUSES_MS = [500, 1500, 3000]

async function logInTo(hop: Hop, login: Login): Promise<SshRemote> {
  for (const pauseMs of BUSY_PAUSES_MS) {
    try {
      return await logInOnce(hop, login)
    } catch (error) {
      if (!closedWithoutAWord(error)) throw error
      // Jitter: the others who were turned away come again as well.
      await systemClock.sleep(pauseMs * (0.5 + Math.random()), login.signal)
    }
  }
  return logInOnce(hop, login)
}

function closedWithoutAWord(error: unknown): boolean {
  return error instanceof JnodeError && error.cause instanceof Error && error.cause.message === 'Connection lost before handshake'
}

async function logInOnce(hop: Hop, {door, depth, dial, signal}: Login): Promise<SshRemote> {
  const algorithms = algorithmsFor(hop, depth)
  const sock = await dial()
  const client = new ssh2.Client()
  // Each channel that is being opened listens for the end of the connection, and a browser opens many at once.
  client.setMaxListeners(0)
  // An sshd that died ends its half of a stream inside another connection, and no more ever comes: that is the end.
  sock.once('end', () => sock.destroy())
  const auth = door.logIn(hop, signal)
  let refusal: unknown
  let accepted: Buffer | null = null
  const hostVerifier = (key: Buffer, verdict: (ok: boolean) => void) => {
    // Asked again whenever keys are renewed. At once: while ssh2 waits for an answer there, what is sent breaks the connection.
    if (accepted !== null) return verdict(accepted.equals(key))
    handshakeTimer.hold()
    door.acceptHostKey(hop, key, signal).then(
      () => {
        accepted = Buffer.from(key)
        handshakeTimer.go()
        verdict(true)
      },
      (error: unknown) => {
        refusal = error
        verdict(false)
      },
    )
  }
  const limitMs = hop.connectTimeoutMs
  const handshakeTimer = pausable(limitMs, () => {
    refusal = new JnodeError('unreachable', `${hop.alias} did not finish the SSH handshake within ${Math.round(limitMs / 1000)} s`, {
      hint: 'The host may be overloaded, or something that is no SSH server answers there.',
    })
    client.destroy()
  })
  auth.onWaiting((waiting) => (waiting ? handshakeTimer.hold() : handshakeTimer.go()))
  try {
    await new Promise<void>((resolve, reject) => {
      const onAbort = () => {
        refusal = abortReason(signal!)
        client.destroy()
        reject(refusal as Error)
      }
      if (signal?.aborted) return onAbort()
      signal?.addEventListener('abort', onAbort, {once: true})
      client.once('ready', () => {
        signal?.removeEventListener('abort', onAbort)
        resolve()
      })
      client.on('error', (error: Error & {level?: string}) => reject(refusal ?? (auth.begun() ? auth.failure(error.level === 'client-authentication' ? undefined : error.message) : null) ?? handshakeFailed(hop, error)))
      client.once('close', () => reject(refusal ?? (auth.begun() ? auth.failure('the connection was closed') : handshakeFailed(hop, new Error('the connection was closed')))))
      client.connect({
        sock,
        username: hop.user,
        readyTimeout: 0, // ours above, which does not count the time a person needs to type
        ...keepalive(hop),
        hostVerifier,
        authHandler: auth.handler as unknown as NonNullable<ConnectConfig['authHandler']>,
        algorithms: {...algorithms, serverHostKey: door.hostKeyAlgorithms(hop)} as NonNullable<ConnectConfig['algorithms']>,
      })
      auth.attach(client)
    })
  } catch (error) {
    client.on('error', () => {})
    client.destroy()
    sock.destroy()
    throw error
  } finally {
    handshakeTimer.end()
    auth.done()
  }
  // How the server calls itself is private to ssh2.
  const {_remoteVer: software = ''} = client as {_remoteVer?: string}
  door.witness({kind: 'logged-in', hop: hop.label, software, ...auth.account()})
  const {keepaliveInterval, keepaliveCountMax} = keepalive(hop)
  const remote = remoteOver(client, {label: hop.label, depth, sock, silentMs: keepaliveInterval * (keepaliveCountMax + 1)})
  return asHop(remote, hop, {depth, address: (sock as Partial<Socket>).remoteAddress ?? null})
}

/** A connection to a hop, whoever has made it, as one that others can be reached through; `depth`: how many it runs inside of. */
export function asHop(remote: Remote, hop: Hop, {depth, address = null}: {depth: number; address?: string | null}): SshRemote {
  return {...remote, hop, address, next: (nextHop, door, signal) => logInThrough(remote, hop, {hop: nextHop, door, depth: depth + 1, signal})}
}

/** Logs in to a hop from the one before it. */
function logInThrough(before: Remote, {alias}: Hop, {hop, door, depth, signal}: Omit<Login, 'dial'> & {hop: Hop}): Promise<SshRemote> {
  const dialNext = async () => {
    const limit = AbortSignal.timeout(hop.connectTimeoutMs)
    const either = signal ? AbortSignal.any([signal, limit]) : limit
    const host = hop.address ?? hop.host
    const sock = await before.open({kind: 'tcp', host, port: hop.port}, either).catch((error: unknown) => {
      if (limit.aborted && !signal?.aborted) throw unreachable(hop, new Error('no answer'), alias)
      throw isRefusal(error) ? unreachable(hop, error.cause ?? error, alias) : error
    })
    door.witness({kind: 'connected', hop: hop.label, to: `${host} port ${hop.port}`, through: before.label})
    return sock
  }
  return logInTo(hop, {door, depth, dial: dialNext, signal})
}

/** The user's own where it notices sooner: people set a longer one to keep a quiet connection open, not to learn late of its end. */
function keepalive({serverAliveIntervalMs, serverAliveCountMax}: Hop): {keepaliveInterval: number; keepaliveCountMax: number} {
  const sooner = serverAliveIntervalMs > 0 && serverAliveIntervalMs * serverAliveCountMax < KEEPALIVE_INTERVAL_MS * KEEPALIVE_MISSES
  return sooner ? {keepaliveInterval: serverAliveIntervalMs, keepaliveCountMax: serverAliveCountMax} : {keepaliveInterval: KEEPALIVE_INTERVAL_MS, keepaliveCountMax: KEEPALIVE_MISSES}
}

function handshakeFailed(hop: Hop, cause: Error): JnodeError {
  if (cause.message === 'Connection lost before handshake') {
    return new JnodeError('unreachable', `${hop.alias} closed the connection before it had said anything`, {
      cause,
      hint: 'It may take no more logins at once, or none from your address. Try again in a minute; if it stays so, ask its admins.',
    })
  }
  return new JnodeError('unreachable', `The SSH handshake with ${hop.alias} failed: ${messageOf(cause)}`, {
    cause,
    hint: /no matching .* (algorithm|cipher|MAC)/i.test(cause.message)
      ? 'It is old, or yours is strict: allow what it speaks with KexAlgorithms, Ciphers or MACs for it in ~/.ssh/config.'
      : 'Try an ordinary `ssh` to it; if that works, report this.',
  })
}
