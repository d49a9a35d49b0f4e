/** What each route is tried with, and how a trial is told: what was seen, and what to ask the cluster's support for. */
import type {Duplex} from 'node:stream'
import {JnodeError, messageOf} from '../errors.ts'
import {fetchOver} from '../http.ts'
import {jupyterApi, type ApiOptions} from '../jupyter/api.ts'
import type {JobRecord} from '../jupyter/record.ts'
import type {SessionFacts} from '../session/facts.ts'
import type {Endpoint, Remote} from '../ssh/remote.ts'
import type {Clock} from '../time.ts'
import type {OpenToServer} from '../tunnel/tunnel.ts'
import type {ClusterLink, Deps} from './deps.ts'
import {foreignAnswers} from './foreign.ts'
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
  open: OpenToServer
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

/** Another one answers where the server should: no other route leads to ours. */
export class Stranger extends JnodeError {
  constructor(message: string) {
    super('no-route', message, {hint: 'Stop this session and start it again.'})
  }
}

/** Who a server is asked as, and over which way. `baseUrl` names the local port only because that is what a browser would send. */
export function apiOver(open: OpenToServer, {token, localPort, baseUrl = '/'}: {token: string; localPort: number | null; baseUrl?: string}): ApiOptions {
  return {baseUrl: `http://127.0.0.1:${localPort ?? 8888}${baseUrl}`, token, fetch: fetchOver(open)}
}

export type Proof = {works: true} | {works: false; /** Streams were refused, in place of being opened and closed. */ refused: boolean; why: string}

const PROBE_MS = 80
const ANSWER_MS = 10_000
/** A server that listens and cannot be reached for so long and so often is not reached by this route. */
const GRACE_MS = 1500
const GRACE_TRIES = 8
/** Where each try takes long, as with a firewall that says nothing, fewer will do. */
const SLOW_MS = 3000

/**
 * Asks through a route until our server answers and takes our token; waits as long as it does not listen yet. Throws
 * `no-route` when another one answers.
 */
export async function prove(open: OpenToServer, context: RouteContext): Promise<Proof> {
  const {facts, watch, signal, deps: {clock}} = context
  let refusal: string | null = null
  const attempt: OpenToServer = async () => {
    refusal = null
    try {
      return await open()
    } catch (error) {
      refusal = messageOf(error)
      throw error
    }
  }
  if (facts.foreign) return proveForeign(attempt, () => refusal, context)
  const api = jupyterApi(apiOver(attempt, facts))
  let strangers = 0
  let since: number | null = null
  let tries = 0
  for (;;) {
    const from = clock.now()
    const who = await api.identify({signal, timeoutMs: ANSWER_MS})
    if (who.kind === 'ours') {
      await api.status({signal, timeoutMs: ANSWER_MS})
      return {works: true}
    }
    if (who.kind === 'foreign' && ++strangers > 20) {
      throw new Stranger(`Something that is not this session’s Jupyter answers at its endpoint (${who.why})`)
    }
    // An open stream without an answer is a server that is busy or suspended, and no fault of the route.
    const isSilent = refusal === null && clock.now() - from >= ANSWER_MS
    if (watch.view.record?.listening && !isSilent) {
      since ??= from
      const spent = clock.now() - since
      if ((++tries > GRACE_TRIES && spent > GRACE_MS) || spent > SLOW_MS) return {works: false, refused: refusal !== null, why: refusal ?? who.why}
    }
    await clock.sleep(PROBE_MS, signal)
  }
}

const REFUSALS = 10

/** A server of somebody else's shows no proof; it listens already, so a refused stream is soon final. */
async function proveForeign(open: OpenToServer, refusal: () => string | null, {facts, signal, deps: {clock}}: RouteContext): Promise<Proof> {
  for (let tries = 1; ; tries++) {
    const stream = await open().catch(() => null)
    stream?.on('error', () => {}).destroy()
    if (stream) break
    if (tries === REFUSALS) return {works: false, refused: true, why: refusal() ?? 'it does not open'}
    await clock.sleep(PROBE_MS, signal)
  }
  await foreignAnswers(facts.foreign!, jupyterApi(apiOver(open, {...facts, baseUrl: facts.foreign!.baseUrl})), {clock, signal})
  return {works: true}
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
