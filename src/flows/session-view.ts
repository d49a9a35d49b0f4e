/** A session as `--json` shows it and views print it: the record of the interface. Unknown values are null. */
import {JnodeError} from '../errors.ts'
import {isName} from '../origin.ts'
import type {Activity} from '../jupyter/activity.ts'
import type {SessionFacts} from '../session/facts.ts'
import type {Tunnel} from '../tunnel/tunnel.ts'
import type {Deps} from './deps.ts'
import type {RouteTrial} from './route-context.ts'
import type {KeeperStatus, TunnelState} from './keepers.ts'
import type {SessionState, SessionStatus} from './status.ts'
import {endOf} from './warn-of-end.ts'

export interface SessionView {
  name: string
  cluster: string
  host: string
  jobId: string | null
  state: SessionState
  reason: string | null
  node: string | null
  slots: number | null
  gpus: string | null
  /** What its kernels listen on; null where jnode did not start the server. */
  kernelTransport: 'ipc' | 'tcp' | null
  route: string | null
  /** What is known of each route that was tried on this cluster, the safest first. */
  routes: RouteTrial[] | null
  localPort: number | null
  url: string | null
  tunnel: TunnelState
  submittedAt: string | null
  startedAt: string | null
  endsAt: string | null
  app: string | null
  log: string | null
  keeperPid: number | null
  /** ISO 8601, the node's clock, a minute late at most: when a cell ran, something was typed into a terminal or a file was saved. */
  lastActivityAt: string | null
  /** A cell runs, or a program in a terminal. */
  busy: boolean | null
}

/** `url` holds the token: it goes to stdout when asked for, and nowhere else. */
export function viewOf(facts: SessionFacts, status: SessionStatus, keeper: KeeperStatus | null, activity: Activity | null = null): SessionView {
  const {startedAt} = facts
  const end = endOf(facts)
  const localPort = keeper?.localPort ?? facts.localPort
  return {
    name: facts.name,
    cluster: facts.cluster,
    host: facts.host,
    jobId: facts.jobId,
    state: status.state,
    reason: status.reason ?? keeper?.reason ?? null,
    node: status.node,
    slots: facts.slots,
    gpus: facts.gpus,
    kernelTransport: facts.foreign ? null : (facts.kernelTransport ?? 'tcp'),
    route: keeper?.route ?? null,
    routes: keeper?.routes ?? null,
    localPort,
    url: keeper ? urlOf(facts, {host: keeper.localHost, port: keeper.localPort}) : null,
    tunnel: keeper?.tunnel ?? 'closed',
    submittedAt: facts.submittedAt,
    startedAt,
    endsAt: end === null ? null : new Date(end).toISOString(),
    app: facts.app,
    log: facts.foreign ? null : `${facts.remoteDir}/log`,
    keeperPid: keeper?.pid ?? null,
    lastActivityAt: activity && new Date(activity.at).toISOString(),
    busy: activity && activity.busy,
  }
}

/** At a name the tunnel reads what is asked, and speaks TLS to the server itself. */
export function urlOf(facts: SessionFacts, {host, port}: Pick<Tunnel, 'host' | 'port'>): string {
  const {secure = false, baseUrl = '/'} = facts.foreign ?? {}
  return `${secure && !isName(host) ? 'https' : 'http'}://${host}:${port}${baseUrl}${facts.page}${facts.token === '' ? '' : `?token=${encodeURIComponent(facts.token)}`}`
}

/** The session's view when a keeper of this computer has its tunnel connected; null otherwise. Nobody else is asked. */
export async function heldView(cluster: string, name: string, deps: Deps): Promise<SessionView | null> {
  const keeper = await deps.keepers.find(cluster, name)
  const facts = keeper && (await deps.store.load(cluster, name))
  if (!facts || keeper.status.tunnel !== 'connected') return null
  return viewOf(facts, {state: 'ready', reason: null, node: keeper.status.node}, keeper.status)
}

/** The one session with an open tunnel that is meant. Throws `no-session`, or `usage` when the choice is not clear. */
export async function openTunnelOf({name, cluster}: {name: string | null; cluster: string | null}, deps: Deps): Promise<{name: string; url: string}> {
  const {sessions} = await deps.store.list()
  const here = sessions.filter((facts) => (name === null || facts.name === name || facts.jobId === name) && (cluster === null || facts.cluster === cluster))
  const views = (await Promise.all(here.map((facts) => heldView(facts.cluster, facts.name, deps)))).filter((view) => view !== null)
  if (views.length > 1) throw new JnodeError('usage', `Which session? There are ${views.length}: ${views.map((view) => view.name).join(', ')}`, {hint: 'Give its name.'})
  const only = views[0]
  if (only) return {name: only.name, url: only.url!}
  if (here.length > 0) throw new JnodeError('no-session', `The tunnel of ${here[0]!.name} is not open`, {hint: `Open it with \`jnode connect ${here[0]!.name}\`.`})
  throw new JnodeError('no-session', name === null ? 'No session is known on this computer' : `No session "${name}" is known on this computer`, {
    hint: name === null ? 'Start one with `jnode start`.' : `If another computer started it, \`jnode connect ${name}\` brings it here.`,
  })
}
