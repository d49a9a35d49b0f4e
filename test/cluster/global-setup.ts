/** Stands the suite's lab up, and takes it down after the suite unless it stood before (`npm run cluster up`). */
import {downLab, factsOf, NoLabHere, upLab} from './lab.ts'
import {DEFAULT_LAB} from './paths.ts'

export default async function setup(): Promise<(() => Promise<void>) | void> {
  const stood = (await factsOf(DEFAULT_LAB)) !== undefined
  try {
    await upLab(DEFAULT_LAB)
  } catch (error) {
    if (!(error instanceof NoLabHere)) throw error
    // One sentence for those who cannot run this suite, not a stack.
    console.error(error.message)
    process.exit(2)
  }
  if (!stood) return () => downLab(DEFAULT_LAB)
}
