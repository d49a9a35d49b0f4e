/** A file that is whole whoever else writes it, and as a rule for the user's eyes only. */
import {randomBytes} from 'node:crypto'
import {mkdir, open, rename, rm} from 'node:fs/promises'
import {dirname} from 'node:path'

/** A file as `replaceFile` calls it until it is whole; a process that is killed leaves it behind. */
export const PART = /\.[0-9a-f]{12}$/

/**
 * Makes the directory (0700), writes beside the file and renames. Not by write-file-atomic 7: it writes once and looks not at how much was
 * written, so that on a full disk it puts a truncated file in the place of the good one and reports success.
 */
export async function replaceFile(file: string, text: string, mode = 0o600): Promise<void> {
  await mkdir(dirname(file), {recursive: true, mode: 0o700})
  const beside = `${file}.${randomBytes(6).toString('hex')}`
  try {
    const handle = await open(beside, 'wx', mode)
    try {
      await handle.writeFile(text)
      await handle.sync()
    } finally {
      await handle.close()
    }
    await rename(beside, file)
  } catch (error) {
    await rm(beside, {force: true})
    throw error
  }
}
