/** A secret that every process of this user on this computer knows, and nobody else. */
import {randomBytes} from 'node:crypto'
import {linkSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync} from 'node:fs'
import {join} from 'node:path'
import {JnodeError, messageOf} from '../errors.ts'

const BYTES = 32

/** Made when it is first asked for, in a file of the state directory. Throws `config`. */
export function userSecret(stateDir: string): Buffer {
  const file = join(stateDir, 'secret')
  try {
    return read(file) ?? make(stateDir, file)
  } catch (cause) {
    throw new JnodeError('config', `${file} cannot be made or read: ${messageOf(cause)}`, {hint: 'Check that the folder is yours to write to, or set XDG_STATE_HOME to one that is.', cause})
  }
}

function make(stateDir: string, file: string): Buffer {
  mkdirSync(stateDir, {recursive: true, mode: 0o700})
  const mine = `${file}.${randomBytes(6).toString('hex')}`
  writeFileSync(mine, randomBytes(BYTES).toString('hex'), {mode: 0o600, flag: 'wx'})
  try {
    // Of two that make one at once, the first counts.
    linkSync(mine, file)
  } catch {
    // One that was cut short is no use to anybody; and not every file system has links.
    if (read(file) === null) renameSync(mine, file)
  } finally {
    rmSync(mine, {force: true})
  }
  const made = read(file)
  if (made === null) throw new Error('it does not hold what was written')
  return made
}

/** Null where there is none that is whole. */
function read(file: string): Buffer | null {
  try {
    const text = readFileSync(file, 'utf8')
    return new RegExp(`^[0-9a-f]{${2 * BYTES}}$`).test(text) ? Buffer.from(text, 'hex') : null
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null
    throw error
  }
}
