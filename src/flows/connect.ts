/** `jnode connect`: back to a session, also one that another computer started. The same story as `start`, entered at qstat. */
import {ask, askAll} from '../ask.ts'
import type {ClusterTarget} from '../config/cluster.ts'
import {JnodeError} from '../errors.ts'
import {jupyterApi} from '../jupyter/api.ts'
import type {SessionFacts} from '../session/facts.ts'
import {readRemoteSessions} from '../session/remote-store.ts'
import {gridEngine, type GridEngine} from '../sge/client.ts'
import {discoverSite} from '../sge/site.ts'
import {isAlive} from './alive.ts'
import {tellCalls} from './calls.ts'
import {JobInError} from './job-end.ts'
import type {Keeper} from './keepers.ts'
import {guardPort} from './keep-session.ts'
import {knownFacts} from './known-facts.ts'
import {NOTHING} from './learn.ts'
import type {Answer, ClusterLink, Deps} from './deps.ts'
import {foreignFacts, foreignJob, tellOfLogin} from './foreign.ts'
import type {OpenSession} from './open-session.ts'
import {openOwnTunnel} from './own-tunnel.ts'
import {listOurJobs} from './our-jobs.ts'
import {brokenSession} from './remote-session.ts'
import {apiOver} from './route-context.ts'
import {jobOf} from './status.ts'
import type {Submitted} from './submit.ts'
import {limited, saveReady, waitForServer} from './wait-for-server.ts'

export interface ConnectInput {
  name: string
  cluster: ClusterTarget
  /** Local port asked for; null for the session's own, or the next free one. */
  port: number | null
  waitSeconds: number | null
  /** Asks which server of a job is meant, and what becomes of a job in error; null where nobody can be asked. */
  answer: Answer | null
  signal: AbortSignal
  onWaiting?: (url: string) => void
}

/** Leaves the job alone whatever fails. Throws `no-session`, `job-ended`, `port-taken`, `no-route` and what a login throws. */
export async function connect(input: ConnectInput, deps: Deps): Promise<OpenSession> {
  const {cluster, name} = input
  const signal = limited(input.signal, input.waitSeconds)
  const other = await deps.keepers.find(cluster.name, name)
  // Somebody has connected it since the command has looked.
  if (other?.status.tunnel === 'connected') throw taken(name)
  deps.tell({kind: 'step', id: 'login', title: `Log in to ${cluster.label}`})
  let link = await deps.connect(cluster, {signal, lend: true})
  try {
    // What was borrowed may be the very connection that is lost, and nobody has noticed yet.
    if (other && !(await isAlive(link, signal))) {
      await link.close()
      link = await deps.connect(cluster, {signal, lend: true, witness: () => {}})
    }
    if ((await takeOver(other, input, deps)) && (await goesWithIt(link, deps, signal))) link = await deps.connect(cluster, {signal, lend: true})
    return await connectOver(link, {...input, signal}, deps)
  } catch (error) {
    await link.close()
    if (error instanceof JobInError) throw leftInError(name, error)
    throw error instanceof JnodeError && error.code === 'job-ended' ? endedBefore(name, error) : error
  }
}

/** A keeper whose tunnel is down, or waits for a login that it must not ask for, gives way: once there is a login, for without one it goes on trying. */
async function takeOver(other: Keeper | null, {cluster, name}: ConnectInput, deps: Deps): Promise<boolean> {
  const now = await deps.keepers.find(cluster.name, name)
  if (now && now.status.pid !== other?.status.pid) throw taken(name)
  await now?.disconnect('taken-over')
  return now !== null
}

const GONE_WITHIN_MS = 500

/** The connection may be one that the keeper has lent: a command in the foreground takes it along. */
async function goesWithIt({head}: ClusterLink, {clock}: Deps, signal: AbortSignal): Promise<boolean> {
  return Promise.race([head.closed.then(() => true), clock.sleep(GONE_WITHIN_MS, signal).then(() => false)])
}

function taken(name: string): JnodeError {
  return new JnodeError('session-exists', `Another jnode has just connected ${name}`, {hint: `\`jnode url ${name}\` prints its URL.`})
}

