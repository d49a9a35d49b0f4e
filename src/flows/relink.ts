/** Making a lost connection again: soon at first, once a minute in the end, at once when something has changed. Asks nobody. */
import {JnodeError, messageOf, throwIfAborted} from '../errors.ts'
import type {Deps} from './deps.ts'

/** Fast at first, one try a minute at the end. */
const RETRY_MS = [300, 1000, 2000, 5000, 10_000, 20_000, 40_000, 60_000]
/** Where a key was refused that was taken before, as while home directories are away: each try counts as a failure somewhere. */
const REFUSED_MS = [10_000, 20_000, 40_000, 60_000, 120_000, 300_000]

export interface RelinkOptions {
  signal: AbortSignal
  /** Told before each pause; ms since the epoch. */
  onPause(retryAt: number): void
}

/**
 * Calls `attempt` until it works. Rejects when trying on is of no use: the job is over, or a person must log in, which
 * no repetition makes better while it spends second factors and locks accounts.
 */
export async function relink<T>(attempt: (signal: AbortSignal) => Promise<T>, {clock, tell, upheaval}: Pick<Deps, 'clock' | 'tell' | 'upheaval'>, {signal, onPause}: RelinkOptions): Promise<T> {
  const done = new AbortController()
  const watched = AbortSignal.any([signal, done.signal])
  let turn = new AbortController()
  // One watch for all tries: between two of them it would miss what changes. It also ends an attempt under way, which goes
  // to where the computer no longer is.
  const watch = async () => {
    for (;;) {
      const what = await upheaval(watched)
      turn.abort(new JnodeError('connection-lost', what))
    }
  }
  void watch().catch(() => {})
  try {
    for (let tries = 0, refusals = 0; ; tries++) {
      turn = new AbortController()
      const both = AbortSignal.any([signal, turn.signal])
      try {
        const pauseMs = (refusals > 0 ? nth(REFUSED_MS, refusals - 1) : nth(RETRY_MS, tries)) * (0.8 + 0.4 * Math.random())
        onPause(clock.now() + pauseMs)
        await clock.sleep(pauseMs, both)
        return await attempt(both)
      } catch (error) {
        throwIfAborted(signal)
        if (isFinal(error)) throw error
        refusals = mayPass(error) ? refusals + 1 : 0
        if (refusals === 1) tell({kind: 'warning', text: `${messageOf(error)}. Trying again, more and more slowly`, hint: 'If it stays so, run `jnode connect` to log in yourself.'})
        tell({kind: 'trace', text: `reconnect ${tries + 1} failed: ${messageOf(error)}`})
        if (turn.signal.aborted) tries = -1
      }
    }
  } finally {
    done.abort()
  }
}

function nth(pauses: readonly number[], index: number): number {
  return pauses[Math.min(index, pauses.length - 1)]!
}

/** A refused login that never took anybody to answer: no secret is spent by another try. */
function mayPass(error: unknown): boolean {
  return error instanceof JnodeError && error.code === 'login-failed' && error.needs === 'patience'
}

function isFinal(error: unknown): boolean {
  return isOver(error) || needsPerson(error)
}

/** Whether the job is. */
export function isOver(error: unknown): boolean {
  return error instanceof JnodeError && (error.code === 'job-ended' || error.code === 'job-failed')
}

/** Whether somebody has to log in by hand. */
export function needsPerson(error: unknown): error is JnodeError {
  return error instanceof JnodeError && (error.code === 'host-key' || (error.code === 'login-failed' && error.needs !== 'patience'))
}

/** What a route failed of, where that is a login that only a person can make. */
export function personNeeded(error: unknown): JnodeError | null {
  if (!(error instanceof JnodeError)) return null
  return error.needs === 'person' ? error : personNeeded(error.cause)
}
