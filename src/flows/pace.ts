/** How often a job is looked at: gently, with jitter, and oftener only while it is on its way from one state to another. */
import type {Clock} from '../time.ts'

export interface Pace {
  firstMs: number
  /** The interval grows to this. */
  lastMs: number
  /** And to this after ten minutes. */
  lateMs: number
  /** Whether to hear the record live as well. */
  follow: boolean
}

/** While somebody waits: 2 s at first, 15 s later. */
export const EAGER: Pace = {firstMs: 2000, lastMs: 15_000, lateMs: 30_000, follow: true}
/** While all is well and only the end is of interest. */
export const GENTLE: Pace = {firstMs: 30_000, lastMs: 60_000, lateMs: 60_000, follow: false}

const GROWTH = 1.25
/** A Grid Engine that gives no answer is asked less and less, down to this. */
const SILENT_MS = 30_000
const LATE_AFTER_MS = 600_000
/** While a job is on its way from one state to another, but not for ever: an epilog may take its time. */
const RESTLESS_MS = 1500
const RESTLESS_LOOKS = 10

/** What another session of the cluster was told within this part of the interval will do as well. */
const FRESH = 0.8

interface Looked {
  /** The job is on its way from one state to another. */
  restless: boolean
  /** Grid Engine gave no answer. */
  silent: boolean
}

interface Pauses {
  /** How many milliseconds to wait before the next look. */
  after(seen: Looked): number
  /** How many milliseconds old an answer may be that another session has got, where nothing looks wrong. */
  freshMs(): number
}

export function pauses(pace: Pace, clock: Clock): Pauses {
  const began = clock.now()
  let intervalMs = pace.firstMs
  let restlessLooks = 0
  return {
    freshMs: () => FRESH * intervalMs,
    after({restless, silent}) {
      restlessLooks = restless ? restlessLooks + 1 : 0
      // Jitter keeps the polls of many users from falling into step.
      const pauseMs = restlessLooks > 0 && restlessLooks <= RESTLESS_LOOKS ? RESTLESS_MS : intervalMs * (0.9 + 0.2 * Math.random())
      const lastMs = clock.now() - began > LATE_AFTER_MS ? pace.lateMs : pace.lastMs
      intervalMs = Math.min(silent ? Math.max(lastMs, SILENT_MS) : lastMs, intervalMs * GROWTH)
      return pauseMs
    },
  }
}
