/** How much is fuzzed, and from which seed: always the same in the gate, more and other by JNODE_FUZZ_RUNS and JNODE_FUZZ_SEED. */
import fc, {type Arbitrary, type Parameters} from 'fast-check'

export function fuzzing(runs: number): Pick<Parameters, 'numRuns' | 'seed'> {
  const {JNODE_FUZZ_RUNS, JNODE_FUZZ_SEED} = process.env
  return {numRuns: JNODE_FUZZ_RUNS === undefined ? runs : Number(JNODE_FUZZ_RUNS), seed: Number(JNODE_FUZZ_SEED ?? 20_091)}
}

/** What should not stand in the text of any program. */
export const noise = fc.oneof(
  fc.string({maxLength: 40}),
  fc.string({unit: 'binary', maxLength: 40}),
  fc.constantFrom('<banner>', '</job_info>', '<job_info>', "<?xml version='1.0'?>\n", '\0', '\x1B[2J', 'error: commlib error: got select error\n', '%lt;', '&#0;', '<!--', ']]>', 'qname x\n', '@@jnode place 1 2 3\n', ' '),
)

/** A text as a broken program, shell or network would change it. */
export function broken(text: string): Arbitrary<string> {
  return fc.oneof(
    fc.nat(text.length).map((end) => text.slice(0, end)),
    fc.nat(text.length).map((start) => text.slice(start)),
    fc.tuple(fc.nat(text.length), noise).map(([at, extra]) => text.slice(0, at) + extra + text.slice(at)),
    fc.tuple(fc.nat(text.length), fc.nat(200)).map(([at, length]) => text.slice(0, at) + text.slice(at + length)),
    fc.tuple(noise, noise).map(([before, after]) => before + text + after),
    fc.shuffledSubarray(text.split('\n')).map((lines) => lines.join('\n')),
    fc.constant(text + text),
  )
}
