/**
 * A Jupyter job that jnode did not start: its node comes from qstat, its server from its log and from Jupyter's own
 * runtime files. There is no proof to ask for, so what is checked is that the listener on the node is this user's.
 */
import {ask, type Ask} from '../ask.ts'
import type {ClusterTarget} from '../config/cluster.ts'
import {JnodeError} from '../errors.ts'
import type {JupyterApi} from '../jupyter/api.ts'
import {readLog, type LoggedServer} from '../jupyter/log.ts'
import type {JobRecord} from '../jupyter/record.ts'
import type {SessionFacts} from '../session/facts.ts'
import type {GridEngine} from '../sge/client.ts'
import type {Job} from '../sge/qstat.ts'
import {quote} from '../shell.ts'
import type {Remote} from '../ssh/remote.ts'
import type {Clock} from '../time.ts'

type Foreign = NonNullable<SessionFacts['foreign']>

/** What stands in for the job's own record; null for a session of ours. */
export function foreignRecord({foreign, jobId, slots, app}: SessionFacts): JobRecord | null {
  if (!foreign) return null
  const {node, endpoint} = foreign
  return {
    start: null, jobId, queue: null, node, names: [node], addresses: [], slots, tmpdir: null, gpus: null, hostKeys: [], endpoint, app, listening: true,
    baseUrl: foreign.baseUrl, version: null, startedAt: null, endedAt: null, signals: [], legs: {}, end: null,
  }
}

/** `job-12` is what a job that is no session of ours is called here. */
export function foreignName(jobId: string): string {
  return `job-${jobId}`
}

export function foreignJobId(name: string): string | null {
  return /^job-(\d+)$/.exec(name)?.[1] ?? null
}

interface ForeignJob {
  /** As in the user's own list; undefined when it is not there. */
  job: Job | undefined
  jobId: string
  head: Remote
  engine: GridEngine
  user: string
  cluster: ClusterTarget
  signal: AbortSignal
}

/** All that can be found out about such a job. Throws `no-session`, `not-yours`. */
export async function foreignFacts({job, jobId, head, engine, user, cluster, signal}: ForeignJob): Promise<SessionFacts> {
  const files = await ask(head.run, engine.files(jobId), {signal})
  if (!files) throw new JnodeError('no-session', `Grid Engine on ${head.label} knows no job ${jobId}`, {hint: '`jnode list` shows your sessions, `qstat` on the head node all your jobs.'})
  if (files.owner !== user) throw new JnodeError('not-yours', `Job ${jobId} belongs to ${files.owner}, not to you`, {hint: '`jnode list` shows what is yours.'})
  if (!job?.node) throw new JnodeError('no-session', `Job ${jobId} is not running yet${job ? ` (state ${job.letters})` : ''}`, {hint: 'Try again when it runs.'})
  const server = await ask(head.run, findServer(jobId, files.logs), {signal})
  return {
    version: 1,
    id: `foreign-${jobId}`,
    name: foreignName(jobId),
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
    localPort: null,
    page: '',
    gpus: null,
    token: server.token ?? '',
    foreign: {node: job.node, endpoint: endpointOnNode(server), baseUrl: server.baseUrl, secure: server.secure},
  }
}

const MARK = '@@jnode-file'

/** The first log that tells of a server, and the token from Jupyter's runtime files where the log hides it. */
export function findServer(jobId: string, logs: readonly string[]): Ask<LoggedServer> {
  return {
    script: `for file in ${logs.map(quote).join(' ')}; do
  [ -f "$file" ] && { printf '\\n%s log\\n' '${MARK}'; tail -c 200000 "$file"; }
done
dir=\${JUPYTER_RUNTIME_DIR:-\${JUPYTER_DATA_DIR:-$HOME/.local/share/jupyter}/runtime}
for file in "$dir"/jpserver-*.json "$dir"/nbserver-*.json; do
  [ -f "$file" ] && { printf '\\n%s runtime\\n' '${MARK}'; cat "$file"; }
done
exit 0`,
    read({stdout}) {
      const parts = stdout.split(`\n${MARK} `).slice(1)
      const texts = (kind: string) => parts.filter((part) => part.startsWith(`${kind}\n`)).map((part) => part.slice(kind.length + 1))
      for (const log of texts('log')) {
        const read = readLog(log)
        if (read.state === 'ready' && read.server.endpoint) return withToken(read.server, texts('runtime'))
        if (read.state === 'stopped') throw new JnodeError('job-ended', `The Jupyter of job ${jobId} has stopped: ${read.text}`, {hint: 'Its log tells more; start it again there, or a session of your own with `jnode start`.'})
      }
      throw new JnodeError('no-session', `Job ${jobId} tells of no Jupyter server in its log`, {
        hint: texts('log').length === 0 ? 'Its log could not be found or read.' : 'Wait until Jupyter has started, or look into its log.',
      })
    },
  }
}

function withToken(server: LoggedServer, runtimeFiles: string[]): LoggedServer {
  if (server.token !== null || server.open) return server
  const {endpoint} = server
  for (const text of runtimeFiles) {
    const file = parse(text)
    const same = endpoint?.kind === 'tcp' ? file['port'] === endpoint.port : file['sock'] === endpoint?.path
    if (same && typeof file['token'] === 'string') return {...server, token: file['token']}
  }
  return server
}

function parse(text: string): Record<string, unknown> {
  try {
    return JSON.parse(text) as Record<string, unknown>
  } catch {
    return {} // another file, or one being written
  }
}

/** The address to dial on the node itself: `*` and loopback names are the node's own. */
export function endpointOnNode({endpoint}: LoggedServer): Foreign['endpoint'] {
  if (endpoint?.kind !== 'tcp') return endpoint!
  const own = ['*', '0.0.0.0', '::', 'localhost', ''].includes(endpoint.host)
  return own ? {...endpoint, host: '127.0.0.1'} : endpoint
}

const ANSWERS_WITHIN_MS = 30_000

/** Asks until the server answers. A certificate of its own cannot be checked here, so an https server is left to the browser. */
export async function foreignAnswers({secure}: Foreign, api: JupyterApi, {clock, signal}: {clock: Clock; signal: AbortSignal}): Promise<void> {
  if (secure) return
  const deadline = clock.now() + ANSWERS_WITHIN_MS
  for (;;) {
    try {
      await api.status({signal, timeoutMs: 5000})
      return
    } catch (error) {
      if (!(error instanceof JnodeError) || error.code !== 'connection-lost' || clock.now() > deadline) throw error
    }
    await clock.sleep(200, signal)
  }
}
