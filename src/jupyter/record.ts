/**
 * What the job tells of itself: lines of `key value` in the session's `record` file, written by job-script.ts and
 * followed from the laptop line by line. Each start of the job begins with `jnode-record 1`; the last start counts.
 */
import {RECORD_BYTES, RECORD_LINES} from '../bounds.ts'
import {oneLine} from '../printable.ts'
import type {HostKeySource} from '../own-host-keys.ts'
import {isAddress, isAppName, isHostKey, isHostName, isJobNumber, isLegName, isLine, isPath, isPort, isUrlPath, isWord} from '../rules.ts'
import type {Endpoint} from '../ssh/remote.ts'

/** The words with which a job ends, and what they mean where it says no more. */
export const END_REASONS = {
  finished: 'Jupyter was shut down',
  deleted: 'Grid Engine ended the job: it was deleted, or its time was over',
  idle: 'there was no activity for as long as --idle allows',
  'time-limit': 'its time was over',
  'no-jupyter': 'Jupyter is not there',
  'module-failed': 'a module could not be loaded',
  'conda-failed': 'the conda environment could not be activated',
  'setup-failed': 'a set-up line failed',
  'dir-missing': 'the directory to start in is not there',
  'jupyter-exited': 'Jupyter ended by itself',
  'no-space': 'the node has no room for temporary files',
  'session-removed': "the session's files were removed before the job started",
} as const

export type EndReason = keyof typeof END_REASONS

export interface JobEnd {
  /** Exit status of the job's part that failed; 0 for a wanted end. */
  code: number
  /** Null for a word this version does not know. */
  reason: EndReason | null
  text: string
}

export interface HostKey {
  type: string
  /** Base64, as in known_hosts. */
  key: string
}

export interface JobRecord {
  /** Tells one start of the job from the next; null for a job of an older jnode. */
  start: string | null
  jobId: string | null
  /** The cluster queue that it runs in. */
  queue: string | null
  /** The node's own name for itself. */
  node: string | null
  /** All names to try for the node, `node` first, then Grid Engine's. */
  names: string[]
  addresses: string[]
  /** What Grid Engine granted, which need not be what was asked for. */
  slots: number | null
  tmpdir: string | null
  /** The GPUs that the site gave to the job, as its environment tells: `CUDA_VISIBLE_DEVICES=0,1 SGE_HGR_gpu=0 1`. */
  gpus: string | null
  /** The node's SSH host keys, learned over the authenticated way. */
  hostKeys: HostKey[]
  /** Where the job has them from; null for a job of an older jnode, which read the files. */
  hostKeysFrom: HostKeySource | null
  /** Known before the server listens where it is a socket. */
  endpoint: Endpoint | null
  /** `lab`, `notebook`, ...: known once the set-up is done and Jupyter starts. */
  app: string | null
  listening: boolean
  baseUrl: string | null
  /** Null for Notebook up to 6, which does not write it down. */
  version: string | null
  /** Milliseconds since 1970 by the node's clock: to show, never to compare. */
  startedAt: number | null
  /** Of the same clock. */
  endedAt: number | null
  signals: string[]
  /** Kinds of kernels (`ir`, `julia-1.10`) that did not open the private sockets they were given. */
  silentKernels: string[]
  /** What was opened on the node because a route asked for it, by the leg's name. */
  legs: Readonly<Record<string, LegState>>
  end: JobEnd | null
}

export type LegState = {state: 'listening'; host: string; port: number} | {state: 'failed'; why: string}

/** The record in `text`, or null before the job's first complete line. A last line without its end is left out, and what comes after `RECORD_BYTES`. */
export function parseRecord(text: string): JobRecord | null {
  const growing = growingRecord()
  growing.whole(text)
  return growing.record
}

/** A record that is heard line by line and now and then read as a whole: each line is taken once. */
export interface GrowingRecord {
  readonly record: JobRecord | null
  /** It has more than `RECORD_BYTES` or `RECORD_LINES`: nothing more is taken. */
  readonly full: boolean
  /** The complete line that stands at this place, from 0. False for one that is known. */
  line(at: number, line: string): boolean
  /** The text as it is now. False where it holds nothing new. */
  whole(text: string): boolean
}

