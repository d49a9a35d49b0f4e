/** From a submitted job to a server that answers through the tunnel: the part that `start` and `connect` share. */
import {ask} from '../ask.ts'
import type {ClusterTarget} from '../config/cluster.ts'
import {JnodeError, messageOf, throwIfAborted} from '../errors.ts'
import {landingPage} from '../jupyter/api.ts'
import {sharedPart, type SessionFacts} from '../session/facts.ts'
import {updateRemoteFacts} from '../session/remote-store.ts'
import {spokenDuration, timeLimit, type Clock} from '../time.ts'
import type {Tunnel} from '../tunnel/tunnel.ts'
import type {Answer, ClusterLink, Deps} from './deps.ts'
import {JobInError} from './job-end.ts'
import {endOfLog, withLog} from './log-tail.ts'
import {noteMachine} from './note-machine.ts'
import {reachServer, type FoundWay, type ReachContext} from './reach-server.ts'
import {needsPerson, relink} from './relink.ts'
import {apiOver} from './route-context.ts'
import {urlOf} from './session-view.ts'
import type {Submitted} from './submit.ts'
import {EAGER} from './pace.ts'
import {watchJob, type JobView} from './watch-job.ts'

/** A job that runs but whose Jupyter does not answer in this time has something wrong with it. */
const JUPYTER_WITHIN_MS = 300_000
const LIMIT_WITHIN_MS = 10_000

export interface WaitOptions {
  cluster: ClusterTarget
  tunnel: Tunnel
  signal: AbortSignal
  /** Told once, when the job is seen to wait for longer than a moment: the URL where a page says so, and where the server will be. */
  onWaiting?: ((url: string) => void) | undefined
  /** Asks what becomes of a job that cannot start: it is tried again, or `otherwise`; null where nobody can be asked. */
  answer: Answer | null
  otherwise: string
  /** The connection was lost and needs a person: what is thrown then must not cost the job, which may have waited for hours. */
  leaveJob?(): void
}

/**
 * Fills in `startedAt`, `runSeconds` and `page` of the facts. Rejects when the job ends first, or the signal aborts. A connection
 * that is lost meanwhile is made again and takes its place in `session`.
 */
export async function waitForServer(session: Submitted, options: WaitOptions, deps: Deps): Promise<FoundWay> {
  const {tunnel, signal} = options
  for (;;) {
    const watch = watchJob({...session, head: session.link.head, clock: deps.clock, tell: deps.tell, signal}, EAGER)
    try {
      return await waitOverLink({session, watch, tunnel, signal, onWaiting: options.onWaiting}, deps)
    } catch (error) {
      if (error instanceof JobInError && (await isTriedAgain(error, session, options, deps))) continue
      if (!(error instanceof JnodeError) || error.code !== 'connection-lost') throw error
      throwIfAborted(signal)
      deps.tell({kind: 'warning', text: `${error.message}; connecting again, job ${session.facts.jobId} goes on`})
    } finally {
      watch.stop()
    }
    await session.link.close()
    session.link = await linkAgain(session.facts, options, deps)
  }
}

/** Whether somebody wants the job to be tried again, and Grid Engine lets it. */
async function isTriedAgain(error: JobInError, {facts, link, engine}: Submitted, {answer, otherwise, signal}: WaitOptions, {tell}: Deps): Promise<boolean> {
  const again = 'let it try again'
  if (!answer || (await answer(`${error.message}.\nMend that, if it is yours to mend. What shall become of the job?`, otherwise, [again, otherwise])) !== again) return false
  const refused = await ask(link.head.run, engine.clearError(facts.jobId!), {signal})
  if (refused !== null) tell({kind: 'warning', text: `Grid Engine does not let job ${facts.jobId} try again: ${refused}`})
  return refused === null
}

async function linkAgain({name, jobId}: SessionFacts, {cluster, tunnel, signal, leaveJob}: WaitOptions, deps: Deps): Promise<ClusterLink> {
  try {
    return await relink((turn) => deps.connect(cluster, {signal: turn, silent: true, lend: true}), deps, {
      signal,
      onPause: (retryAt) => tunnel.away({lines: ['The connection to the cluster was lost.', 'jnode is connecting again by itself; the job goes on meanwhile.'], retryAt}),
    })
  } catch (error) {
    if (!needsPerson(error)) throw error
    leaveJob?.()
    throw new JnodeError(error.code, `The connection was lost, and you are needed to log in again: ${error.message}`, {hint: `Job ${jobId} goes on; wait for it with \`jnode connect ${name}\`.`, cause: error})
  }
}

type WaitContext = ReachContext & {session: Submitted; onWaiting: WaitOptions['onWaiting']}

/** A job that starts within this time is not worth a browser that waits for it. */
const MOMENT_MS = 4000

