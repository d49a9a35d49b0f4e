/**
 * Every reader of what strangers say, on any text and on texts of the fixtures that were cut, shuffled, polluted, doubled.
 * JNODE_FUZZ_RUNS and JNODE_FUZZ_SEED make it more and other; see CONTRIBUTING.md.
 */
import fc from 'fast-check'
import {readdirSync, readFileSync} from 'node:fs'
import {expect, test} from 'vitest'
import {JnodeError} from '../../src/errors.ts'
import {broken, fuzzing, noise} from './fuzzing.ts'
import {READERS, type Reader} from './readers.ts'

const FOLDERS = ['sge', 'jupyter'].map((folder) => new URL(`../fixtures/${folder}/`, import.meta.url))
const FIXTURES = FOLDERS.flatMap((folder) => readdirSync(folder).filter((name) => /\.(xml|txt|log)$/.test(name)).map((name) => ({name, text: readFileSync(new URL(name, folder), 'utf8')})))

/** What a reader might meet: its own fixtures spoilt, its own worst texts in short and spoilt, any other fixture, noise. */
function texts({fixtures, worst}: Reader): fc.Arbitrary<string> {
  const own = [...FIXTURES.filter(({name}) => fixtures.test(name)).map(({text}) => text), ...worst.map((make) => make(300))]
  return fc.oneof({weight: 4, arbitrary: fc.constantFrom(...own).chain(broken)}, fc.constantFrom(...FIXTURES).chain(({text}) => broken(text)), noise)
}

/** No answer of a cluster takes longer, however busy the machine is. */
const MOST_MS = 5000

test.each(Object.entries(READERS))('%s answers at once or throws the typed error', async (_, reader) => {
  await fc.assert(
    fc.asyncProperty(texts(reader), async (text) => {
      const from = process.cpuUsage()
      try {
        await reader.read(text)
      } catch (error) {
        if (!(error instanceof JnodeError)) throw error
      }
      expect(process.cpuUsage(from).user / 1000).toBeLessThan(MOST_MS)
    }),
    fuzzing(60),
  )
})
