/**
 * From a running job to a tunnel that is proved to end at its server: find a route to it, and give the local port that
 * way. Used by `start`, `connect` and every reconnect.
 */
import {messageOf} from '../errors.ts'
import type {JobRecord} from '../jupyter/record.ts'
import type {Tunnel} from '../tunnel/tunnel.ts'
import type {Endpoint} from '../ssh/remote.ts'
import type {Deps} from './deps.ts'
import {ROUTE_ORDER, routeNamed, Stranger, type RouteTrial, type ServerWay} from './route-context.ts'
import {findRoute, noRoute, type Ground, type RouteSearch} from './routes.ts'
import type {Submitted} from './submit.ts'
import type {JobWatch} from './watch-job.ts'

export interface ReachContext {
  session: Pick<Submitted, 'facts' | 'link'>
  watch: JobWatch
  tunnel: Tunnel
  signal: AbortSignal
  /** A node that is out of reach for a moment says nothing of the cluster: the route taken meanwhile is not remembered. */
  again?: boolean
}

/** The way that was taken, and what is known of all the others. */
export interface FoundWay extends Omit<ServerWay, 'lost'> {
  /** As of the way; a stranger who has answered in the server's place says so. */
  lost: Promise<string | Stranger>
  /** Of which of the job's starts the server is; null where that is not known. */
  start: string | null
  trials: RouteTrial[]
}

/** A server on a port has no socket to be reached by: the way to it says nothing of the others. */
const isUsual = ({facts, endpoint}: Pick<Ground, 'facts' | 'endpoint'>) => !facts.foreign && endpoint.kind === 'socket'

/** Finds a route to the job's server, proves that it is ours, and routes the tunnel to it. Follows the endpoint if it moves. Throws `no-route`. */
export async function reachServer({session: {facts, link}, watch, tunnel, signal, again = false}: ReachContext, deps: RouteDeps): Promise<FoundWay> {
  const memory = await deps.routes.load(facts.cluster)
  const asked = routeNamed(facts.route)
  for (;;) {
    const record = await watch.until((now) => (now.record?.node ? now.record : null))
    const nodeName = record.node!
    const endpoint = await watch.until((now) => now.record?.endpoint ?? null)
    const giveUp = new AbortController()
    const moved = watch.until((now) => (isAnotherStart(now, record) || !sameEndpoint(now.record?.endpoint ?? null, endpoint) ? ('moved' as const) : null))
    const ground = {facts, link, watch, record, nodeName, endpoint, signal: AbortSignal.any([signal, giveUp.signal]), deps}
    const search = findRoute(ground, {asked, last: routeNamed(memory?.route)})
    try {
      const found = await Promise.race([search, moved])
      if (found === 'moved') {
        search.then(({way}) => way?.close()).catch(() => {})
        continue
      }
      const trials = allTrials(found, (memory?.trials ?? []) as RouteTrial[])
      const route = found.way?.route ?? null
      // The first of all needs no memory.
      if (asked === null && !again && isUsual(ground)) await deps.routes.save(facts.cluster, route === ROUTE_ORDER[0] ? null : {route, trials})
      if (found.way === null) throw noRoute(found, ground)
      const way = lostWhenRefused(found.way)
      tunnel.route(way.open, {secure: facts.foreign?.secure ?? false})
      return {...way, trials, start: record.start}
    } finally {
      giveUp.abort()
      search.catch(() => {})
      moved.catch(() => {})
    }
  }
}

const REFUSALS = 3

/**
 * The way, lost also when streams are refused one after the other although nothing that it goes over has ended, as by a firewall; and
 * at once when somebody else has answered one.
 */
function lostWhenRefused(way: ServerWay): Omit<FoundWay, 'start' | 'trials'> {
  let refusals = 0
  let lose!: (why: string | Stranger) => void
  const refused = new Promise<string | Stranger>((resolve) => (lose = resolve))
  const open: ServerWay['open'] = async (signal) => {
    try {
      const stream = await way.open(signal)
      refusals = 0
      return stream
    } catch (error) {
      if (signal?.aborted) throw error
      if (error instanceof Stranger) lose(error)
      else if (++refusals === REFUSALS) lose(`route ${way.route}: ${messageOf(error)}`)
      throw error
    }
  }
  return {...way, open, lost: Promise.race([way.lost, refused])}
}

/** Whether Grid Engine has begun the job once more since, perhaps on another node, or is about to. */
export function isAnotherStart({record}: {record: Pick<JobRecord, 'start'> | null}, {start}: Pick<JobRecord, 'start'>): boolean {
  return start !== null && record?.start !== start
}

/** The one route that was asked for or worked last on this cluster, else the first of all; null where it does not work. */
export async function knownRoute(ground: Ground, deps: Pick<Deps, 'routes'>): Promise<ServerWay | null> {
  const memory = await deps.routes.load(ground.facts.cluster)
  const asked = routeNamed(ground.facts.route) ?? routeNamed(memory?.route) ?? (ground.endpoint.kind === 'socket' ? 'socket' : 'node')
  return (await findRoute(ground, {asked, last: null})).way
}

type RouteDeps = Ground['deps'] & Pick<Deps, 'routes'>

/** Why the safer routes fell out stays known while the one that worked before is taken at once. */
function allTrials({way, trials}: RouteSearch, before: RouteTrial[]): RouteTrial[] {
  return ROUTE_ORDER.flatMap((route) => trials.find((trial) => trial.route === route) ?? before.find((trial) => trial.route === route && !trial.works && route !== way?.route) ?? [])
}

function sameEndpoint(a: Endpoint | null, b: Endpoint): boolean {
  return JSON.stringify(a) === JSON.stringify(b)
}
