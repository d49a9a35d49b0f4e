/** Why a job does not run, with what would start sooner where the scheduler proves it. */
import {ask} from '../ask.ts'
import type {GridEngine} from '../sge/client.ts'
import type {JobPhase} from '../sge/job-state.ts'
import type {Job} from '../sge/qstat.ts'
import type {WhyOptions} from '../sge/why.ts'
import type {Remote} from '../ssh/remote.ts'
import type {Clock} from '../time.ts'

export interface Explanation {
  text: string
  /** Looking around took Grid Engine long: ask with `brief` from now on. */
  slow: boolean
}

interface Asking extends WhyOptions {
  head: Remote
  engine: GridEngine
  signal: AbortSignal
}

/** Null when Grid Engine does not say. Costs up to five calls: seldom, please. */
export async function whyNot({id, phase}: Pick<Job, 'id' | 'phase'>, {head, engine, signal, brief = false}: Asking): Promise<Explanation | null> {
  const why = await ask(head.run, engine.why(id, phase, {brief}), {signal})
  if (why === null) return null
  const proved = why.sooner !== null && !why.slow && (await ask(head.run, engine.couldStart(why.sooner), {signal}))
  return {text: proved ? `${why.text}. ${why.sooner!.text}` : why.text, slow: why.slow}
}

/** `qstat -j` is dear on a busy master: the reason is asked after 4 s of waiting, then after a minute, then more and more seldom. */
const FIRST_MS = 4000
const AGAIN_MS = 60_000
const LAST_MS = 300_000

/** Says why a job waits, as often as that is polite, from now on; null for one that does not wait, or while nothing is known. */
export function explainer({clock, ...asking}: Omit<Asking, 'brief'> & {clock: Clock}): (job: Job) => Promise<string | null> {
  let nextAt = clock.now() + FIRST_MS
  let pauseMs = AGAIN_MS
  let brief = false
  let known: {phase: JobPhase; text: string | null} | null = null
  return async (job) => {
    if (job.phase !== 'pending' && job.phase !== 'held') {
      known = null
      return null
    }
    // Another state has another reason, but nobody is asked sooner than a minute after the last time.
    if (known && known.phase !== job.phase) {
      nextAt -= pauseMs - AGAIN_MS
      pauseMs = AGAIN_MS
      known = {phase: job.phase, text: null}
    }
    if (clock.now() < nextAt) return known?.text ?? null
    const why = await whyNot(job, {...asking, brief})
    if (known) pauseMs = Math.min(LAST_MS, 2 * pauseMs)
    nextAt = clock.now() + pauseMs
    brief ||= why?.slow === true
    known = {phase: job.phase, text: why?.text ?? known?.text ?? null}
    return known.text
  }
}