/** It only grows, so what stands before the known lines is never looked at again. */
export function growingRecord(): GrowingRecord {
  const read = recordReader()
  let record: JobRecord | null = null
  let known = 0
  let size = 0
  let full = false
  const add = (line: string): void => {
    size += line.length + 1
    if (size > RECORD_BYTES || known === RECORD_LINES) full = true
    if (full) return
    known++
    record = read(line)
  }
  return {
    get record() {
      return record
    },
    get full() {
      return full
    },
    line(at, line) {
      if (full || at !== known) return false
      add(line)
      return !full
    },
    whole(text) {
      const before = known
      const lines = text.slice(0, RECORD_BYTES).split('\n').slice(0, -1)
      for (const line of lines.slice(known)) add(line)
      if (Buffer.byteLength(text) > RECORD_BYTES) full = true
      return known > before
    },
  }
}

/** A reader that is given complete lines one by one and answers with the record so far, a new object for each change. */
export function recordReader(): (line: string) => JobRecord | null {
  let record: JobRecord | null = null
  return (line) => {
    const [, key, rest] = /^([a-z-]+)(?: (.*))?$/.exec(line.replace(/\r$/, '')) ?? []
    const value = (rest ?? '').trim()
    if (key === 'jnode-record') record = emptyRecord()
    else if (record !== null && key !== undefined) record = {...record, ...change(record, key, value)}
    return record
  }
}

function emptyRecord(): JobRecord {
  return {
    start: null, jobId: null, queue: null, node: null, names: [], addresses: [], slots: null, tmpdir: null, gpus: null, hostKeys: [], hostKeysFrom: null, endpoint: null,
    app: null, listening: false, baseUrl: null, version: null, startedAt: null, endedAt: null, signals: [], silentKernels: [], legs: {}, end: null,
  }
}

/** Of a list that the record repeats: more than any job has, and what comes after them is left out. */
const MOST_ITEMS = 100

function atMost<T>(items: readonly T[]): T[] {
  return items.slice(0, MOST_ITEMS)
}

/** What one line adds. Keys of a newer jnode and values that make no sense add nothing. */
function change(record: JobRecord, key: string, value: string): Partial<JobRecord> {
  if (key === 'listening') return {listening: true}
  if (value === '') return {}
  switch (key) {
    case 'start':
      return isWord(value) ? {start: value} : {}
    case 'job':
      return isJobNumber(value) ? {jobId: value} : {}
    case 'queue':
      return isWord(value) ? {queue: value} : {}
    case 'node':
      return isHostName(value) ? {node: value, names: atMost([...new Set([value, ...record.names])])} : {}
    case 'name':
      return isHostName(value) ? {names: atMost([...new Set([...record.names, value])])} : {}
    case 'address':
      return {addresses: atMost(value.split(/\s+/).filter(isAddress))}
    case 'slots':
      return /^\d{1,7}$/.test(value) ? {slots: Number(value)} : {}
    case 'tmpdir':
      return isPath(value) ? {tmpdir: value} : {}
    case 'gpus':
      return isLine(value) ? {gpus: value} : {}
    case 'hostkey':
      return hostKey(record, value)
    case 'hostkeys-from':
      return value === 'sshd' || value === 'files' ? {hostKeysFrom: value} : {}
    case 'endpoint':
      return endpoint(value)
    case 'app':
      return isAppName(value) ? {app: value} : {}
    case 'base-url':
      return {baseUrl: jsonString(value, isUrlPath)}
    case 'version':
      return {version: jsonString(value, isLine)}
    case 'started':
      return /^\d{1,12}$/.test(value) ? {startedAt: Number(value) * 1000} : {}
    case 'ended':
      return /^\d{1,12}$/.test(value) ? {endedAt: Number(value) * 1000} : {}
    case 'signal':
      return isWord(value) ? {signals: atMost([...record.signals, value])} : {}
    case 'silent-kernel':
      return silentKernel(record, value)
    case 'leg':
      return leg(record, value)
    case 'end':
      return end(value)
    default:
      return {}
  }
}

function hostKey(record: JobRecord, value: string): Partial<JobRecord> {
  const [type, key] = value.split(' ')
  return isHostKey(value) ? {hostKeys: atMost([...record.hostKeys, {type: type!, key: key!}])} : {}
}

