/** Warnings before a session's time is over. Grid Engine gives a running job no more of it, so all that helps is to save. */
import type {SessionFacts} from '../session/facts.ts'
import {spokenDuration} from '../time.ts'
import type {Deps} from './deps.ts'

const WARN_AT_MINUTES = [30, 10, 2]
/** Looked at anew each time, since the computer may have slept meanwhile and the job may have been started again. */
const LOOK_EVERY_MS = 10_000

/** Milliseconds since 1970 at which a session's time is over, by this computer's clock; null where there is no limit. */
export function endOf({startedAt, runSeconds}: Pick<SessionFacts, 'startedAt' | 'runSeconds'>): number | null {
  return startedAt === null || runSeconds === null ? null : Date.parse(startedAt) + runSeconds * 1000
}

/** How much time is left, as a sentence without its full stop, once that is half an hour or less; null before, and after the end. */
export function littleTimeLeft(facts: Pick<SessionFacts, 'name' | 'startedAt' | 'runSeconds'>, now: number): string | null {
  const end = endOf(facts)
  if (end === null || end <= now || end - now > WARN_AT_MINUTES[0]! * 60_000) return null
  return `Session ${facts.name} has ${spokenDuration(end - now)} left, then Grid Engine ends it`
}

/** Warns at 30, 10 and 2 minutes, each once; settles when the signal aborts. Of several that were slept through only the last is told. */
export async function warnOfTheEnd(factsNow: () => SessionFacts, {clock, tell}: Pick<Deps, 'clock' | 'tell'>, signal: AbortSignal): Promise<void> {
  let before = Infinity
  while (!signal.aborted) {
    const facts = factsNow()
    const end = endOf(facts)
    const now = clock.now()
    const left = end === null ? Infinity : (end - now) / 60_000
    if (left > before) before = Infinity // started again
    const due = WARN_AT_MINUTES.filter((minutes) => left <= minutes && before > minutes)
    // One that began below a mark needs no warning of it.
    const text = littleTimeLeft(facts, now)
    if (due.length > 0 && before !== Infinity && text !== null) {
      tell({kind: 'warning', text, hint: 'Save your notebooks. A running job cannot be given more time; start the next one with a larger --time.', desktop: text})
    }
    before = left
    await clock.sleep(LOOK_EVERY_MS, signal).catch(() => {})
  }
}
