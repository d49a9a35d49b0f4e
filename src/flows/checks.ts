/** What `jnode doctor` has looked at: each step with what was seen, and what mends it. */
import {JnodeError, messageOf} from '../errors.ts'
import type {Clock} from '../time.ts'

export interface Check {
  step: string
  /** `warning`: it works, and could be better. `skipped`: what it needs has failed. */
  state: 'ok' | 'warning' | 'failed' | 'skipped'
  saw: string
  /** The one thing to do; null where there is nothing to do. */
  action: string | null
  /** How long it took; null where nothing was done. */
  ms: number | null
}

export interface CheckList {
  readonly list: readonly Check[]
  /** The error of the first step that failed. */
  failure(): JnodeError | null
  /** Does a step; answers with what it gave, or with null when it failed. */
  attempt<T>(step: string, work: () => Promise<T> | T, saw: (value: T) => string): Promise<T | null>
  /** Notes what was seen just now; the time since the last step is this one's. */
  note(step: string, saw: string, warning?: {action: string | null}): void
  fail(step: string, error: unknown): void
  skip(step: string, why: string): void
}

export function checkList({now}: Clock): CheckList {
  const list: Check[] = []
  let last = now()
  let first: JnodeError | null = null
  const add = (check: Omit<Check, 'ms'>, from = last) => {
    list.push({...check, ms: check.state === 'skipped' ? null : Math.round(now() - from)})
    last = now()
  }
  const checks: CheckList = {
    list,
    failure: () => first,
    async attempt(step, work, saw) {
      const from = now()
      last = from
      try {
        const value = await work()
        add({step, state: 'ok', saw: saw(value), action: null}, from)
        return value
      } catch (error) {
        checks.fail(step, error)
        return null
      }
    },
    note: (step, saw, warning) => add({step, state: warning ? 'warning' : 'ok', saw, action: warning?.action ?? null}),
    fail(step, error) {
      const failure = error instanceof JnodeError ? error : new JnodeError('unexpected', messageOf(error), {cause: error})
      if (failure.code === 'interrupted') throw failure
      first ??= failure
      add({step, state: 'failed', saw: failure.message, action: failure.hint})
    },
    skip: (step, why) => add({step, state: 'skipped', saw: why, action: null}),
  }
  return checks
}
