/**
 * Holding a session's tunnel: connected → lost → retry → gone. Ends when the job has ended, when somebody says
 * `disconnect` or `stop`, or when the signal aborts; the job stays unless it ended by itself or was stopped.
 */
import type {Duplex} from 'node:stream'
import {messageOf, JnodeError, whenAborted} from '../errors.ts'
import {tellCalls} from './calls.ts'
import {ALIVE_WITHIN_MS, isAlive} from './alive.ts'
import {comeBack, lostPage, silentPage, strangerPage} from './come-back.ts'
import type {KeeperStatus, TunnelState} from './keepers.ts'
import {noteEnd} from './last-end.ts'
import {isAnotherStart} from './reach-server.ts'
import {isOver} from './relink.ts'
import {Stranger} from './route-context.ts'
import {warnOfSilentKernels} from './silent-kernels.ts'
import {tidyUp} from './stop.ts'
import type {Deps} from './deps.ts'
import type {OpenSession} from './open-session.ts'
import {GENTLE} from './pace.ts'
import {watchJob, type JobWatch} from './watch-job.ts'
import type {ClusterTarget} from '../config/cluster.ts'
import type {Clock} from '../time.ts'

/** `tidy`: nothing of the session is left on the cluster or here. */
export type KeepEnd = {kind: 'job-ended'; reason: JnodeError; tidy: boolean} | {kind: 'closed'}

export interface KeepOptions {
  cluster: ClusterTarget
  /** Aborted to close the tunnel and keep the job. */
  signal: AbortSignal
  onTunnel(state: TunnelState): void
  /** Whether another process holds the session. */
  yields(): boolean
  /** A stop under way, which still needs the connection. */
  stopping(): Promise<unknown> | null
}

export interface KeptSession {
  /** The session as it is now: a reconnect replaces link and way. */
  current(): OpenSession
  status(): Pick<KeeperStatus, 'tunnel' | 'reason' | 'reconnects' | 'route' | 'routes' | 'localHost' | 'localPort'>
  readonly ended: Promise<KeepEnd>
}

export function keepSession(opened: OpenSession, deps: Deps, options: KeepOptions): KeptSession {
  const session = {...opened}
  let tunnelState: TunnelState = 'connected'
  let reason: string | null = null
  let reconnects = 0
  const silentKernels = new Set<string>()
  const setTunnel = (state: TunnelState, why: string | null = null) => {
    reason = why
    if (state === tunnelState) return
    tunnelState = state
    options.onTunnel(state)
  }
  const server: ServerEvents = {
    silent() {
      session.tunnel.away(silentPage())
      setTunnel('reconnecting')
    },
    back() {
      if (tunnelState !== 'connected') session.tunnel.route(session.way.open, {secure: session.facts.foreign?.secure ?? false})
      setTunnel('connected')
    },
  }

  async function keep(): Promise<KeepEnd> {
    let over = false
    try {
      for (;;) {
        const {why, linkDead} = await holdUntilLost(session, deps, options.signal, server, silentKernels)
        const stranger = why instanceof Stranger ? why.message : null
        session.tunnel.away(stranger === null ? lostPage(session.facts, deps, null) : strangerPage(null))
        setTunnel('reconnecting', stranger)
        deps.tell({kind: 'warning', text: stranger === null ? `The connection was lost (${String(why)}); reconnecting` : `${stranger}: nothing is sent there; reconnecting`})
        await comeBack(session, deps, {...options, linkDead, stranger, onTunnel: setTunnel})
        reconnects++
        setTunnel('connected')
        deps.tell({kind: 'note', text: 'Connected again'})
      }
    } catch (error) {
      if (options.signal.aborted) return {kind: 'closed'}
      const reason = error instanceof JnodeError ? error : new JnodeError('unexpected', messageOf(error), {cause: error})
      const tidy = isOver(reason) && !options.stopping() && (await tidied(session, options.cluster, deps))
      if (tidy) await noteEnd(session, reason, deps)
      over = isOver(reason)
      return {kind: 'job-ended', reason, tidy}
    } finally {
      const stopping = options.stopping()
      over ||= options.yields()
      await stopping?.catch(() => {})
      tellCalls(session.facts.name, session.engine, deps.tell)
      setTunnel('closed')
      await (over || stopping ? session.tunnel.close() : guardPort(session, deps))
      await session.link.close()
    }
  }

  const ended = keep()
  return {
    current: () => session,
    status: () => ({tunnel: tunnelState, reason, reconnects, route: session.way.route, routes: session.way.trials, localHost: session.tunnel.host, localPort: session.tunnel.port}),
    ended,
  }
}

/** A tab may be open and go on asking with its token. */
export async function guardPort({tunnel, facts}: Pick<OpenSession, 'tunnel' | 'facts'>, {keepers, tell}: Pick<Deps, 'keepers' | 'tell'>): Promise<void> {
  await keepers.guard(tunnel, facts).catch((error: unknown) => {
    tell({kind: 'warning', text: `Another user of this computer could take the port of ${facts.name} now, for no process guards it: ${messageOf(error)}`, hint: 'Close the browser tabs of this session.'})
  })
}

async function tidied(session: OpenSession, cluster: ClusterTarget, deps: Deps): Promise<boolean> {
  try {
    await tidyUp(session, deps).catch(async (error: unknown) => {
      // That the job is over is heard over a new connection, when the old one was lost before.
      if (!(error instanceof JnodeError) || error.code !== 'connection-lost') throw error
      const link = await deps.connect(cluster, {signal: AbortSignal.timeout(60_000), silent: true})
      await tidyUp({...session, link}, deps).finally(() => link.close())
    })
    return true
  } catch (error) {
    deps.tell({kind: 'warning', text: `Could not clean up: ${messageOf(error)}`, hint: `Run \`jnode stop ${session.facts.name}\` later.`})
    return false
  }
}

