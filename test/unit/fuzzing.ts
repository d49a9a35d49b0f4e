/** How much is fuzzed, and from which seed: always the same in the gate, more and other by JNODE_FUZZ_RUNS and JNODE_FUZZ_SEED. */
import type {Parameters} from 'fast-check'

export function fuzzing(runs: number): Pick<Parameters, 'numRuns' | 'seed'> {
  const {JNODE_FUZZ_RUNS, JNODE_FUZZ_SEED} = process.env
  return {numRuns: JNODE_FUZZ_RUNS === undefined ? runs : Number(JNODE_FUZZ_RUNS), seed: Number(JNODE_FUZZ_SEED ?? 20_091)}
}
