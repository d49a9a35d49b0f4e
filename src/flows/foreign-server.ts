/** Which server is meant of those that a job runs: seen on its node, else told by its log. */
import {ask, type Ask} from '../ask.ts'
import {JnodeError, messageOf} from '../errors.ts'
import {endpointOnNode, readRuntimeFile, RUNTIME_FILES, serversOfJob, type FoundServer} from '../jupyter/job-servers.ts'
import {readLog, type LoggedServer} from '../jupyter/log.ts'
import {quote} from '../shell.ts'
import type {Endpoint} from '../ssh/remote.ts'
import {timeLimit} from '../time.ts'
import type {Answer, ClusterLink, Deps} from './deps.ts'

export interface ServerWanted {
  jobId: string
  node: string
  /** Files of the job to look into. */
  logs: readonly string[]
  /** The server's short name, as typed after the job's number; null when left out. */
  wanted: string | null
  /** Where the one was that this computer was connected to before. */
  before: Endpoint | null
  link: ClusterLink
  /** Null where nobody can be asked. */
  answer: Answer | null
  signal: AbortSignal
}

/** Throws `no-session`, `job-ended` for a Jupyter that has stopped, and `usage` where several are meant and nobody is there to choose. */
export async function foreignServer(asking: ServerWanted, {tell}: Pick<Deps, 'tell'>): Promise<FoundServer> {
  const {jobId, node, logs, link, signal} = asking
  let refused: string | null = null
  const look = (silent: boolean) => lookOnNode(asking, silent).catch((error: unknown) => {
    if (signal.aborted || (error instanceof JnodeError && error.code === 'host-key')) throw error
    refused = messageOf(error)
    tell({kind: 'trace', text: `job ${jobId} could not be looked at on ${node}: ${refused}`})
    return [] as FoundServer[]
  })
  const seen = await look(true)
  if (seen.length > 0) return chosen(seen, asking)
  const told = await ask(link.head.run, serverInLog(jobId, logs), {signal})
  if (told.server) return chosen([told.server], asking)
  // Nobody is asked for a password of the node while the log will do.
  const late = refused !== null && link.canAsk ? await look(false) : []
  if (late.length > 0) return chosen(late, asking)
  if (told.stopped) throw told.stopped
  throw new JnodeError('no-session', refused === null ? `Job ${jobId} runs no Jupyter server on ${node}, and its log tells of none` : `The log of job ${jobId} tells of no Jupyter server, and ${node} cannot be looked at: ${refused}`, {
    hint: 'Wait until Jupyter has started, or look into its log.',
  })
}

/** A firewall that says nothing must not hold up what the log tells at once. */
const LOOK_MS = 8000

async function lookOnNode({jobId, node, link, signal}: ServerWanted, silent: boolean): Promise<FoundServer[]> {
  const within = silent ? timeLimit(signal, LOOK_MS) : signal
  const remote = await link.toNode({names: [node], hostKeys: []}, within, silent)
  try {
    return await ask(remote.run, serversOfJob(jobId), {signal: within})
  } finally {
    await remote.close()
  }
}

/** What a server is called beside its job's number: its port, or the file name of its socket; good for a part of a session's name. */
export function serverLabel(where: string): string {
  return where.replace(/^.*\//, '').replace(/[^A-Za-z0-9_-]/g, '-').slice(-24)
}

function labelOf(endpoint: Endpoint): string {
  return serverLabel(endpoint.kind === 'tcp' ? String(endpoint.port) : endpoint.path)
}

async function chosen(servers: FoundServer[], {jobId, node, wanted, before, answer}: ServerWanted): Promise<FoundServer> {
  const labels = servers.map(({endpoint}) => labelOf(endpoint))
  const at = (label: string | null) => servers[labels.findIndex((each) => each === label)]
  const lines = servers.map(({directory}, i) => (directory === null ? labels[i]! : `${labels[i]} (${directory})`))
  if (wanted !== null) {
    const named = at(wanted)
    if (named) return named
    throw new JnodeError('no-session', `Job ${jobId} runs no Jupyter server ${wanted} on ${node}, but ${lines.join(', ')}`, {hint: `\`jnode connect ${jobId}:${labels[0]}\` connects to ${servers.length > 1 ? 'the first of them' : 'it'}.`})
  }
  const only = servers.length === 1 ? servers[0] : before && at(labelOf(before))
  if (only) return only
  if (!answer) throw new JnodeError('usage', `Job ${jobId} runs ${servers.length} Jupyter servers on ${node}: ${lines.join(', ')}`, {hint: `Say which one: \`jnode connect ${jobId}:${labels[0]}\`.`})
  return servers[lines.indexOf(await answer(`Job ${jobId} runs ${servers.length} Jupyter servers. Which one?`, lines[0]!, lines))]!
}

const MARK = '@@jnode-file'

/** The first log that tells of a server, and the token from Jupyter's runtime files where the log hides it. */
export function serverInLog(jobId: string, logs: readonly string[]): Ask<{server: FoundServer | null; stopped: JnodeError | null}> {
  return {
    script: `${RUNTIME_FILES}
for file in ${logs.map(quote).join(' ')}; do
  [ -f "$file" ] && { printf '\\n%s log\\n' '${MARK}'; tail -c 200000 "$file"; }
done
runtime_files | while IFS= read -r file; do printf '\\n%s runtime\\n' '${MARK}'; head -c 65536 "$file"; done
exit 0`,
    read({stdout}) {
      const parts = stdout.split(`\n${MARK} `).slice(1)
      const texts = (kind: string) => parts.filter((part) => part.startsWith(`${kind}\n`)).map((part) => part.slice(kind.length + 1))
      for (const log of texts('log')) {
        const read = readLog(log)
        if (read.state === 'ready' && read.server.endpoint) return {server: withToken(read.server, texts('runtime')), stopped: null}
        if (read.state === 'stopped') return {server: null, stopped: new JnodeError('job-ended', `The Jupyter of job ${jobId} has stopped: ${read.text}`, {hint: 'Its log tells more; start it again there, or a session of your own with `jnode start`.'})}
      }
      return {server: null, stopped: null}
    },
  }
}

/** Nodes share a home, so where several servers have the same port the token of none is taken. */
function withToken({endpoint, secure, baseUrl, token, open}: LoggedServer, runtimeFiles: string[]): FoundServer {
  const server = {endpoint: endpointOnNode(endpoint!), secure, baseUrl, token, directory: null}
  if (token !== null || open) return server
  const label = labelOf(server.endpoint)
  const files = runtimeFiles.map(readRuntimeFile).filter((file) => file?.endpoint.kind === server.endpoint.kind && labelOf(file.endpoint) === label)
  return files.length === 1 ? {...server, token: files[0]!.token, directory: files[0]!.directory} : server
}
