/** `jnode stop`: Jupyter's own shutdown, then `qdel`, then nothing is left on either side. Safe to repeat. */
import {ask, askAll} from '../ask.ts'
import type {ClusterTarget} from '../config/cluster.ts'
import {JnodeError, messageOf} from '../errors.ts'
import {jupyterApi} from '../jupyter/api.ts'
import {parseRecord, type JobRecord} from '../jupyter/record.ts'
import type {SessionFacts} from '../session/facts.ts'
import {readRemoteSessions} from '../session/remote-store.ts'
import {gridEngine, type GridEngine} from '../sge/client.ts'
import {discoverSite} from '../sge/site.ts'
import {NOTHING} from './learn.ts'
import {openTunnel} from '../tunnel/tunnel.ts'
import type {Deps} from './deps.ts'
import type {Remote} from '../ssh/remote.ts'
import {foreignJobId} from './foreign.ts'
import type {OpenSession} from './open-session.ts'
import {checkListenerOwner, nodeAddress, wayTo} from './reach-server.ts'
import {deleteJob, removeFiles, type RemovalContext} from './remove-job.ts'
import {jobOf} from './status.ts'

export interface StopOutcome {
  name: string
  jobId: string | null
  /** What was found: a job that was ended now, or one that had ended before. */
  was: 'running' | 'waiting' | 'ended'
}

const SHUTDOWN_MS = 5000

/** Ends a session through the connection that a keeper has open already. */
export async function stopOpenSession(session: OpenSession, deps: Deps, signal: AbortSignal): Promise<StopOutcome> {
  if (session.facts.foreign) throw new JnodeError('no-session', `Job ${session.facts.jobId} was not started by jnode`)
  await shutDownServer({...session.facts, localPort: session.tunnel.port}, deps, signal)
  const context = {...session, head: session.link.head, clock: deps.clock, tell: deps.tell, signal}
  await endJob(context, session.facts, deps)
  return {name: session.facts.name, jobId: session.facts.jobId, was: 'running'}
}

/** Removes what is left of a session whose job has ended by itself. */
export async function tidyUp(session: OpenSession, deps: Deps): Promise<void> {
  if (session.facts.foreign) return deps.store.remove(session.facts.cluster, session.facts.name)
  await endJob({...session, head: session.link.head, clock: deps.clock, tell: deps.tell, signal: AbortSignal.timeout(60_000)}, session.facts, deps)
}

async function endJob(context: RemovalContext, facts: SessionFacts, deps: Deps): Promise<void> {
  deps.tell({kind: 'step', id: 'remove', title: `Remove job ${facts.jobId ?? facts.jobName}`})
  await deleteJob(context, facts)
  await removeFiles(context, facts)
  await deps.store.remove(facts.cluster, facts.name)
  deps.tell({kind: 'done'})
}

export interface StopInput {
  name: string
  cluster: ClusterTarget
  signal: AbortSignal
}

/** Stops one session: through its keeper where one lives, else over a connection of its own. Throws `no-session`. */
export async function stop({name, cluster, signal}: StopInput, deps: Deps): Promise<StopOutcome> {
  const keeper = await deps.keepers.find(cluster.name, name)
  const outcome = await keeper?.stop().catch(() => null)
  if (outcome) return outcome
  deps.tell({kind: 'step', id: 'login', title: `Log in to ${cluster.label}`})
  const link = await deps.connect(cluster, {signal})
  try {
    const site = await ask(link.head.run, discoverSite({setup: cluster.sgeSetup, learn: NOTHING}), {signal})
    const engine = gridEngine(site)
    const [jobs, listing] = await askAll(link.head.run, [engine.list(site.user), readRemoteSessions(name)], {signal})
    const facts = await factsOf({name, cluster}, listing.sessions[0], deps)
    if (!facts || facts.foreign) throw await notOurs({name, head: link.head, engine, user: site.user, cluster, signal})
    const record = parseRecord(listing.sessions[0]?.record ?? '')
    const job = jobOf(facts, jobs)
    if (job?.phase === 'running' && record) await shutDownThroughNode({facts, record, link}, deps, signal)
    await endJob({head: link.head, engine, user: site.user, clock: deps.clock, tell: deps.tell, signal}, facts, deps)
    await keeper?.disconnect().catch(() => {})
    return {name, jobId: facts.jobId, was: job ? (job.phase === 'running' ? 'running' : 'waiting') : 'ended'}
  } finally {
    await link.close()
  }
}

