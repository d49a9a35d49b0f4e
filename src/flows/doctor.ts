/** `jnode doctor`: every step of `start`, one after the other, by the same code; each with what was seen and what mends it. */
import type {StartOptions} from '../config/start-options.ts'
import type {JnodeError} from '../errors.ts'
import {whoCanConnect} from '../peer.ts'
import {checkList, type Check, type CheckList} from './checks.ts'
import type {Deps} from './deps.ts'
import {checkLogin} from './login-checks.ts'
import {checkSite} from './site-checks.ts'
import type {OpenSession} from './open-session.ts'
import {EAGER} from './pace.ts'
import {tryEveryRoute} from './routes.ts'
import {start} from './start.ts'
import {stopOpenSession} from './stop.ts'
import {watchJob} from './watch-job.ts'

export interface DoctorInput {
  /** Reads the configuration; throws `usage`, `config`. */
  resolve(): Promise<{name: string; options: StartOptions}>
  /** The ssh program that is asked for ssh's configuration: its version, null where there is none. */
  sshVersion(): Promise<string | null>
  /** Run a job for a moment, to see the node, Jupyter and the route as well. */
  job: boolean
  signal: AbortSignal
}

export interface Diagnosis {
  cluster: string | null
  checks: readonly Check[]
  failure: JnodeError | null
}

const WAIT_SECONDS = 300
const RUN_SECONDS = 600

const JOB_STEPS = ['job', 'routes']
const SITE_STEPS = ['login shell', 'Grid Engine', 'scheduler', 'parallel environment', 'memory', 'home directory', 'Jupyter', 'kernels']

export async function doctor(input: DoctorInput, deps: Deps): Promise<Diagnosis> {
  const checks = checkList(deps.clock)
  const resolved = await checks.attempt('configuration', input.resolve, ({options: {cluster}}) => `cluster ${cluster.name}, head node ${cluster.label}`)
  checks.note('local port', `can be reached by ${whoCanConnect()}`)
  if (resolved) await checkCluster(input, resolved, checks, deps)
  return {cluster: resolved?.options.cluster.name ?? null, checks: checks.list, failure: checks.failure()}
}

async function checkCluster({sshVersion, job, signal}: DoctorInput, {name, options}: {name: string; options: StartOptions}, checks: CheckList, deps: Deps): Promise<void> {
  const {cluster} = options
  if (cluster.kind === 'ssh') {
    deps.tell({kind: 'step', id: 'login', title: `Log in to ${cluster.label}`})
    const version = await sshVersion()
    if (version !== null) checks.note('ssh program', version)
    else checks.note('ssh program', 'there is none; ~/.ssh/config is read without it, less Match exec and canonical names', {action: 'Install OpenSSH’s client.'})
  }
  const link = await checkLogin(options, checks, {signal, connect: deps.connect})
  if (!link) return [...SITE_STEPS, ...JOB_STEPS].forEach((step) => checks.skip(step, 'not reached: no login to the head node'))
  try {
    deps.tell({kind: 'step', id: 'check', title: `Look at ${cluster.label}`})
    await checkSite(options, link, checks, {signal})
    const why = !job ? '`jnode doctor --job` runs a job for a moment' : checks.failure() ? 'a step before it failed' : null
    if (why === null) await checkJob({name, options, signal}, checks, deps)
    else JOB_STEPS.forEach((step) => checks.skip(step, `not tried: ${why}`))
  } finally {
    // The job's session goes over it too: one login per hop.
    await link.close()
  }
}

/** A session as `start` makes it, ended as soon as a byte has come through. */
async function checkJob(input: {name: string; options: StartOptions; signal: AbortSignal}, checks: CheckList, deps: Deps): Promise<void> {
  // A job that waits for long would be no answer, and a short one is started sooner.
  const options = {...input.options, waitSeconds: input.options.waitSeconds ?? WAIT_SECONDS, runSeconds: input.options.runSeconds ?? RUN_SECONDS}
  const session = await checks.attempt('job', () => start({...input, options}, deps), ({facts, way}) => `job ${facts.jobId} ran on ${way.nodeName}, Jupyter (${facts.app}) answered by route ${way.route}`)
  if (!session) return checks.skip('routes', 'not reached: the session did not get ready')
  try {
    await checkRoutes(session, checks, deps, input.signal)
  } finally {
    try {
      await stopOpenSession(session, deps, input.signal)
    } finally {
      await session.way.close()
      await session.tunnel.close()
      await session.link.close()
    }
  }
}

/** A byte through each route; that one does not work is no failure where another does. */
async function checkRoutes(session: OpenSession, checks: CheckList, deps: Deps, signal: AbortSignal): Promise<void> {
  const {facts, link, way} = session
  const watch = watchJob({...session, head: link.head, clock: deps.clock, tell: deps.tell, signal}, EAGER)
  try {
    const record = await watch.until((now) => (now.record?.node ? now.record : null))
    await tryEveryRoute({facts, link, watch, record, nodeName: way.nodeName, endpoint: way.endpoint, signal, deps}, ({route, works, seen, ask}) => {
      if (works) checks.note(`route ${route}`, 'the server’s proof came through it')
      else checks.note(`route ${route}`, seen, {action: ask === null ? null : `To have this one too, ask the cluster’s support for ${ask}.`})
    })
  } finally {
    watch.stop()
  }
}