function endpoint(value: string): Partial<JobRecord> {
  const [, path] = /^socket (\/.+)$/.exec(value) ?? []
  if (path !== undefined) return isPath(path) ? {endpoint: {kind: 'socket', path}} : {}
  const [, host, port] = /^tcp (\S+) (\d{1,5})$/.exec(value) ?? []
  return host !== undefined && isPlace(host, port) ? {endpoint: {kind: 'tcp', host, port: Number(port)}} : {}
}

function isPlace(host: string, port: string | undefined): boolean {
  return isHostName(host) && isPort(Number(port))
}

/** What is told of kernels that did not open their private sockets, as one sentence; null where there is none. */
export function silentKernelText(record: Pick<JobRecord, 'silentKernels'> | null): string | null {
  if (record === null || record.silentKernels.length === 0) return null
  return `${record.silentKernels.join(', ')}: this kernel did not open the private sockets it was given (ipc)`
}

/** What to do about them. */
export const SILENT_KERNEL_HINT = 'Install a newer version of that kernel, or set kernel_transport = "tcp" for this cluster or a profile in config.toml.'

const MOST_KINDS = 20

function silentKernel({silentKernels}: JobRecord, value: string): Partial<JobRecord> {
  if (!/^[\w.-]{1,80}$/.test(value) || silentKernels.includes(value) || silentKernels.length >= MOST_KINDS) return {}
  return {silentKernels: [...silentKernels, value]}
}

function leg(record: JobRecord, value: string): Partial<JobRecord> {
  const [, name, state, rest] = /^(\S+) (listening|failed) (.+)$/.exec(value) ?? []
  if (name === undefined || rest === undefined || !isLegName(name)) return {}
  // The latest are those that are asked for now.
  const legs = Object.fromEntries(Object.entries(record.legs).filter(([other]) => other !== name).slice(1 - MOST_ITEMS))
  if (state === 'failed') return {legs: {...legs, [name]: {state, why: rest.replace(/[\x00-\x1f\x7f-\x9f]+/g, ' ')}}}
  const [, host, port] = /^(\S+) (\d{1,5})$/.exec(rest) ?? []
  return host !== undefined && isPlace(host, port) ? {legs: {...legs, [name]: {state: 'listening', host, port: Number(port)}}} : {}
}

function end(value: string): Partial<JobRecord> {
  const [, code, word, text] = /^(\d+) (\S+)(?: (.*))?$/.exec(value) ?? []
  if (word === undefined) return {}
  return {end: {code: Number(code), reason: Object.hasOwn(END_REASONS, word) ? (word as EndReason) : null, text: text ?? ''}}
}

/** The job copies these from Jupyter's JSON as they stand. */
function jsonString(value: string, rule: (text: string) => boolean): string | null {
  try {
    const parsed: unknown = JSON.parse(value)
    return typeof parsed === 'string' && rule(parsed) ? parsed : null
  } catch {
    return null
  }
}

/** How a job ended, as a sentence for people, and the one thing to do next where something is wrong. */
export function endMessage(end: JobEnd): {text: string; hint?: string} {
  const said = oneLine(end.text).trim()
  if (end.reason === null) return {text: said || `exit status ${end.code}`, hint: 'Look into its log with `jnode logs`.'}
  const hint = HINTS[end.reason]
  return hint === null ? {text: END_REASONS[end.reason]} : {text: said || END_REASONS[end.reason], hint}
}

const HINTS: Record<EndReason, string | null> = {
  finished: null,
  deleted: null,
  idle: 'Start it again; a larger --idle allows for longer pauses.',
  'time-limit': 'Ask for more with --time.',
  'no-jupyter': 'Say where it is with --module, --conda or --setup, or take another program with --app.',
  'module-failed': 'Look up the name with `module avail` on the cluster; what it needs goes before it in another --module.',
  'conda-failed': 'Look up the name with `conda env list` on the cluster; the module that brings conda goes into --module.',
  'setup-failed': 'Try the line in a shell on the cluster; the log shows what it said.',
  'dir-missing': 'Give a directory that the compute nodes see, with --dir.',
  'jupyter-exited': 'The end of the log tells why; --mem helps where it was killed by signal 9.',
  'no-space': 'The temporary disk of the node is full: take another node with --node, and tell the site.',
  'session-removed': 'Start the session again.',
}
