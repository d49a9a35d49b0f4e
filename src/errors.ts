/**
 * What can go wrong, as data: a code (which fixes the exit code), one sentence, one thing to do next.
 * Text shown to a person is made here and in the place of failure, never from a stack.
 */

import {jsonText, oneLine, printable} from './printable.ts'

/** Every error code and the exit code it ends the program with; see docs/words.md. */
export const EXIT_CODES = {
  unexpected: 1,
  usage: 2,
  config: 2,
  'session-exists': 2,
  'port-taken': 2,
  unreachable: 3,
  'login-failed': 3,
  'connection-lost': 3,
  'host-key': 4,
  'no-grid-engine': 5,
  rejected: 5,
  'never-runs': 5,
  'not-yours': 5,
  'remote-storage': 5,
  'job-failed': 6,
  'job-ended': 6,
  'gave-up': 7,
  'no-session': 8,
  'no-route': 9,
  interrupted: 130,
} as const

export type ErrorCode = keyof typeof EXIT_CODES

export interface ErrorDetails {
  /** The one thing to do next, as a sentence or a command. */
  hint?: string
  cause?: unknown
  /** Of a login that failed: what would help. */
  needs?: LoginNeeds | undefined
}

/** `person`: somebody must answer; no repetition helps. `patience`: nobody was ever asked anything there, so it may pass, as when home directories are away. */
export type LoginNeeds = 'person' | 'patience'

export class JnodeError extends Error {
  readonly code: ErrorCode
  readonly hint: string | null
  readonly needs: LoginNeeds | null

  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}) {
    super(redact(printable(message)), details.cause === undefined ? undefined : {cause: details.cause})
    this.name = 'JnodeError'
    this.code = code
    this.hint = details.hint === undefined ? null : redact(printable(details.hint))
    this.needs = details.needs ?? null
  }
}

/** Hides tokens in text from Jupyter, a log or a server, before it becomes part of an error or a log. */
export function redact(text: string): string {
  return text
    // URLs, settings and variables; `...` is Jupyter's own veil, `$` a shell's variable.
    .replace(/(token=["']?)(?!\.\.\.|\[secret\]|\$)[^&\s"'<>]+/gi, '$1[secret]')
    // A URL inside a URL, as login pages carry it.
    .replace(/(token%3D)(?!\[secret\])[^%&\s"'<>]+/gi, '$1[secret]')
    .replace(/(authorization["']?\s*[:=]\s*["']?(?:token|bearer)\s+)(?!\[secret\])[^\s"']+/gi, '$1[secret]')
    .replace(/(["']token["']\s*:\s*["'])(?!\[secret\])[^"']+/gi, '$1[secret]')
}

/** A value the user gave, for the inside of a sentence: quoted, control characters visible, cut to 40 characters. */
export function shown(value: string): string {
  const letters = [...value]
  return jsonText(letters.length > 40 ? `${letters.slice(0, 39).join('')}…` : value)
}

/** The sentence of any thrown value, for the inside of another sentence. One that is not ours may quote a stranger: it gets one line. */
export function messageOf(error: unknown): string {
  if (error instanceof JnodeError) return error.message
  return redact(oneLine(error instanceof Error ? error.message : String(error)))
}

/** Why the signal was aborted: what its owner said, `gave-up` for a time limit without words, `interrupted` for everything else. */
export function abortReason({reason}: AbortSignal): JnodeError {
  if (reason instanceof JnodeError) return reason
  if (reason instanceof Error && reason.name === 'TimeoutError') return new JnodeError('gave-up', 'It took too long', {cause: reason})
  return new JnodeError('interrupted', 'Interrupted')
}

/** Resolves when the signal aborts; at once when it has. */
export function whenAborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve()
    else signal.addEventListener('abort', () => resolve(), {once: true})
  })
}

/** Throws the reason once the signal has been aborted. */
export function throwIfAborted(signal?: AbortSignal): void {
  if (signal?.aborted) throw abortReason(signal)
}
