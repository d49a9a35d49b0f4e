/**
 * A Jupyter job that jnode did not start: its node comes from qstat, its server from the node's processes or the job's log. There
 * is no proof to ask for, so what is checked is that the listener on the node is this user's.
 */
import {ask} from '../ask.ts'
import type {ClusterTarget} from '../config/cluster.ts'
import {JnodeError} from '../errors.ts'
import type {JupyterApi} from '../jupyter/api.ts'
import type {JobRecord} from '../jupyter/record.ts'
import type {SessionFacts} from '../session/facts.ts'
import type {GridEngine} from '../sge/client.ts'
import type {Job} from '../sge/qstat.ts'
import type {Clock} from '../time.ts'
import type {Answer, ClusterLink, Deps} from './deps.ts'
import {foreignServer, serverLabel} from './foreign-server.ts'
import {Stranger} from './route-context.ts'

type Foreign = NonNullable<SessionFacts['foreign']>

/** What stands in for the job's own record; null for a session of ours. */
export function foreignRecord({foreign, jobId, slots, app}: SessionFacts): JobRecord | null {
  if (!foreign) return null
  const {node, endpoint} = foreign
  return {
    start: null, jobId, queue: null, node, names: [node], addresses: [], slots, tmpdir: null, gpus: null, hostKeys: [], hostKeysFrom: null, endpoint, app, listening: true,
    baseUrl: foreign.baseUrl, version: null, startedAt: null, endedAt: null, signals: [], silentKernels: [], legs: {}, end: null,
  }
}

/** `job-12` is what a job that is no session of ours is called here; `job-12-8889` where it was said which of its servers. */
export function foreignName(jobId: string, server: string | null = null): string {
  return server === null ? `job-${jobId}` : `job-${jobId}-${server}`
}

/** The job and, where it was said, the server that such a name means; null for any other name. */
export function foreignJob(name: string): {jobId: string; server: string | null} | null {
  const [, jobId, server] = /^job-(\d+)(?:-(.+))?$/.exec(name) ?? []
  return jobId === undefined ? null : {jobId, server: server ?? null}
}

/** `12:8889` as typed, in the form of a session's name; anything else unchanged. */
export function withForeignName(typed: string): string {
  const [, jobId, server] = /^(\d+):(?:.*\/)?([^/]+)$/.exec(typed) ?? []
  return jobId === undefined ? typed : foreignName(jobId, serverLabel(server!))
}

interface ForeignJob {
  name: string
  /** In the user's own list; undefined when it is not there. */
  job: Job | undefined
  link: ClusterLink
  engine: GridEngine
  user: string
  cluster: ClusterTarget
  /** What this computer remembers of it. */
  mine: SessionFacts | null
  answer: Answer | null
  signal: AbortSignal
}

/** All that can be found out about such a job. Throws `no-session`, `not-yours`, `usage`. */
export async function foreignFacts({name, job, link, engine, user, cluster, mine, answer, signal}: ForeignJob, deps: Pick<Deps, 'tell'>): Promise<SessionFacts> {
  const {head} = link
  const {jobId, server: wanted} = foreignJob(name)!
  const files = await ask(head.run, engine.files(jobId), {signal})
  if (!files) throw new JnodeError('no-session', `Grid Engine on ${head.label} knows no job ${jobId}`, {hint: '`jnode list` shows your sessions, `qstat` on the head node all your jobs.'})
  if (files.owner !== user) throw new JnodeError('not-yours', `Job ${jobId} belongs to ${files.owner}, not to you`, {hint: '`jnode list` shows what is yours.'})
  if (!job?.node) throw new JnodeError('no-session', `Job ${jobId} is not running yet${job ? ` (state ${job.letters})` : ''}`, {hint: 'Try again when it runs.'})
  const id = `foreign-${name}`
  const own = mine?.id === id ? mine : null
  const server = await foreignServer({jobId, node: job.node, logs: files.logs, wanted, before: own?.foreign?.endpoint ?? null, link, answer, signal}, deps)
  return {
    version: 1,
    id,
    name,
    cluster: cluster.name,
    hops: cluster.hops,
    host: head.label,
    jobId,
    jobName: files.name,
    slots: job.slots,
    memoryBytes: null,
    runSeconds: null,
    app: 'unknown',
    remoteDir: '',
    submittedAt: new Date().toISOString(),
    startedAt: null,
    localPort: own?.localPort ?? null,
    page: '',
    gpus: null,
    token: server.token ?? '',
    foreign: {node: job.node, endpoint: server.endpoint, baseUrl: server.baseUrl, secure: server.secure},
  }
}

const ANSWERS_WITHIN_MS = 30_000

/**
 * Asks until the server answers, also with a login page. A certificate of its own cannot be checked here, so an https
 * server is left to the browser.
 */
export async function foreignAnswers({secure}: Foreign, api: JupyterApi, {clock, signal}: {clock: Clock; signal: AbortSignal}): Promise<void> {
  if (secure) return
  const deadline = clock.now() + ANSWERS_WITHIN_MS
  for (;;) {
    try {
      await api.letsIn({signal, timeoutMs: 5000})
      return
    } catch (error) {
      if (!(error instanceof JnodeError) || error.code !== 'connection-lost' || clock.now() > deadline) throw error
      if (error.cause instanceof Stranger) throw error.cause
    }
    await clock.sleep(200, signal)
  }
}

/**
 * Tells of one that asks for a password, or has another token than it once had (the browser shows its login page), and
 * of one that asks nobody for anything. `apiWith`: its interface, asked with this token.
 */
export async function tellOfLogin(facts: SessionFacts, apiWith: (token: string) => Pick<JupyterApi, 'letsIn'>, {tell}: Pick<Deps, 'tell'>): Promise<void> {
  const {jobId, foreign, token} = facts
  const {node, endpoint, secure} = foreign!
  if (secure) return
  const isOpen = await apiWith('').letsIn().catch(() => null)
  if (isOpen) {
    const who = endpoint.kind === 'tcp' ? `everybody on ${node}` : 'everybody who can open a connection to it'
    tell({kind: 'warning', text: `The Jupyter of job ${jobId} has no token and no password: ${who} can run programs as you`, hint: 'Start it with a token or a password; without either, connect only where you trust everybody.'})
  } else if (isOpen === false && (token === '' || !(await apiWith(token).letsIn().catch(() => true)))) {
    facts.token = ''
    tell({kind: 'warning', text: `The Jupyter of job ${jobId} asks for its password`, hint: 'Its page in the browser asks you for it.'})
  }
}
