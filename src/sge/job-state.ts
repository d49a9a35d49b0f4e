/** Grid Engine's state letters, put into the few phases that matter to somebody who waits. */

export type JobPhase = 'pending' | 'held' | 'starting' | 'running' | 'suspended' | 'error' | 'deleting' | 'finished' | 'unknown'

/**
 * Letters of sge_status(5) and of Univa's preemption states (N, P). The first row with a contained letter wins:
 * the order of letters varies between engines (`hRwq`, `hRqw`, `sr`), and some (R, e) say nothing to us.
 * Case matters: s is suspended by a user, S by a queue; e is no E.
 */
const PHASES: readonly (readonly [letters: string, phase: JobPhase])[] = [
  ['E', 'error'],
  ['d', 'deleting'],
  ['sSTNP', 'suspended'],
  ['r', 'running'],
  ['t', 'starting'],
  ['h', 'held'],
  ['qw', 'pending'],
  ['z', 'finished'],
]

/** The phase of a job from the letters of its `state`, e.g. `hqw`; `unknown` for letters not in the table. */
export function phaseOf(letters: string): JobPhase {
  const row = PHASES.find(([group]) => [...group].some((letter) => letters.includes(letter)))
  return row?.[1] ?? 'unknown'
}
