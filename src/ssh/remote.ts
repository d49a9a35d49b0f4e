/**
 * The door to the cluster, as everything above sees it: run shell text on a host, follow the lines it
 * prints, open a byte stream to an endpoint, learn that the link died. Types only: who builds it is runtime.ts.
 */
import type {Duplex} from 'node:stream'

/** Where a server listens, as seen from the host that opens the stream. */
export type Endpoint = {kind: 'socket'; path: string} | {kind: 'tcp'; host: string; port: number}

export interface RunResult {
  /** Exit status of the script; -1 when it did not run to its end (see `RunCommand`). */
  exitCode: number
  stdout: string
  stderr: string
  /** Another user of the connection has had it run, not long ago (`freshMs`). */
  reused?: boolean
}

export interface RunOptions {
  signal?: AbortSignal
  /** Milliseconds until the call fails with `connection-lost`; 60 000 when not given. */
  timeoutMs?: number
  /** An answer to the very same scripts will do that another user of the connection got within so many milliseconds. */
  freshMs?: number
  /** Bytes that all answers together may have, on stdout and on stderr each; more fails with `unexpected`. 64 MB when not given. */
  maxBytes?: number
}

/**
 * Runs POSIX sh scripts one after the other, each in its own subshell with stdin empty, in one round trip,
 * and answers with one result per script, in order. Scripts travel as data on stdin, never on a command
 * line, so they may hold secrets. Rejects with a JnodeError when the link fails, never for an exit status.
 */
export type RunCommand = (scripts: readonly string[], options?: RunOptions) => Promise<RunResult[]>

/**
 * Runs one script and calls `onLine` for each line of its stdout as it comes; resolves when it ends. A line longer than `LINE_CHARS`
 * comes as several. Nothing more is read while a promise of `onLine` is pending.
 */
export type FollowLines = (script: string, onLine: (line: string) => unknown, signal: AbortSignal) => Promise<void>

export type OpenStream = (endpoint: Endpoint, signal?: AbortSignal) => Promise<Duplex>

/** What was seen on the way to a host, in order; `hop` is the label of the hop. */
export type LoginFact =
  | {kind: 'way'; hops: string[]}
  | {kind: 'resolved'; hop: string; addresses: string[]}
  /** `through`: the hop that opened it, or how; null where this computer did. */
  | {kind: 'connected'; hop: string; to: string; through: string | null}
  | {kind: 'host-key'; hop: string; key: string}
  /** `by` is what was tried last, null where nothing was needed. */
  | {kind: 'logged-in'; hop: string; software: string; offered: string[]; by: string | null}

export type Witness = (fact: LoginFact) => void

/** Speaks SSH in a host's place, over the connection to it that there is. */
export interface StandIn {
  /** `type base64`: the key that it shows, which is not the host's. */
  readonly hostKey: string
  /** A stream for an ssh program, which logs in there with nothing. */
  open(signal?: AbortSignal): Promise<Duplex>
}

export interface Remote {
  /** `user@host` for sentences. */
  readonly label: string
  readonly run: RunCommand
  readonly follow: FollowLines
  readonly open: OpenStream
  /** For an ssh program of this computer, so that it need not log in again; not there where only that program can. */
  readonly standIn?: StandIn
  /** Settles once, with the reason in words, when the link is lost or closed. */
  readonly closed: Promise<string>
  close(): Promise<void>
}
