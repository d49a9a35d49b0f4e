/** `jnode stop`: Jupyter's own shutdown, then `qdel`, then nothing is left on either side. Safe to repeat. */
import {ask, askAll} from '../ask.ts'
import type {ClusterTarget} from '../config/cluster.ts'
import {EXIT_CODES, JnodeError, messageOf} from '../errors.ts'
import {jupyterApi} from '../jupyter/api.ts'
import {parseRecord, type JobRecord} from '../jupyter/record.ts'
import type {SessionFacts} from '../session/facts.ts'
import {timeLimit} from '../time.ts'
import {jobNameOf, readRemoteSessions, remoteDir, type RemoteListing} from '../session/remote-store.ts'
import {gridEngine, type GridEngine} from '../sge/client.ts'
import {discoverSite} from '../sge/site.ts'
import type {JobList} from '../sge/qstat.ts'
import type {Remote} from '../ssh/remote.ts'
import type {OpenToServer} from '../tunnel/tunnel.ts'
import type {ClusterLink, Deps} from './deps.ts'
import type {Tell} from './events.ts'
import type {Found} from './find-session.ts'
import {foreignJob} from './foreign.ts'
import type {StopOutcome} from './keepers.ts'
import {knownFacts} from './known-facts.ts'
import {NOTHING} from './learn.ts'
import type {OpenSession} from './open-session.ts'
import {listOurJobs} from './our-jobs.ts'
import {knownRoute} from './reach-server.ts'
import {deleteJob, removeFiles, type RemovalContext} from './remove-job.ts'
import {apiOver} from './route-context.ts'
import {jobOf} from './status.ts'
import {EAGER} from './pace.ts'
import {watchJob} from './watch-job.ts'

const SHUTDOWN_MS = 5000

