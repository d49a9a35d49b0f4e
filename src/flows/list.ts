/** `jnode list` and `jnode status`: what is true of sessions now. One login and one question per cluster. */
import {ask, askAll} from '../ask.ts'
import type {ClusterTarget} from '../config/cluster.ts'
import {JnodeError, messageOf, shown} from '../errors.ts'
import {parseActivity, type Activity} from '../jupyter/activity.ts'
import {parseRecord, type JobRecord} from '../jupyter/record.ts'
import type {SessionFacts} from '../session/facts.ts'
import {readRemoteSessions, type RemoteListing} from '../session/remote-store.ts'
import {gridEngine, type GridEngine} from '../sge/client.ts'
import type {JobList} from '../sge/qstat.ts'
import {discoverSite} from '../sge/site.ts'
import type {Remote} from '../ssh/remote.ts'
import {tellCalls} from './calls.ts'
import {howItEnded, needsAccounting} from './how-it-ended.ts'
import {knownFacts} from './known-facts.ts'
import {NOTHING} from './learn.ts'
import {endOfLog} from './log-tail.ts'
import type {Deps} from './deps.ts'
import type {KeeperStatus} from './keepers.ts'
import {listOurJobs} from './our-jobs.ts'
import {brokenSession} from './remote-session.ts'
import type {RouteTrial} from './route-context.ts'
import {viewOf, type SessionView} from './session-view.ts'
import {jobOf, onLostNode, statusOf, type SessionStatus} from './status.ts'
import {whyNot} from './why.ts'

export interface ListInput {
  clusters: ClusterTarget[]
  /** Only this session. */
  name?: string
  signal: AbortSignal
}

export interface Listing {
  sessions: SessionView[]
  /** What could not be read or reached, in words. */
  warnings: string[]
  /** Sessions of clusters of which nothing is used; they are among the warnings. */
  broken: RemoteListing['broken']
}

export async function listSessions({clusters, name, signal}: ListInput, deps: Deps): Promise<Listing> {
  const {sessions: saved, broken} = await deps.store.list()
  const here = saved.filter((facts) => name === undefined || facts.name === name)
  const listing: Listing = {sessions: [], warnings: broken.map(({file, why}) => `${file} cannot be read: ${why}`), broken: []}
  for (const cluster of clusters) {
    const local = here.filter((facts) => facts.cluster === cluster.name)
    try {
      const found = await listCluster(cluster, {name, local, signal}, deps)
      listing.sessions.push(...found.sessions)
      listing.warnings.push(...found.warnings)
      listing.broken.push(...found.broken)
    } catch (error) {
      if (signal.aborted) throw error
      // A single cluster asked for is the whole answer; of several, one out of reach must not hide the others.
      if (clusters.length === 1 && local.length === 0) throw error
      listing.warnings.push(`${cluster.name} could not be asked: ${messageOf(error)}`)
      for (const facts of local) listing.sessions.push(viewOf(facts, {state: 'unknown', reason: messageOf(error), node: null}, await keeperOf(facts, deps)))
    }
  }
  return listing
}

interface ClusterScope {
  name: string | undefined
  local: SessionFacts[]
  signal: AbortSignal
}

async function listCluster(cluster: ClusterTarget, {name, local, signal}: ClusterScope, deps: Deps): Promise<Listing> {
  const link = await deps.connect(cluster, {signal})
  try {
    const {head} = link
    const site = await ask(head.run, discoverSite({setup: cluster.sgeSetup, learn: NOTHING}), {signal})
    const engine = gridEngine(site)
    const [jobs, remote] = await askAll(head.run, [listOurJobs(engine, site.user, local), readRemoteSessions(name)], {signal})
    const all = merge(cluster, local, remote)
    const missing = all.filter(({facts, record}) => jobs.kind === 'known' && facts.jobId !== null && !jobOf(facts, jobs) && !record?.end)
    const witnesses = await askAll(head.run, missing.map(({facts}) => engine.exists(facts.jobId!)), {signal})
    const gone = new Set(missing.filter((_, i) => witnesses[i] === 'no').map(({facts}) => facts.name))
    const explain = async ({facts, record, activity, answered}: Known) => {
      const status = statusOf(facts, {jobs, record, answered, gone: gone.has(facts.name)})
      const keeper = await keeperOf(facts, deps)
      const known = name === undefined ? null : await lookedInto({facts, record}, {head, engine, jobs, gone, connected: keeper?.tunnel === 'connected', signal})
      return {...viewOf(withJobId(facts, jobs), {...status, ...known}, keeper, activity), routes: keeper?.routes ?? (await rememberedRoutes(facts, deps))}
    }
    const sessions = await Promise.all(all.map(explain))
    tellCalls(cluster.name, engine, deps.tell)
    // Of a job that jnode did not start nothing is left to clean up or to read.
    const over = all.filter(({facts}) => facts.foreign && gone.has(facts.name)).map(({facts}) => facts.name)
    for (const ended of over) await deps.store.remove(cluster.name, ended)
    return {
      sessions: sessions.filter((session) => !over.includes(session.name)),
      warnings: remote.broken.map((item) => `Session ${shown(item.name)} on ${cluster.name} cannot be read: ${item.why}`),
      broken: remote.broken,
    }
  } finally {
    await link.close()
  }
}

