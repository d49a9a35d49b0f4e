/**
 * Jupyter's REST interface, seen through a tunnel. The token goes in a header (never in a URL, which servers log),
 * and only to a server that has shown the session's proof.
 */
import {createHash} from 'node:crypto'
import {PROVED_BYTES} from '../bounds.ts'
import {JnodeError, messageOf, throwIfAborted} from '../errors.ts'
import type {Fetch} from '../http.ts'
import {oneLine} from '../printable.ts'
import {PROOF_HEADER} from './server-config.ts'

/**
 * What our server shows to anyone who asks, so that we know it without showing it the token; it does not reveal
 * the token. Written to the session's `proof` file, so that the job need not compute it.
 */
export function proofOf(token: string): string {
  return createHash('sha256').update(`jnode-proof ${token}`).digest('hex')
}

export interface ApiOptions {
  /** With the server's base path: `http://localhost:8888/`. */
  baseUrl: string
  token: string
  fetch: Fetch
}

export interface CallOptions {
  /** Aborting it throws `interrupted` (or the signal's JnodeError). */
  signal?: AbortSignal
  /** Until an answer counts as none; 10 s when not given. */
  timeoutMs?: number
}

/** Whose server answers. `not-answering` also while the tunnel or the server is not up yet. */
export type Identity =
  | {kind: 'ours'; version: string | null}
  | {kind: 'foreign'; version: string | null; why: string}
  | {kind: 'not-answering'; why: string}

export interface ServerStatus {
  started: string
  lastActivity: string
  kernels: number
  connections: number
}

export interface Kernel {
  id: string
  name: string
  /** `busy`, `idle`, `starting`, ...; `starting` also for a kernel that nobody has connected to. */
  state: string
  connections: number
  lastActivity: string
}

/**
 * Calls throw `connection-lost` when nobody answers (try again), and `unexpected` when the answer is not one that
 * Jupyter gives to its owner.
 */
export function jupyterApi(options: ApiOptions) {
  return {
    /** Asked without the token, so that a stranger learns nothing. Throws only when the signal is aborted. */
    identify: (call?: CallOptions) => identify(options, call),
    /** Does not count as activity, so it may be polled where idle servers are ended. */
    status: (call?: CallOptions) => ask(options, {path: 'api/status', read: readStatus, ...call}),
    /** Whether it takes the token, or asks for none. */
    letsIn: (call?: CallOptions) => letsIn(options, call),
    kernels: (call?: CallOptions) => ask(options, {path: 'api/kernels?no_track_activity=1', read: readKernels, ...call}),
    /** Ends the server with its kernels; it answers before it ends. */
    shutdown: async (call?: CallOptions) => void (await ask(options, {path: 'api/shutdown', method: 'POST', read: () => true, ...call})),
  }
}

/**
 * The page to open for a program, below the base URL. For a program that does not tell, the server is asked:
 * `lab`, `tree`, or '' for one that has neither.
 */
export async function landingPage(app: string, options: ApiOptions, call?: CallOptions): Promise<string> {
  const known = new Map([['lab', 'lab'], ['notebook', 'tree'], ['nbclassic', 'tree']]).get(app)
  if (known !== undefined) return known
  for (const page of ['lab', 'tree']) {
    const {status} = await send(options.fetch, new URL(page, options.baseUrl), {headers: authorization(options.token), maxBytes: PROVED_BYTES}, call)
    if (status < 400) return page
  }
  return ''
}

async function identify({baseUrl, token, fetch}: ApiOptions, call?: CallOptions): Promise<Identity> {
  try {
    const {status, headers, body} = await send(fetch, new URL('api', baseUrl), {}, call)
    const version = readVersion(body)
    // Whatever the status: Jupyter Server can be told to answer 403 here, and shows the proof then, too.
    if (headers.get(PROOF_HEADER) === proofOf(token)) return {kind: 'ours', version}
    const why = version === null ? `it answers ${status} and is no Jupyter` : `it is a Jupyter ${version} without this session's proof`
    return {kind: 'foreign', version, why}
  } catch (error) {
    throwIfAborted(call?.signal)
    if (error instanceof JnodeError && error.code === 'connection-lost') return {kind: 'not-answering', why: error.message}
    return {kind: 'foreign', version: null, why: messageOf(error)}
  }
}

