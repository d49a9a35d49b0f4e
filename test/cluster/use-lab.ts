/** The lab of the vitest suite; the project's global set-up has built it. */
import {attachLab, type Lab} from './lab.ts'
import {DEFAULT_LAB} from './paths.ts'

/** The running lab that all files of the suite share, one after the other: `const lab = await useLab()`. */
export function useLab(): Promise<Lab> {
  return attachLab(DEFAULT_LAB)
}