function endedBefore(name: string, error: JnodeError): JnodeError {
  return new JnodeError('job-ended', error.message, {hint: error.hint ?? `Remove what is left of it with \`jnode stop ${name}\`.`, cause: error})
}

/** Unlike `start`, which takes its job back, this leaves the choice. */
function leftInError(name: string, error: JobInError): JnodeError {
  return new JnodeError('job-failed', error.message, {hint: `Mend that and let it try again with \`qmod -cj ${error.jobId}\` on the head node, or remove it with \`jnode stop ${name}\`.`, cause: error})
}

async function connectOver(link: ClusterLink, input: ConnectInput, deps: Deps): Promise<OpenSession> {
  const {cluster, port, signal} = input
  const site = await ask(link.head.run, discoverSite({setup: cluster.sgeSetup, learn: NOTHING}), {signal})
  const engine = gridEngine(site)
  const facts = await factsThere({link, engine, user: site.user, input}, deps)
  const {tunnel, label, guarded} = await openOwnTunnel({cluster, name: facts.name, port, offered: {label: facts.origin, port: facts.localPort}}, deps)
  try {
    facts.localPort = tunnel.port
    facts.origin ??= label
    const session: Submitted = {facts, link, engine, user: site.user}
    try {
      const way = await waitForServer(session, {cluster, tunnel, signal, onWaiting: input.onWaiting, answer: input.answer, otherwise: 'leave it as it is'}, deps)
      if (facts.foreign) {
        const {baseUrl} = facts.foreign
        await tellOfLogin(facts, (token) => jupyterApi(apiOver(way.open, {...facts, token, baseUrl})), deps)
      }
      // Two at the same moment: the first one keeps the session, and its port stays in the file.
      if (await deps.keepers.find(cluster.name, facts.name)) throw taken(facts.name)
      await saveReady(session, deps, signal)
      return {...session, tunnel, way}
    } catch (error) {
      await session.link.close()
      throw error
    } finally {
      tellCalls(facts.name, engine, deps.tell)
    }
  } catch (error) {
    const elsewhere = error instanceof JnodeError && error.code === 'session-exists'
    await (guarded && !elsewhere ? guardPort({tunnel, facts}, deps) : tunnel.close())
    throw error
  }
}

interface Asking {
  link: ClusterLink
  engine: GridEngine
  user: string
  input: ConnectInput
}

/** The session as the cluster knows it; else, for `job-N`, a Jupyter job that somebody started without us. */
async function factsThere({link, engine, user, input}: Asking, deps: Deps): Promise<SessionFacts> {
  const {name, cluster, answer, signal} = input
  const asked = foreignJob(name)
  const others = asked === null ? [] : [{jobId: asked.jobId, jobName: ''}]
  const [jobs, listing] = await askAll(link.head.run, [listOurJobs(engine, user, others), readRemoteSessions(name)], {signal})
  // A file here that cannot be used is written anew.
  const mine = await deps.store.load(cluster.name, name).catch(() => null)
  const there = listing.sessions[0]
  const broken = listing.broken[0]
  if (there) {
    const facts = knownFacts(there, cluster, mine)
    const job = jobOf(facts, jobs)
    const jobId = facts.jobId ?? job?.id ?? null
    if (jobId !== null) return {...facts, jobId}
    if (jobs.kind === 'unknown') throw silent(link, jobs.why)
    throw new JnodeError('job-ended', `Session "${name}" never got a job`)
  }
  if (broken) throw brokenSession(name, cluster.label, broken.why)
  if (asked === null) throw new JnodeError('no-session', `There is no session "${name}" on ${cluster.label}`, {hint: '`jnode list` shows those there are.'})
  if (jobs.kind === 'unknown') throw silent(link, jobs.why)
  // Of an array, a task that runs.
  const tasks = jobs.jobs.filter(({id}) => id === asked.jobId)
  return foreignFacts({name, job: tasks.find(({node}) => node !== null) ?? tasks[0], link, engine, user, cluster, mine, answer, signal}, deps)
}

function silent(link: ClusterLink, why: string): JnodeError {
  return new JnodeError('no-grid-engine', `Grid Engine on ${link.head.label} gives no answer: ${why}`, {hint: 'Try again in a minute.'})
}
