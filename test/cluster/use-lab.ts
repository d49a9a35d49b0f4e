/** The lab of the vitest suites. */
import {type Lab, upLab} from './lab.ts'
import {DEFAULT_LAB} from './paths.ts'

/**
 * The lab that a file of tests has for itself while it runs: `const lab = await useLab()`. Files that run at the same
 * time have different ones, for they break things; the next file of a worker gets the same lab again.
 */
export function useLab(): Promise<Lab> {
  const worker = Number(process.env.VITEST_POOL_ID)
  return upLab(worker === 1 ? DEFAULT_LAB : `${DEFAULT_LAB}w${worker}`) // labsBeside knows these names, too
}
