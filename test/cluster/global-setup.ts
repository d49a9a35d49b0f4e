/** Builds the program, and stands a first lab up; takes down after the suite all labs that did not stand before (`npm run cluster up`). */
import {fileURLToPath} from 'node:url'
import {downLab, labsBeside, NoLabHere, upLab} from './lab.ts'
import {DEFAULT_LAB} from './paths.ts'
import {run} from './run.ts'

export default async function setup(): Promise<() => Promise<void>> {
  await run([process.execPath, fileURLToPath(new URL('../../scripts/build.js', import.meta.url))])
  const before = await labsBeside(DEFAULT_LAB)
  try {
    await upLab(DEFAULT_LAB)
  } catch (error) {
    if (!(error instanceof NoLabHere)) throw error
    // One sentence for those who cannot run this suite, not a stack.
    console.error(error.message)
    process.exit(2)
  }
  return async () => {
    for (const name of await labsBeside(DEFAULT_LAB)) if (!before.includes(name)) await downLab(name)
  }
}
