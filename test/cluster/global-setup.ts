/** Builds the program, and stands the suite's lab up; takes it down after the suite unless it stood before (`npm run cluster up`). */
import {fileURLToPath} from 'node:url'
import {downLab, factsOf, NoLabHere, upLab} from './lab.ts'
import {DEFAULT_LAB} from './paths.ts'
import {run} from './run.ts'

export default async function setup(): Promise<(() => Promise<void>) | void> {
  await run([process.execPath, fileURLToPath(new URL('../../scripts/build.js', import.meta.url))])
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