/** The node that the job runs on. Meanwhile the local port says why it waits. */
async function nodeOf({session: {facts}, watch, tunnel, onWaiting}: WaitContext, clock: Clock): Promise<string> {
  const from = clock.now()
  let opened = false
  for (let why: string | null = null; ; ) {
    tunnel.away({lines: [`Session ${facts.name} waits for a compute node.`, ...(why === null ? [] : [`Why: ${why}.`]), 'It opens here as soon as it is ready.'], retryAt: null})
    const waitsOn = ({job}: JobView) => !opened && (job?.phase === 'pending' || job?.phase === 'held') && clock.now() - from >= MOMENT_MS
    const whyOf = ({silent, waiting}: JobView) => silent ?? waiting
    const view = await watch.until((now) => (now.record?.node || waitsOn(now) || whyOf(now) !== why ? {...now} : null))
    if (view.record?.node) return view.record.node
    if (waitsOn(view)) {
      opened = true
      onWaiting?.(urlOf(facts, tunnel))
    }
    why = whyOf(view)
  }
}

async function waitOverLink(context: WaitContext, deps: Deps): Promise<FoundWay> {
  const {session: {facts, link, engine}, watch, tunnel, signal} = context
  const {tell, clock} = deps
  tell({kind: 'step', id: 'wait', title: `Wait for a node (job ${facts.jobId})`})
  const from = clock.now()
  const node = await nodeOf(context, clock).catch((error: unknown) => {
    throw withReason(error, watch.view.silent ?? watch.view.waiting)
  })
  facts.startedAt ??= new Date(clock.now()).toISOString()
  tell({kind: 'done', text: `Job ${facts.jobId} runs on ${node} (waited ${spokenDuration(clock.now() - from)})`})
  tell({kind: 'step', id: 'jupyter', title: `Start Jupyter on ${node}`})
  tunnel.away({lines: [`Session ${facts.name} is being started.`, 'It opens here as soon as it is ready.'], retryAt: null})
  // Only the running job has a queue, which may have a limit of its own. Nobody waits for it.
  const limit = facts.foreign ? null : ask(link.head.run, engine.limit(facts.jobId!, watch.view.record?.queue ?? null), {signal, timeoutMs: LIMIT_WITHIN_MS}).catch(() => null)
  const within = timeLimit(signal, JUPYTER_WITHIN_MS, new JnodeError('gave-up', `Jupyter on ${node} did not answer within ${spokenDuration(JUPYTER_WITHIN_MS)}`, {hint: 'Its start may hang: try --setup, --module and --conda by hand in a shell on the cluster.'}))
  const way = await reachServer({...context, signal: within}, deps).catch(async (error: unknown) => {
    throw await explained(error, facts, link)
  })
  // Only the job knows which program `auto` has become.
  facts.app = watch.view.record?.app ?? facts.app
  facts.gpus = watch.view.record?.gpus ?? facts.gpus
  // The certificate of somebody else's https server cannot be checked here.
  if (!facts.foreign?.secure) facts.page = await landingPage(facts.app, apiOver(way.open, {...facts, localPort: tunnel.port, ...(facts.foreign && {baseUrl: facts.foreign.baseUrl})})).catch(() => '')
  facts.runSeconds = (await limit) ?? facts.runSeconds
  tell({kind: 'done', text: `Jupyter answers (route ${way.route})`})
  return way
}

/** Saves the facts of a session that is ready, here and on the cluster. */
export async function saveReady({facts, link}: Submitted, deps: Deps, signal: AbortSignal): Promise<void> {
  await noteMachine(facts, link)
  await deps.store.save(facts)
  await deps.ends.forget(facts.cluster, facts.name)
  if (facts.foreign) return
  await ask(link.head.run, updateRemoteFacts(sharedPart(facts)), {signal}).catch((error: unknown) => {
    if (signal.aborted) throw error
    // Another computer then knows a little less; this session is as good as it was.
    deps.tell({kind: 'trace', text: `the session's facts on the cluster were not brought up to date: ${messageOf(error)}`})
  })
}

/** A Jupyter that hangs says why in its log, if anywhere; the log goes when the session is taken back. */
async function explained(error: unknown, facts: SessionFacts, link: ClusterLink): Promise<unknown> {
  if (!(error instanceof JnodeError) || error.code !== 'gave-up') return error
  const log = await endOfLog(link.head, facts, {timeoutMs: 10_000}).catch(() => [])
  return new JnodeError('gave-up', withLog(error.message, log), {...(error.hint ? {hint: error.hint} : {}), cause: error})
}

/** Under --json nothing else tells why a job has waited in vain. */
function withReason(error: unknown, reason: string | null): unknown {
  if (!(error instanceof JnodeError) || error.code !== 'gave-up' || reason === null) return error
  return new JnodeError('gave-up', `${error.message}: ${reason}`, {...(error.hint ? {hint: error.hint} : {}), cause: error})
}

/** The signal, ending also when the user's `--wait` is over. */
export function limited(signal: AbortSignal, waitSeconds: number | null): AbortSignal {
  if (waitSeconds === null) return signal
  return timeLimit(signal, waitSeconds * 1000, new JnodeError('gave-up', `The server was not ready within ${spokenDuration(waitSeconds * 1000)}`, {hint: 'Allow more time with --wait, or ask for less.'}))
}
