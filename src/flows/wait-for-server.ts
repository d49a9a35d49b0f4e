/** From a submitted job to a server that answers through the tunnel: the part that `start` and `connect` share. */
import {JnodeError} from '../errors.ts'
import {landingPage} from '../jupyter/api.ts'
import type {SessionFacts} from '../session/facts.ts'
import {spokenDuration} from '../time.ts'
import type {ClusterLink, Deps} from './deps.ts'
import {endOfLog, withLog} from './log-tail.ts'
import {apiOver, reachServer, type ReachContext, type ServerWay} from './reach-server.ts'

/** A job that runs but whose Jupyter does not answer in this time has something wrong with it. */
const JUPYTER_WITHIN_MS = 300_000

/** Fills in `startedAt` and `page` of the facts. Rejects when the job ends first, or the signal aborts. */
export async function waitForServer({facts, link, watch, tunnel, signal}: ReachContext, deps: Deps): Promise<ServerWay> {
  const {tell, clock} = deps
  tell({kind: 'step', id: 'wait', title: `Wait for a node (job ${facts.jobId})`})
  const from = clock.now()
  const node = await watch.until((now) => now.record?.node ?? null).catch((error: unknown) => {
    throw withReason(error, watch.view.silent ?? watch.view.waiting)
  })
  facts.startedAt ??= new Date(clock.now()).toISOString()
  tell({kind: 'done', text: `Job ${facts.jobId} runs on ${node} (waited ${spokenDuration(clock.now() - from)})`})
  tell({kind: 'step', id: 'jupyter', title: `Start Jupyter on ${node}`})
  const within = timeLimit(signal, JUPYTER_WITHIN_MS, {message: `Jupyter on ${node} did not answer within ${spokenDuration(JUPYTER_WITHIN_MS)}`, hint: 'Its start may hang: try --setup, --module and --conda by hand in a shell on the cluster.'})
  const way = await reachServer({facts, link, watch, tunnel, signal: within}, deps).catch(async (error: unknown) => {
    throw await explained(error, facts, link)
  })
  // Only the job knows which program `auto` has become.
  facts.app = watch.view.record?.app ?? facts.app
  // The certificate of somebody else's https server cannot be checked here.
  if (!facts.foreign?.secure) facts.page = await landingPage(facts.app, apiOver(way.open, {...facts, localPort: tunnel.port, ...(facts.foreign && {baseUrl: facts.foreign.baseUrl})})).catch(() => '')
  tell({kind: 'done', text: `Jupyter answers (route ${way.route})`})
  return way
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
  return timeLimit(signal, waitSeconds * 1000, {message: `The server was not ready within ${spokenDuration(waitSeconds * 1000)}`, hint: 'Allow more time with --wait, or ask for less.'})
}

function timeLimit(signal: AbortSignal, ms: number, {message, hint}: {message: string; hint: string}): AbortSignal {
  const limit = new AbortController()
  const timer = setTimeout(() => limit.abort(new JnodeError('gave-up', message, {hint})), ms)
  timer.unref()
  return AbortSignal.any([signal, limit.signal])
}
