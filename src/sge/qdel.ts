/** What `qdel ID` answered. It says so on stdout, errors too, and only qstat tells whether the job is really gone. */
import {folded, quoted} from './said.ts'

export interface Removal {
  /**
   * `registered`: was running, ends in seconds to minutes · `deleted`: was waiting, is gone · `already`: on its way out ·
   * `missing`: Grid Engine does not know it (any more) · `denied`: somebody else's · `unknown`: could not be asked.
   */
  kind: 'registered' | 'deleted' | 'already' | 'missing' | 'denied' | 'unknown'
  /** Grid Engine's own words, in quotes. */
  said: string
}

const SENTENCES: readonly (readonly [Removal['kind'], RegExp])[] = [
  ['missing', /job "?\d+"? (does not exist|not found)/i],
  ['denied', /do not have the necessary privileges|have no permission|must be (at least )?(owner|operator|manager)/i],
  ['already', /is already in deletion/i],
  ['registered', /has registered the job.{0,80} for deletion|forced the deletion of job/i],
  ['deleted', /has deleted job/i],
]

export function readRemoval({stdout, stderr}: {stdout: string; stderr: string}): Removal {
  const text = folded(`${stdout}\n${stderr}`)
  return {kind: SENTENCES.find(([, pattern]) => pattern.test(text))?.[0] ?? 'unknown', said: quoted(text)}
}
