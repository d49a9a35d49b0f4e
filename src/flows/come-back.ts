/** A way to the server again after it was lost, as long as the job lives. */
import {ask} from '../ask.ts'
import type {ClusterTarget} from '../config/cluster.ts'
import {messageOf, throwIfAborted, whenAborted} from '../errors.ts'
import {sharedPart, type SessionFacts} from '../session/facts.ts'
import {updateRemoteFacts} from '../session/remote-store.ts'
import type {Away} from '../tunnel/away.ts'
import {isAlive} from './alive.ts'
import type {ClusterLink, Deps} from './deps.ts'
import type {TunnelState} from './keepers.ts'
import {noteMachine} from './note-machine.ts'
import type {OpenSession} from './open-session.ts'
import {EAGER} from './pace.ts'
import {isAnotherStart, reachServer, type FoundWay} from './reach-server.ts'
import {needsPerson, personNeeded, relink} from './relink.ts'
import {Stranger} from './route-context.ts'
import {littleTimeLeft} from './warn-of-end.ts'
import {watchJob} from './watch-job.ts'

/** Told to the browser, which hears nothing else now. */
export function lostPage(facts: SessionFacts, {clock}: Pick<Deps, 'clock'>, retryAt: number | null): Away {
  return {lines: ['The connection to the cluster was lost.', 'jnode is connecting again by itself; notebooks and kernels go on meanwhile.', ...timeLeft(facts, clock.now())], retryAt}
}

/** Told while the server itself is asked, which may be a moment. */
export function silentPage(): Away {
  return {lines: ['The server of this session does not answer just now.', 'It may be busy, or it has ended; jnode asks it again by itself, and opens it here as soon as it answers.'], retryAt: null}
}

/** Told when another program listens where the server did. */
export function strangerPage(retryAt: number | null): Away {
  return {lines: ['Another program answers in place of this session’s server.', 'jnode sends nothing there, and looks for your own server again by itself; `jnode status` says more.'], retryAt}
}

function timeLeft(facts: SessionFacts, now: number): string[] {
  const text = littleTimeLeft(facts, now)
  return text === null ? [] : [`${text}.`]
}

export interface ComeBackOptions {
  cluster: ClusterTarget
  signal: AbortSignal
  /** Nothing is to be heard over the connection any more. */
  linkDead: boolean
  /** Who has answered in the server's place, in words. */
  stranger: string | null
  onTunnel(state: TunnelState, why?: string | null): void
}

/**
 * Finds a way again, until one works: over the connection where that stands, which costs no login, else over a new one.
 * Never asks anybody: where a secret is needed it waits for `jnode connect` instead.
 */
export async function comeBack(session: OpenSession, deps: Deps, {signal, cluster, linkDead, onTunnel, ...options}: ComeBackOptions): Promise<void> {
  const {tunnel, facts} = session
  let stands = !linkDead
  let {stranger} = options
  const attempt = async (turn: AbortSignal) => {
    stands &&= await isAlive(session.link, turn)
    if (stands) await session.way.close()
    else {
      await session.link.close()
      session.link = await deps.connect(cluster, {signal: turn, silent: true, lend: true})
      stands = true
    }
    session.way = await reach(session, deps, turn).catch((error: unknown) => {
      if (error instanceof Stranger) onTunnel('reconnecting', (stranger = error.message))
      // Without the login to the node that carried it, it is no matter of time.
      throw (session.way.node === null ? null : personNeeded(error)) ?? error
    })
  }
  try {
    await relink(attempt, deps, {signal, onPause: (retryAt) => tunnel.away(stranger === null ? lostPage(facts, deps, retryAt) : strangerPage(retryAt))})
  } catch (error) {
    if (!needsPerson(error)) throw error
    onTunnel('needs-login')
    const command = `jnode connect ${facts.name}`
    tunnel.away({lines: ['The connection to the cluster was lost, and you are needed to log in again.', `Run \`${command}\` in a terminal; notebooks and kernels go on meanwhile.`, ...timeLeft(facts, deps.clock.now())], retryAt: null})
    deps.tell({kind: 'warning', text: error.message, hint: `Run \`${command}\` to log in again.`, desktop: `Log in again with: ${command}`})
    // Trying on would spend second factors or lock the account.
    if (stands) {
      await whenAborted(signal)
      throw signal.reason
    }
    // But its owner may log in for another session.
    session.link = await whenLent(cluster, deps, signal)
    onTunnel('reconnecting')
    await comeBack(session, deps, {signal, cluster, linkDead: false, stranger: null, onTunnel})
  }
}

/** How often it is looked whether somebody lends a connection: a look at a file. */
const LOOK_MS = 5000

async function whenLent(cluster: ClusterTarget, {connect, clock, tell}: Deps, signal: AbortSignal): Promise<ClusterLink> {
  for (;;) {
    await clock.sleep(LOOK_MS, signal)
    try {
      return await connect(cluster, {signal, silent: true, onlyLent: true})
    } catch (error) {
      throwIfAborted(signal)
      tell({kind: 'trace', text: messageOf(error)})
    }
  }
}

/** A failure costs no more than a right figure for the time that is left. */
async function noteStart(facts: SessionFacts, link: ClusterLink, deps: Deps, signal: AbortSignal): Promise<void> {
  facts.startedAt = new Date(deps.clock.now()).toISOString()
  deps.tell({kind: 'warning', text: `Job ${facts.jobId} was started again, perhaps on another node: its kernels are new`})
  try {
    await deps.store.save(facts)
    await ask(link.head.run, updateRemoteFacts(sharedPart(facts)), {signal})
  } catch (error) {
    deps.tell({kind: 'trace', text: `the new start was not saved: ${messageOf(error)}`})
  }
}

async function reach(session: OpenSession, deps: Deps, signal: AbortSignal): Promise<FoundWay> {
  // The connection may be one of a time when a person was there to be asked.
  const link: ClusterLink = {...session.link, canAsk: false, toNode: (node, given) => session.link.toNode(node, given, true)}
  const watch = watchJob({...session, head: link.head, clock: deps.clock, tell: deps.tell, signal}, EAGER)
  try {
    const way = await reachServer({session: {...session, link}, watch, tunnel: session.tunnel, signal, again: true}, deps)
    if (await noteMachine(session.facts, session.link)) await deps.store.save(session.facts).catch(() => {}) // only a memory
    if (isAnotherStart({record: way}, session.way) || way.nodeName !== session.way.nodeName) await noteStart(session.facts, session.link, deps, signal)
    return way
  } finally {
    watch.stop()
  }
}
