/** Each reader of what strangers say takes time in proportion to the text, and none at all for one that is too long. */
import {describe, expect, test} from 'vitest'
import {JnodeError} from '../../src/errors.ts'
import {READERS, times, type Reader, type Worst} from './readers.ts'

/** For all readers, beside the texts that each has of its own. */
const ANY: readonly Worst[] = [times('x'), times(' '), times('a: b\n')]

const MB = 1_000_000
/** All texts in all sizes take minutes. */
const LONG = process.env['JNODE_FUZZ_RUNS'] !== undefined
/** Eight times the text may take this many times as long: a reader whose time grows with the square of the text takes 64 times. */
const MOST_TIMES = 12
/** Of processor for 1 MB: less says nothing, as garbage is collected at any moment. By the square of it 8 MB would take hours. */
const FLOOR_MS = 100

/** Milliseconds of processor that reading takes; the busy machine's share is not in it. */
async function cost({read}: Reader, text: string): Promise<number> {
  const from = process.cpuUsage()
  try {
    await read(text)
  } catch (error) {
    if (!(error instanceof JnodeError)) throw error
  }
  const {user, system} = process.cpuUsage(from)
  return (user + system) / 1000
}

/** How many times as long eight times the text takes: the best of some tries, as garbage is collected now and then. */
async function growth(reader: Reader, worst: Worst, size: number): Promise<number> {
  const [small, large] = [worst(size), worst(8 * size)]
  const floor = Math.max((FLOOR_MS * size) / MB, 5)
  let best = Infinity
  for (let tries = 0; tries < 5 && best > MOST_TIMES; tries++) {
    const much = await cost(reader, large)
    best = Math.min(best, much / floor < MOST_TIMES ? 0 : much / Math.max(await cost(reader, small), floor))
  }
  return best
}

describe.each(Object.entries(READERS))('%s', (_, reader) => {
  test('is read in time that grows no faster than the text', async () => {
    const texts = [...reader.worst, ...ANY]
    const check = async (worst: Worst, size: number) => expect(await growth(reader, worst, size), `8 times ${size} characters of ${JSON.stringify(worst(60))}`).toBeLessThan(MOST_TIMES)
    // With less text at first: what is far too slow shows with it, and does not hold up the suite.
    for (const worst of texts) await check(worst, MB / 64)
    for (const worst of LONG ? texts : texts.slice(0, 1)) await check(worst, MB)
  }, 240_000)

  test.runIf(reader.limit !== null)('is not read at all where it is longer than the limit', async () => {
    const {bytes, refuses} = reader.limit!
    const text = times('x')(bytes + 1)
    const answer = await Promise.resolve().then(() => refuses(text)).catch((error: unknown) => error)
    const refused = answer instanceof JnodeError ? answer.code === 'unexpected' : answer === null || answer === false || (answer as {kind?: string}).kind === 'unknown'
    expect(refused, String(answer)).toBe(true)
  })
})
