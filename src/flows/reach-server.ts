/**
 * From a running job to a tunnel that is proved to end at its server: log in to the node, route the local port
 * to the endpoint, ask who answers before any secret is shown. Used by `start`, `connect` and every reconnect.
 */
import {ask} from '../ask.ts'
import {JnodeError} from '../errors.ts'
import {fetchOver} from '../http.ts'
import {jupyterApi, type ApiOptions, type JupyterApi} from '../jupyter/api.ts'
import type {JobRecord} from '../jupyter/record.ts'
import type {Endpoint, Remote} from '../ssh/remote.ts'
import type {Clock} from '../time.ts'
import type {OpenToServer, Tunnel} from '../tunnel/tunnel.ts'
import {foreignAnswers} from './foreign.ts'
import type {Deps, NodeAddress} from './deps.ts'
import type {Submitted} from './submit.ts'
import type {JobView, JobWatch} from './watch-job.ts'

/** The routes that exist so far, by what the server listens on. */
export type RouteName = 'socket' | 'node'

export interface ServerWay {
  route: RouteName
  node: Remote
  /** As the job names its host. */
  nodeName: string
  endpoint: Endpoint
  open: OpenToServer
}

export function nodeAddress(record: JobRecord): NodeAddress {
  const hostKeys = record.hostKeys.map(({type, key}) => `${type} ${key}`)
  // An address may be anybody's in another network; with the node's own keys to compare it can be tried.
  return {names: hostKeys.length > 0 ? [...record.names, ...record.addresses] : record.names, hostKeys}
}

/** A way to the endpoint as the job recorded it, through the node's own sshd. */
export function wayTo(endpoint: Endpoint, node: Remote, nodeName: string): ServerWay {
  return {route: endpoint.kind === 'socket' ? 'socket' : 'node', node, nodeName, endpoint, open: () => node.open(endpoint)}
}

/**
 * Throws `no-route` when the listener on a TCP port of the node is not this user's: any user of the node may
 * take a port that our server has left, and must not be shown a token. (A socket in a 0700 directory needs no such proof.)
 * The kernel tells the owner in the eighth column of /proc/net/tcp; ports stand there in hex, listeners as state 0A.
 */
export async function checkListenerOwner(way: ServerWay, signal?: AbortSignal): Promise<void> {
  if (way.endpoint.kind !== 'tcp') return
  const hex = way.endpoint.port.toString(16).toUpperCase().padStart(4, '0')
  const script = `awk -v port=:${hex} '$4 == "0A" && substr($2, length($2) - 4) == port {print $8}' /proc/net/tcp /proc/net/tcp6 2>/dev/null; echo "me $(id -u)"`
  const {owners, me} = await ask(
    way.node.run,
    {
      script,
      read({stdout}) {
        const lines = stdout.trim().split('\n')
        return {owners: lines.filter((line) => /^\d+$/.test(line)), me: /^me (\d+)$/m.exec(stdout)?.[1]}
      },
    },
    {...(signal ? {signal} : {})},
  )
  if (owners.some((owner) => owner !== me)) {
    throw new JnodeError('no-route', `Port ${way.endpoint.port} of ${way.node.label} belongs to another user`, {
      hint: 'Stop this session and start again; with --route socket no port is used at all.',
    })
  }
}

/** Who a server is asked as, and over which way. `baseUrl` names the local port only because that is what a browser would send. */
export function apiOver(open: OpenToServer, {token, localPort, baseUrl = '/'}: {token: string; localPort: number | null; baseUrl?: string}): ApiOptions {
  return {baseUrl: `http://127.0.0.1:${localPort ?? 8888}${baseUrl}`, token, fetch: fetchOver(open)}
}

export interface ReachContext {
  session: Pick<Submitted, 'facts' | 'link'>
  watch: JobWatch
  tunnel: Tunnel
  signal: AbortSignal
}

/** Logs in to the job's node, proves that the server there is ours, and only then routes the tunnel to it. Follows the endpoint if it moves. */
export async function reachServer({session: {facts, link}, watch, tunnel, signal}: ReachContext, deps: Pick<Deps, 'clock'>): Promise<ServerWay> {
  const record = await watch.until((now) => (now.record?.node ? now.record : null))
  const nodeName = record.node!
  const node = await link.toNode(nodeAddress(record), signal)
  for (;;) {
    const endpoint = await watch.until((now) => now.record?.endpoint ?? null)
    const way = wayTo(endpoint, node, nodeName)
    await checkListenerOwner(way, signal)
    const giveUp = new AbortController()
    const moved = watch.until((now) => (isAnotherStart(now, record) ? 'started again' : sameEndpoint(now.record?.endpoint ?? null, endpoint) ? null : 'moved'))
    const lost = node.closed.then((why) => {
      throw new JnodeError('connection-lost', `The connection to ${node.label} was lost: ${why}`)
    })
    const api = jupyterApi(apiOver(way.open, {...facts, localPort: tunnel.port, ...(facts.foreign && {baseUrl: facts.foreign.baseUrl})}))
    const tools = {...deps, signal: AbortSignal.any([signal, giveUp.signal])}
    const answers = facts.foreign ? foreignAnswers(facts.foreign, api, tools) : serverAnswers(api, tools)
    try {
      const what = await Promise.race([answers, moved, lost])
      if (what === 'started again') return await reachServer({session: {facts, link}, watch, tunnel, signal}, deps)
      if (what !== 'moved') {
        tunnel.route(way.open)
        return way
      }
    } finally {
      giveUp.abort()
      answers.catch(() => {})
      moved.catch(() => {})
      lost.catch(() => {})
    }
  }
}

/** Whether Grid Engine has begun the job once more since, perhaps on another node, or is about to. */
export function isAnotherStart({record}: Pick<JobView, 'record'>, {start}: Pick<JobRecord, 'start'>): boolean {
  return start !== null && record?.start !== start
}

function sameEndpoint(a: Endpoint | null, b: Endpoint): boolean {
  return JSON.stringify(a) === JSON.stringify(b)
}

const PROBE_MS = 80

/** Asks until our server answers and takes our token. Throws `no-route` when another one answers. */
async function serverAnswers(api: JupyterApi, {clock, signal}: {clock: Clock; signal: AbortSignal}): Promise<void> {
  let foreign = 0
  for (;;) {
    const who = await api.identify({signal, timeoutMs: 10_000})
    if (who.kind === 'ours') {
      await api.status({signal, timeoutMs: 10_000})
      return
    }
    if (who.kind === 'foreign' && ++foreign > 20) {
      throw new JnodeError('no-route', `Something that is not this session’s Jupyter answers at its endpoint (${who.why})`, {
        hint: 'Stop this session and start it again.',
      })
    }
    await clock.sleep(PROBE_MS, signal)
  }
}
