/**
 * The flags of `start` as they are given, on the command line, in `JNODE_*` variables or in a profile, and what
 * they mean. Each value is read by the same rule wherever it comes from; only its name in the sentence differs.
 */
import {JnodeError, shown} from '../errors.ts'
import {isAppName} from '../rules.ts'
import {parseTarget} from '../target.ts'
import {parseDuration} from '../time.ts'
import {trimEndOf} from '../trim-end.ts'
import {parseMemory} from './memory.ts'

/** The ways to the server there are. */
export const ROUTES = ['auto', 'socket', 'node', 'head', 'direct', 'reverse'] as const
export type Route = (typeof ROUTES)[number]

/** What logs in: ssh2, the system's ssh, or the first of them that can. */
export const TRANSPORTS = ['auto', 'ssh2', 'openssh'] as const
export type Transport = (typeof TRANSPORTS)[number]

/** What the kernels of a session listen on: private sockets, or TCP ports of the node. */
export const KERNEL_TRANSPORTS = ['ipc', 'tcp'] as const
export type KernelTransport = (typeof KERNEL_TRANSPORTS)[number]

/** A repeatable flag. One text is what a variable gives: one item per line. */
type Texts = string | readonly string[]

/** As given: undefined where not given. Keys are the names of the flags. */
export interface GivenFlags {
  cluster?: string
  host?: string
  jump?: Texts
  cores?: string | number
  mem?: string
  gpus?: string | number
  time?: string
  idle?: string
  queue?: string
  node?: string
  pe?: string
  project?: string
  account?: string
  'sge-arg'?: Texts
  app?: string
  dir?: string
  module?: Texts
  conda?: string
  setup?: Texts
  port?: string | number
  route?: string
  transport?: string
  browser?: string
  'no-browser'?: boolean
  wait?: string
  detach?: boolean
  /** A key of the configuration only. */
  kernel_transport?: string
}

/** As meant. A key is there only where a value was given. */
export interface FlagValues {
  cluster?: string
  host?: string
  /** Gateways in order, one each. */
  jump?: string[]
  cores?: number
  memoryBytes?: number
  gpus?: number
  runSeconds?: number
  idleSeconds?: number
  queue?: string
  node?: string
  pe?: string
  project?: string
  account?: string
  sgeArgs?: string[]
  app?: string
  dir?: string
  modules?: string[]
  conda?: string
  setup?: string[]
  port?: number
  route?: Route
  transport?: Transport
  browser?: string
  noBrowser?: boolean
  waitSeconds?: number
  detach?: boolean
  kernelTransport?: KernelTransport
}

/** More slots than any host has: a slip of the finger, told before the scheduler is asked. */
const MOST_SLOTS = 100_000
const MOST_GPUS = 1000
/** What one timer of Node can wait. */
const LONGEST_WAIT_SECONDS = 24 * 86_400

/** Reads every given flag; `nameOf` says what to call it in a sentence. Throws `usage`. */
export function readFlags(given: GivenFlags, nameOf: (flag: keyof GivenFlags) => string): FlagValues {
  const read = <F extends keyof GivenFlags, T>(flag: F, reader: (raw: NonNullable<GivenFlags[F]>, what: string) => T): T | undefined => {
    const raw = given[flag]
    return raw === undefined || raw === null ? undefined : reader(raw, nameOf(flag))
  }
  return onlyGiven({
    cluster: read('cluster', word),
    host: read('host', host),
    jump: read('jump', jumps),
    cores: read('cores', (raw, what) => wholeNumber(raw, what, [1, MOST_SLOTS])),
    memoryBytes: read('mem', parseMemory),
    gpus: read('gpus', (raw, what) => wholeNumber(raw, what, [0, MOST_GPUS])),
    runSeconds: read('time', parseDuration),
    idleSeconds: read('idle', parseDuration),
    queue: read('queue', word),
    node: read('node', word),
    pe: read('pe', word),
    project: read('project', word),
    account: read('account', word),
    sgeArgs: read('sge-arg', lines),
    app: read('app', app),
    dir: read('dir', dir),
    modules: read('module', (raw, what) => lines(raw, what).flatMap((line) => line.split(/\s+/))),
    conda: read('conda', text),
    setup: read('setup', commands),
    port: read('port', (raw, what) => wholeNumber(raw, what, [1, 65_535])),
    route: read('route', route),
    transport: read('transport', transport),
    browser: read('browser', text),
    noBrowser: read('no-browser', (raw) => raw),
    waitSeconds: read('wait', waitSeconds),
    detach: read('detach', (raw) => raw),
    kernelTransport: read('kernel_transport', kernelTransport),
  })
}