/** The cluster's copy of the facts is the truth; this computer's serves where the cluster has none (any more). */
async function factsOf({name, cluster}: {name: string; cluster: ClusterTarget}, remote: {facts: SharedFactsLike; token: string} | undefined, deps: Deps): Promise<SessionFacts | null> {
  const local = await deps.store.load(cluster.name, name)
  if (remote) return {...remote.facts, cluster: cluster.name, hops: cluster.hops, token: remote.token, jobId: remote.facts.jobId ?? local?.jobId ?? null} as SessionFacts
  return local
}

/** Why there is nothing to stop: only sessions are ended, never a job that jnode did not start. */
async function notOurs({name, head, engine, user, cluster, signal}: {name: string; head: Remote; engine: GridEngine; user: string; cluster: ClusterTarget; signal: AbortSignal}): Promise<JnodeError> {
  const jobId = foreignJobId(name)
  const files = jobId === null ? null : await ask(head.run, engine.files(jobId), {signal})
  if (!files) {
    return new JnodeError('no-session', jobId === null ? `There is no session "${name}" on ${cluster.label}` : `Grid Engine on ${head.label} knows no job ${jobId}`, {hint: '`jnode list` shows those there are.'})
  }
  if (files.owner !== user) return new JnodeError('not-yours', `Job ${jobId} belongs to ${files.owner}, not to you`)
  return new JnodeError('no-session', `Job ${jobId} was not started by jnode`, {hint: `\`jnode disconnect ${name}\` closes its tunnel; \`qdel ${jobId}\` on the head node ends it.`})
}

type SharedFactsLike = Omit<SessionFacts, 'cluster' | 'hops' | 'token'>

/** Asks Jupyter itself to end, so that kernels and files are put away properly. Not needed for the rest to work. */
async function shutDownThroughNode({facts, record, link}: {facts: SessionFacts; record: JobRecord; link: OpenSession['link']}, deps: Deps, signal: AbortSignal): Promise<void> {
  if (!record.endpoint || !record.listening) return
  const tunnel = await openTunnel({port: 0, orNext: false})
  try {
    const node = await link.toNode(nodeAddress(record), signal)
    const way = wayTo(record.endpoint, node, record.node ?? 'node')
    await checkListenerOwner(way, signal)
    tunnel.route(way.open)
    await shutDownServer({...facts, localPort: tunnel.port}, deps, signal)
  } catch (error) {
    if (signal.aborted) throw error
    deps.tell({kind: 'trace', text: `Jupyter was not asked to shut down: ${messageOf(error)}`})
  } finally {
    await tunnel.close()
  }
}

async function shutDownServer(facts: SessionFacts & {localPort: number}, deps: Deps, signal: AbortSignal): Promise<void> {
  deps.tell({kind: 'step', id: 'shutdown', title: 'Shut Jupyter down'})
  const api = jupyterApi({baseUrl: `http://127.0.0.1:${facts.localPort}/`, token: facts.token, fetch: deps.fetch})
  try {
    const who = await api.identify({signal, timeoutMs: SHUTDOWN_MS})
    if (who.kind === 'ours') await api.shutdown({signal, timeoutMs: SHUTDOWN_MS})
  } catch (error) {
    if (signal.aborted) throw error
    deps.tell({kind: 'trace', text: `Jupyter did not shut down by itself: ${messageOf(error)}`}) // qdel follows
  }
}