interface Loss {
  why: string | Stranger
  /** Nothing more is to be heard over the connection; else it may stand, and only the way behind the head is lost. */
  linkDead: boolean
}

/** Resolves when the way to the server is lost; rejects when the job ended or the signal aborts. */
async function holdUntilLost(session: OpenSession, deps: Deps, signal: AbortSignal, server: ServerEvents, silentKernels: Set<string>): Promise<Loss> {
  const {link, way} = session
  const watch = watchJob({...session, head: link.head, clock: deps.clock, tell: deps.tell, signal}, GENTLE)
  void warnOfSilentKernels(watch, deps, silentKernels)
  const done = new AbortController()
  const held = AbortSignal.any([signal, done.signal])
  const serverLost = watchServer(session, watch, server, deps, held)
  try {
    const linkLost = link.head.closed.then((why) => ({why, linkDead: true}))
    const silent = silentAfterUpheaval(session, deps, held)
    const wayLost = Promise.race([way.lost, serverLost, startedAgain(session, watch)])
    return await Promise.race([linkLost, silent, wayLost.then((why) => ({why, linkDead: false}))])
  } catch (error) {
    // The watch may notice first that the link is lost.
    if (error instanceof JnodeError && error.code === 'connection-lost') return {why: error.message, linkDead: false}
    throw error
  } finally {
    done.abort()
    watch.stop()
  }
}

/** Settles, in words, when Grid Engine has taken the job from its node to start it once more; rejects when the job ends. */
async function startedAgain({facts, way}: OpenSession, watch: JobWatch): Promise<string> {
  const first = await watch.until(({record}) => record)
  if (first.node === way.nodeName) await watch.until((now) => (isAnotherStart(now, way) ? true : null))
  return `Grid Engine starts job ${facts.jobId} again`
}

interface ServerEvents {
  /** Its stream has ended and no new one has shown yet that it is there: nothing goes there. */
  silent(): void
  back(): void
}

/**
 * One idle stream to the server: when the server dies the stream closes, so the end of a job is noticed at once although
 * Grid Engine is asked only now and then. Whoever listens there after that must show first that it is the same server; one that
 * has only closed an idle stream does so unnoticed. Resolves with the reason when streams are refused again and again although
 * connection and job stand, or somebody else has the server's place: then it is the way that is lost.
 */
async function watchServer({way}: OpenSession, watch: JobWatch, server: ServerEvents, {clock}: Deps, signal: AbortSignal): Promise<string | Stranger> {
  let pauseMs = 2000
  let refusals = 0
  for (let first = true; !signal.aborted; first = false) {
    const from = clock.now()
    let why = 'streams are closed at once'
    try {
      // At first it has answered just now, and may take its time.
      const stream = await (first ? way.open(signal) : promptly(way.open(signal), server, clock, signal))
      if (!signal.aborted) server.back()
      await untilOver(stream, signal)
    } catch (error) {
      if (signal.aborted) break
      server.silent()
      if (error instanceof Stranger) return error
      why = messageOf(error)
    }
    refusals = clock.now() - from < LIVED_MS ? refusals + 1 : 0
    if (refusals > REFUSALS) return `route ${way.route}: ${why}`
    watch.nudge()
    if (refusals === 0) continue
    server.silent()
    await clock.sleep(pauseMs, signal).catch(() => {})
    // A job that goes on without its server must not have Grid Engine asked every two seconds for days.
    pauseMs = Math.min(GENTLE.firstMs, 2 * pauseMs)
  }
  return new Promise<never>(() => {})
}

async function untilOver(stream: Duplex, signal: AbortSignal): Promise<void> {
  await new Promise<void>((resolve) => {
    stream.once('close', resolve).once('end', resolve).once('error', () => resolve())
    void whenAborted(signal).then(resolve)
    stream.resume()
  })
  stream.destroy()
}

/** Longer than a server takes that is well; what comes in meanwhile waits for the same answer. */
const PROMPT_MS = 1000

async function promptly<T>(opening: Promise<T>, {silent}: ServerEvents, clock: Clock, signal: AbortSignal): Promise<T> {
  const over = new AbortController()
  void clock.sleep(PROMPT_MS, AbortSignal.any([over.signal, signal])).then(silent, () => {})
  return opening.finally(() => over.abort())
}

/** A stream that ends sooner was never one to the server. */
const LIVED_MS = 1000
const REFUSALS = 2

/** Settles when link or way do not outlive an upheaval, with the upheaval in words. */
async function silentAfterUpheaval({link, way}: OpenSession, {upheaval, clock, tell}: Deps, signal: AbortSignal): Promise<Loss> {
  for (;;) {
    const what = await upheaval(signal)
    // Any answer will do, also that nobody listens there.
    const opening = way.touch().then((stream) => stream.on('error', () => {}).destroy(), () => {})
    // A node that is silent, or a job that is suspended, says nothing of the connection to the head.
    const living = isAlive(link, signal)
    const silent = await Promise.race([opening.then(() => false), clock.sleep(ALIVE_WITHIN_MS, signal).then(() => true)])
    if (silent) return {why: what, linkDead: !(await living)}
    tell({kind: 'trace', text: `${what}; the connection lives on`})
  }
}
