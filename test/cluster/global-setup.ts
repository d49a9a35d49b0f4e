/** Builds the program, and stands a first lab up; takes down after the suite all labs that did not stand before (`npm run cluster up`). */
import {fileURLToPath} from 'node:url'
import {downLab, labsBeside, NoLabHere, upLab} from './lab.ts'
import {ensurePackages, FOR_LOGINS, obstacle} from './packages.ts'
import {DEFAULT_LAB} from './paths.ts'
import {run} from './run.ts'

export default async function setup({name}: {name: string}): Promise<() => Promise<void>> {
  await run([process.execPath, fileURLToPath(new URL('../../scripts/build.js', import.meta.url))])
  let before = await labsBeside(DEFAULT_LAB)
  // Not on a machine that can have no lab, and before there is one: a package that brings a group replaces the machine's
  // own /etc/group, and with it goes what a lab's hosts see in its place.
  if (name === 'sites' && obstacle() === undefined && (await ensurePackages(FOR_LOGINS)).length > 0) {
    for (const lab of before) await downLab(lab)
    before = []
  }
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
