/** What each route is tried with, and how a trial is told: what was seen, and what to ask the cluster's support for. */
import type {Duplex} from 'node:stream'
import {JnodeError} from '../errors.ts'
import {fetchOver} from '../http.ts'
import type {ApiOptions} from '../jupyter/api.ts'
import type {JobRecord} from '../jupyter/record.ts'
import type {SessionFacts} from '../session/facts.ts'
import type {Endpoint, Remote} from '../ssh/remote.ts'
import type {Clock} from '../time.ts'
import type {OpenToServer} from '../tunnel/tunnel.ts'
import type {ClusterLink, Deps} from './deps.ts'
import type {JobWatch} from './watch-job.ts'

/** All routes, the safest first. */
export const ROUTE_ORDER = ['socket', 'node', 'head', 'direct', 'reverse'] as const
export type RouteName = (typeof ROUTE_ORDER)[number]

export function routeNamed(name: string | null | undefined): RouteName | null {
  return ROUTE_ORDER.find((route) => route === name) ?? null
}

/** What came of a route. Routes that were not needed have none. */
export interface RouteTrial {
  route: RouteName
  works: boolean
  /** In one sentence, for people. */
  seen: string
  /** What to ask the cluster's support for, as the end of a sentence; null where that is of no use. */
  ask: string | null
}

export interface ServerWay {
  route: RouteName
  /** The node itself, where this computer is logged in to it. */
  node: Remote | null
  nodeName: string
  endpoint: Endpoint
  /** Each stream has shown that the server is at its other end, and may carry anything. */
  open: OpenToServer
  /** A stream that has shown nothing: to see whether one opens, and never to be written to. */
  touch(): Promise<Duplex>
  /** Settles with the reason when the way is lost although the connection to the head may stand. */
  lost: Promise<string>
  /** Ends what was opened for it. The end of the connection to the head does the same. */
  close(): Promise<void>
}

export interface RouteContext {
  facts: SessionFacts
  link: ClusterLink
  watch: JobWatch
  /** The job's record with its node in it. */
  record: JobRecord
  nodeName: string
  endpoint: Endpoint
  /** Ends all trials. */
  signal: AbortSignal
  /** Logs in to the node; a later call gets the same login. `asking`: a person may be asked. */
  login(asking: boolean): Promise<Remote>
  deps: Pick<Deps, 'clock' | 'randomHex' | 'tell'>
}

/** Why a route does not work. */
export function closed(seen: string, ask: string | null, cause?: unknown): JnodeError {
  return new JnodeError('no-route', seen, {...(ask === null ? {} : {hint: ask}), cause})
}

/** Another one answers where the server should, or could at any moment: no other route leads to ours. */
export class Stranger extends JnodeError {
  constructor(message: string, hint = 'Stop this session and start it again.') {
    super('no-route', message, {hint})
  }
}

/** Somebody else's server in the place of ours. */
export function notOurs(nodeName: string, why?: string): Stranger {
  return new Stranger(`Something that is not this session’s Jupyter answers in its place on ${nodeName}${why === undefined ? '' : ` (${why})`}`)
}

/** Who a server is asked as, and over which way. `baseUrl` names the local port only because that is what a browser would send. */
export function apiOver(open: OpenToServer, {token, localPort, baseUrl = '/'}: {token: string; localPort: number | null; baseUrl?: string}): ApiOptions {
  return {baseUrl: `http://127.0.0.1:${localPort ?? 8888}${baseUrl}`, token, fetch: fetchOver(open)}
}

/** The promise's value, or `no-route` after so many milliseconds. */
export async function within<T>(ms: number, promise: Promise<T>, {clock, late}: {clock: Clock; late(): JnodeError}): Promise<T> {
  const over = new AbortController()
  promise.catch(() => {})
  try {
    return await Promise.race([promise, clock.sleep(ms, over.signal).then(() => { throw late() })])
  } finally {
    over.abort()
  }
}

/** As `within`; a stream that opens later is closed again. */
export function openedWithin(ms: number, opening: Promise<Duplex>, options: {clock: Clock; late(): JnodeError}): Promise<Duplex> {
  return within(ms, opening, options).catch((error: unknown) => {
    opening.then((stream) => stream.destroy(), () => {})
    throw error
  })
}

/** The host part of `user@host`, for sentences. */
export function hostOf({label}: Remote): string {
  return label.slice(label.indexOf('@') + 1)
}

/** What a route needs of the sshd of `where`, a host or several. */
export function mustForward(where: string): string {
  return `\`AllowTcpForwarding yes\` and \`AllowStreamLocalForwarding yes\` in the sshd_config of ${where}, without PermitOpen and DisableForwarding`
}

export const NODES_MUST_FORWARD = mustForward('the compute nodes')

/** What a route needs that logs in to the node, from here or from the head: either kind of key opens one. */
export function loginsToNodes(head: Remote): string {
  return `SSH logins from ${hostOf(head)} to the compute nodes without a password, with your own key or with one inside the cluster`
}