/** Ends a session through the connection that a keeper has open already. */
export async function stopOpenSession(session: OpenSession, deps: Deps, signal: AbortSignal): Promise<StopOutcome> {
  if (session.facts.foreign) throw new JnodeError('no-session', `Job ${session.facts.jobId} was not started by jnode`)
  await shutDownServer(session.facts, session.way.open, deps, signal)
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

/** What came of ending several sessions: one that cannot be ended leaves no other running. */
interface Ended {
  outcomes: StopOutcome[]
  failures: {names: string[]; error: unknown}[]
}

/**
 * Stops sessions, cluster by cluster: through their keepers where they live, the rest over one connection. A cluster
 * that cannot be reached does not keep the sessions of the next one running. What failed is told session by session,
 * and the failure with the worst exit code is thrown in the end.
 */
export async function stop(found: readonly Found[], deps: Deps, signal: AbortSignal): Promise<StopOutcome[]> {
  const clusters = new Map(found.map(({cluster}) => [cluster.name, cluster]))
  const ended: Ended = {outcomes: [], failures: []}
  for (const cluster of clusters.values()) {
    const names = new Set(found.filter((session) => session.cluster.name === cluster.name).map(({name}) => name))
    const {outcomes, failures} = await stopOnCluster([...names], cluster, deps, signal)
    ended.outcomes.push(...outcomes)
    ended.failures.push(...failures)
  }
  return settled(ended, deps.tell)
}

function settled({outcomes, failures}: Ended, tell: Tell): StopOutcome[] {
  const [worst, ...others] = [...failures].sort((a, b) => exitCodeOf(b.error) - exitCodeOf(a.error))
  if (!worst) return outcomes
  for (const outcome of outcomes) tell({kind: 'note', text: outcomeText(outcome)})
  for (const {names, error} of others) tell({kind: 'warning', text: `${names.join(', ')}: ${messageOf(error)}`})
  const rest = failures.length > 1 || worst.names.length > 1 || outcomes.length > 0
  if (!rest || !(worst.error instanceof JnodeError)) throw worst.error
  const {code, message, hint} = worst.error
  throw new JnodeError(code, `${worst.names.join(', ')}: ${message}`, {...(hint === null ? {} : {hint}), cause: worst.error})
}

function exitCodeOf(error: unknown): number {
  return EXIT_CODES[error instanceof JnodeError ? error.code : 'unexpected']
}

/** What came of one session, in a sentence. */
export function outcomeText({name, jobId, was}: StopOutcome): string {
  if (was === 'ended') return `${name} had ended already; what was left of it is removed.`
  return `${name} is stopped; job ${jobId} is gone.`
}

async function stopOnCluster(names: string[], cluster: ClusterTarget, deps: Deps, signal: AbortSignal): Promise<Ended> {
  const outcomes: StopOutcome[] = []
  const rest: string[] = []
  for (const name of names) {
    const outcome = await stopByKeeper(name, cluster, deps, signal)
    if (outcome) outcomes.push(outcome)
    else rest.push(name)
  }
  if (rest.length === 0) return {outcomes, failures: []}
  try {
    const ended = await stopOverConnection(rest, cluster, deps, signal)
    return {...ended, outcomes: [...outcomes, ...ended.outcomes]}
  } catch (error) {
    if (signal.aborted) throw error
    return {outcomes, failures: [{names: rest, error}]}
  }
}

/** Null where there is no keeper that can. */
async function stopByKeeper(name: string, cluster: ClusterTarget, {keepers}: Deps, signal: AbortSignal): Promise<StopOutcome | null> {
  try {
    const keeper = await keepers.find(cluster.name, name)
    return (await keeper?.stop(signal)) ?? null
  } catch (error) {
    if (signal.aborted) throw error
    return null
  }
}

async function stopOverConnection(names: string[], cluster: ClusterTarget, deps: Deps, signal: AbortSignal): Promise<Ended> {
  deps.tell({kind: 'step', id: 'login', title: `Log in to ${cluster.label}`})
  const link = await deps.connect(cluster, {signal})
  const ended: Ended = {outcomes: [], failures: []}
  try {
    const site = await ask(link.head.run, discoverSite({setup: cluster.sgeSetup, learn: NOTHING}), {signal})
    const context = {head: link.head, engine: gridEngine(site), user: site.user, clock: deps.clock, tell: deps.tell, signal}
    const [jobs, listing] = await askAll(link.head.run, [listOurJobs(context.engine, site.user), readRemoteSessions(names.length === 1 ? names[0] : undefined)], {signal})
    for (const name of names) {
      try {
        ended.outcomes.push(await stopOne(name, {context, link, cluster, jobs, listing, home: site.home}, deps))
      } catch (error) {
        if (signal.aborted) throw error
        ended.failures.push({names: [name], error})
      }
    }
    return ended
  } finally {
    await link.close()
  }
}

interface Scene {
  context: RemovalContext
  link: ClusterLink
  cluster: ClusterTarget
  jobs: JobList
  listing: RemoteListing
  home: string
}

async function stopOne(name: string, scene: Scene, deps: Deps): Promise<StopOutcome> {
  const {context, cluster, jobs, listing} = scene
  const there = listing.sessions.find(({facts}) => facts.name === name)
  const facts = await factsOf(name, scene, deps)
  if (!facts || facts.foreign) throw await notOurs({name, ...context, cluster})
  const record = parseRecord(there?.record ?? '')
  const job = jobOf(facts, jobs)
  if (job?.phase === 'running' && record) await shutDownThroughNode(facts, record, scene, deps)
  await endJob(context, facts, deps)
  await deps.keepers.find(cluster.name, name).then(
    async (keeper) => {
      await keeper?.disconnect().catch(() => {})
      await deps.keepers.forget(cluster.name, name)
    },
    // It notices that its job is gone as soon as it goes on.
    (error: unknown) => deps.tell({kind: 'warning', text: messageOf(error)}),
  )
  return {name, jobId: facts.jobId ?? job?.id ?? null, was: job ? (job.phase === 'running' ? 'running' : 'waiting') : 'ended'}
}

/** The cluster's copy of the facts is the truth; this computer's serves where the cluster has none (any more). */
async function factsOf(name: string, {cluster, listing, home, context}: Scene, deps: Deps): Promise<SessionFacts | null> {
  // A file here that cannot be read is no reason to leave a job running.
  const local = await deps.store.load(cluster.name, name).catch(() => null)
  const here = {cluster: cluster.name, hops: cluster.hops}
  const there = listing.sessions.find(({facts}) => facts.name === name)
  if (there) return knownFacts(there, cluster, local)
  const broken = listing.broken.some((item) => item.name === name)
  // Facts that cannot be read do not tell their id, and without it the directory would be taken for another session's.
  if (local) return broken ? {...local, id: ''} : local
  if (!broken) return null
  // Only its directory is left, with facts that cannot be read: job and directory are found by the name.
  const unknown = {id: '', jobId: null, slots: 1, memoryBytes: null, runSeconds: null, app: '', submittedAt: '', startedAt: null, localPort: null, page: '', gpus: null, token: ''}
  return {version: 1, ...unknown, ...here, name, host: context.head.label, jobName: jobNameOf(name), remoteDir: remoteDir(home, name)}
}

/** Why there is nothing to stop: only sessions are ended, never a job that jnode did not start. */
async function notOurs({name, head, engine, user, cluster, signal}: {name: string; head: Remote; engine: GridEngine; user: string; cluster: ClusterTarget; signal: AbortSignal}): Promise<JnodeError> {
  const jobId = foreignJob(name)?.jobId ?? null
  const files = jobId === null ? null : await ask(head.run, engine.files(jobId), {signal})
  if (!files) {
    return new JnodeError('no-session', jobId === null ? `There is no session "${name}" on ${cluster.label}` : `Grid Engine on ${head.label} knows no job ${jobId}`, {hint: '`jnode list` shows those there are.'})
  }
  if (files.owner !== user) return new JnodeError('not-yours', `Job ${jobId} belongs to ${files.owner}, not to you`, {hint: '`jnode list` shows what is yours.'})
  return new JnodeError('no-session', `Job ${jobId} was not started by jnode`, {hint: `\`jnode disconnect ${name}\` closes its tunnel; \`qdel ${jobId}\` on the head node ends it.`})
}

/** Longer than it takes where all is well; `qdel` ends Jupyter too. */
const ROUTE_MS = 15_000

/** Asks Jupyter itself to end, so that kernels and files are put away properly. Not needed for the rest to work. */
async function shutDownThroughNode(facts: SessionFacts, record: JobRecord, {link, context}: Scene, deps: Deps): Promise<void> {
  const {node: nodeName, endpoint} = record
  if (nodeName === null || endpoint === null || !record.listening) return
  const signal = timeLimit(context.signal, ROUTE_MS)
  const watch = watchJob({...context, facts, signal}, EAGER)
  try {
    await watch.until((now) => now.record)
    const way = await knownRoute({facts, link, watch, record, nodeName, endpoint, signal, deps}, deps)
    if (way) await shutDownServer(facts, way.open, deps, context.signal)
    await way?.close()
  } catch (error) {
    if (context.signal.aborted) throw error
    deps.tell({kind: 'trace', text: `Jupyter was not asked to shut down: ${messageOf(error)}`})
  } finally {
    watch.stop()
  }
}

async function shutDownServer(facts: SessionFacts, open: OpenToServer, deps: Deps, signal: AbortSignal): Promise<void> {
  deps.tell({kind: 'step', id: 'shutdown', title: 'Shut Jupyter down'})
  const api = jupyterApi(apiOver(open, facts))
  try {
    const who = await api.identify({signal, timeoutMs: SHUTDOWN_MS})
    if (who.kind === 'ours') await api.shutdown({signal, timeoutMs: SHUTDOWN_MS})
  } catch (error) {
    if (signal.aborted) throw error
    deps.tell({kind: 'trace', text: `Jupyter did not shut down by itself: ${messageOf(error)}`}) // qdel follows
  }
}