interface Known {
  facts: SessionFacts
  record: JobRecord | null
  activity: Activity | null
  /** Once the server has answered, the time is saved; `facts` may have it from the job's record, which is sooner. */
  answered: boolean
}

interface Looking {
  head: Remote
  engine: GridEngine
  jobs: JobList
  gone: ReadonlySet<string>
  /** Its tunnel is connected, so its node is well. */
  connected: boolean
  signal: AbortSignal
}

/** Why it waits, how it ended, or that its node is lost, in plain words; asked for one session only, since it is dear. Null for nothing to tell. */
async function lookedInto({facts, record}: Pick<Known, 'facts' | 'record'>, {head, engine, jobs, gone, connected, signal}: Looking): Promise<Partial<SessionStatus> | null> {
  const job = jobOf(facts, jobs)
  if (job && ['pending', 'held', 'error'].includes(job.phase)) {
    const why = await whyNot(job, {head, engine, signal})
    return why && {reason: why.text}
  }
  if (job?.node && !connected && (await ask(head.run, engine.isNodeSilent(job), {signal}))) return onLostNode(job.node)
  if (job || (!record?.end && !gone.has(facts.name))) return null
  const accounting = needsAccounting(record, facts) ? await ask(head.run, engine.account(facts.jobId!, facts.jobName), {signal}) : null
  return record?.end || accounting ? {reason: howItEnded({record, accounting, log: await endOfLog(head, facts, {signal}), deleting: false}, facts).text} : null
}

/** The cluster's sessions, and those this computer remembers that the cluster does not know (any more). */
function merge(cluster: ClusterTarget, local: SessionFacts[], remote: RemoteListing): Known[] {
  const there = remote.sessions.map((session) => {
    const mine = local.find(({name}) => name === session.facts.name)
    return {facts: knownFacts(session, cluster, mine), record: parseRecord(session.record), activity: parseActivity(session.activity), answered: session.facts.startedAt !== null}
  })
  const names = new Set(there.map(({facts}) => facts.name))
  return [...there, ...local.filter((facts) => !names.has(facts.name)).map((facts) => ({facts, record: null, activity: null, answered: facts.startedAt !== null}))]
}

function withJobId(facts: SessionFacts, jobs: JobList): SessionFacts {
  return facts.jobId === null ? {...facts, jobId: jobOf(facts, jobs)?.id ?? null} : facts
}

async function keeperOf({cluster, name}: SessionFacts, {keepers, tell}: Deps): Promise<KeeperStatus | null> {
  const keeper = await keepers.find(cluster, name).catch((error: unknown) => {
    tell({kind: 'warning', text: messageOf(error)})
    return null
  })
  return keeper?.status ?? null
}

async function rememberedRoutes({foreign, cluster}: SessionFacts, {routes}: Deps): Promise<RouteTrial[] | null> {
  const memory = foreign ? null : await routes.load(cluster)
  return memory && (memory.trials as RouteTrial[])
}

/** One session in full. Throws `no-session`. */
export async function statusOfSession({name, cluster, signal}: {name: string; cluster: ClusterTarget; signal: AbortSignal}, deps: Deps): Promise<SessionView> {
  const {sessions, broken} = await listSessions({clusters: [cluster], name, signal}, deps)
  const only = sessions[0]
  if (!only && broken[0]) throw brokenSession(name, cluster.label, broken[0].why)
  if (!only) throw new JnodeError('no-session', `There is no session "${name}" on ${cluster.label}`, {hint: '`jnode list` shows those there are.'})
  return only
}