function onlyGiven(values: {[K in keyof Required<FlagValues>]: FlagValues[K] | undefined}): FlagValues {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined))
}

function wholeNumber(raw: string | number, what: string, [least, most]: [number, number]): number {
  const value = String(raw).trim()
  const number = /^[+-]?\d{1,15}$/.test(value) ? Number(value) : Number.NaN
  if (number >= least && number <= most) return number
  throw new JnodeError('usage', `${what} must be a whole number from ${least} to ${most}, not ${Number.isNaN(number) ? shown(value) : number}`, {
    hint: 'Write the number with digits only.',
  })
}

/** Text of one line; other control characters than a tab have no place in a command line. */
function text(raw: string, what: string): string {
  const value = raw.trim()
  if (value === '' || /[^\P{Cc}\t]/u.test(value)) {
    throw new JnodeError('usage', `${what} must be one line of text, not ${shown(raw)}`, {hint: 'Give it a value, or leave it out.'})
  }
  return value
}

/** A name of Grid Engine's or of a host. With a dash first, `qsub` would take it for an option. */
function word(raw: string, what: string): string {
  const value = text(raw, what)
  if (!/^-|\s/.test(value)) return value
  throw new JnodeError('usage', `${what} must be one name without blanks, not ${shown(raw)}`, {hint: 'A name does not begin with a dash.'})
}

function items(raw: Texts): readonly string[] {
  return typeof raw === 'string' ? raw.split('\n').filter((line) => line.trim() !== '') : raw
}

function lines(raw: Texts, what: string): string[] {
  return items(raw).map((item) => text(item, what))
}

/** Shell text, which may go over several lines and stays as it is. */
function commands(raw: Texts, what: string): string[] {
  const given = items(raw).map((item) => trimEndOf(item.replaceAll('\r\n', '\n'), '\n')).filter((item) => item.trim() !== '')
  for (const line of given.flatMap((item) => item.split('\n'))) if (line.trim() !== '') text(line, what)
  return given
}

function host(raw: string, what: string): string {
  if (raw.trim() !== 'local') parseTarget(raw, what)
  return raw.trim()
}

/** A list with commas is ssh's own way to write several gateways (`ssh -J a,b`). */
function jumps(raw: Texts, what: string): string[] {
  const hops = lines(raw, what).flatMap((line) => line.split(',')).map((hop) => hop.trim())
  for (const hop of hops) parseTarget(hop, what)
  return hops
}

/** What stands after `jupyter `, or `auto`: the job finds out whether the site has it. */
function app(raw: string, what: string): string {
  if (isAppName(raw)) return raw
  throw new JnodeError('usage', `${what} must be the name of a Jupyter application, not ${shown(raw)}`, {hint: 'Use lab, notebook, server, or auto for the first of these that is there.'})
}

function dir(raw: string, what: string): string {
  const value = text(raw, what)
  if (!/^~[^/]/.test(value)) return value
  throw new JnodeError('usage', `${what} must be a directory of your own home or an absolute path, not ${shown(raw)}`, {
    hint: 'Write another user’s directory as an absolute path.',
  })
}

function route(raw: string, what: string): Route {
  const found = ROUTES.find((known) => known === raw)
  if (found) return found
  throw new JnodeError('usage', `${what} must be auto, socket, node, head, direct or reverse, not ${shown(raw)}`, {hint: 'Leave it out to let jnode choose.'})
}

function transport(raw: string, what: string): Transport {
  const found = TRANSPORTS.find((known) => known === raw)
  if (found) return found
  throw new JnodeError('usage', `${what} must be auto, ssh2 or openssh, not ${shown(raw)}`, {hint: 'Leave it out to let jnode choose.'})
}

function kernelTransport(raw: string, what: string): KernelTransport {
  const found = KERNEL_TRANSPORTS.find((known) => known === raw)
  if (found) return found
  throw new JnodeError('usage', `${what} must be "ipc" or "tcp", not ${shown(raw)}`, {hint: 'Leave it out unless a kernel cannot use private sockets, as old versions of IRkernel cannot.'})
}

function waitSeconds(raw: string, what: string): number {
  const seconds = parseDuration(raw, what)
  if (seconds <= LONGEST_WAIT_SECONDS) return seconds
  throw new JnodeError('usage', `${what} must be at most 24 days, not ${shown(raw)}`, {hint: 'Leave it out to wait as long as it takes.'})
}