export type JupyterApi = ReturnType<typeof jupyterApi>

async function letsIn({baseUrl, token, fetch}: ApiOptions, call?: CallOptions): Promise<boolean> {
  const {status} = await send(fetch, new URL('api/status', baseUrl), {headers: authorization(token)}, call)
  if (status === 200 || status === 403) return status === 200
  throw new JnodeError('unexpected', `GET /api/status was not answered as Jupyter does (status ${status})`)
}

interface Question<T> extends CallOptions {
  path: string
  method?: 'POST'
  /** Null for an answer that is not what Jupyter sends. */
  read(body: unknown): T | null
}

async function ask<T>({baseUrl, token, fetch}: ApiOptions, question: Question<T>): Promise<T> {
  const {path, method = 'GET', read, ...call} = question
  const {status, body} = await send(fetch, new URL(path, baseUrl), {method, headers: authorization(token), maxBytes: PROVED_BYTES}, call)
  const value = status === 200 ? read(json(body)) : null
  if (value !== null) return value
  const asked = `${method} /${path.replace(/\?.*/, '')}`
  if (status === 403) throw new JnodeError('unexpected', `Jupyter refuses this session's token (${asked} answered 403)`)
  throw new JnodeError('unexpected', `${asked} was not answered as Jupyter does (status ${status})`)
}

/** `token` and not `Bearer`: Notebook 6 and Jupyter Server 1 know only that. */
function authorization(token: string): Record<string, string> {
  return {authorization: `token ${token}`}
}

interface Reply {
  status: number
  headers: {get(name: string): string | null}
  body: string
}

/** One request, its body included. Redirects are answers: following one would take the token elsewhere. */
async function send(fetch: ApiOptions['fetch'], url: URL, init: {method?: string; headers?: Record<string, string>; maxBytes?: number}, {signal, timeoutMs = 10_000}: CallOptions = {}): Promise<Reply> {
  throwIfAborted(signal)
  const limit = AbortSignal.timeout(timeoutMs)
  try {
    const response = await fetch(url, {...init, redirect: 'manual', signal: signal ? AbortSignal.any([signal, limit]) : limit})
    return {status: response.status, headers: response.headers, body: await response.text()}
  } catch (error) {
    throwIfAborted(signal)
    if (error instanceof JnodeError && error.code === 'unexpected') throw error
    if (limit.aborted) throw new JnodeError('connection-lost', `Jupyter did not answer within ${timeoutMs} ms`, {cause: error})
    // HPE_ are the HTTP parser's complaints.
    if (String((error as {code?: unknown}).code).startsWith('HPE_')) throw new JnodeError('unexpected', `It does not speak HTTP: ${messageOf(error)}`, {cause: error})
    throw new JnodeError('connection-lost', `Jupyter does not answer: ${messageOf(error)}`, {cause: error})
  }
}

function json(body: string): unknown {
  try {
    return JSON.parse(body)
  } catch {
    return null
  }
}

function readVersion(body: string): string | null {
  const {version} = (json(body) ?? {}) as {version?: unknown}
  return typeof version === 'string' ? oneLine(version, 40) : null
}

function readStatus(body: unknown): ServerStatus | null {
  const {started, last_activity, kernels, connections} = (body ?? {}) as Record<string, unknown>
  if (typeof started !== 'string' || typeof last_activity !== 'string') return null
  return {started, lastActivity: last_activity, kernels: Number(kernels), connections: Number(connections)}
}

function readKernels(body: unknown): Kernel[] | null {
  if (!Array.isArray(body)) return null
  return body.map((kernel: Record<string, unknown>) => ({
    id: String(kernel['id']),
    name: String(kernel['name']),
    state: String(kernel['execution_state']),
    connections: Number(kernel['connections']),
    lastActivity: String(kernel['last_activity']),
  }))
}
