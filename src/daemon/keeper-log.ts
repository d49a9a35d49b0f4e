/** The keepers' log: a few lines in the life of each, for support. Kept small, with no secret in it; a log that cannot be written stops nobody. */
import {appendFileSync, mkdirSync, openSync, renameSync, statSync} from 'node:fs'
import {join} from 'node:path'
import {JnodeError, messageOf, redact} from '../errors.ts'
import {printable} from '../printable.ts'

/** Of the log and of the one before it, each. */
const MOST_BYTES = 256 * 1024

export function keeperLogPath(stateDir: string): string {
  return join(stateDir, 'keeper.log')
}

/** Where a keeper's process may complain before it can speak, and when it crashes. Throws `config` where there is no place at all. */
export function openKeeperLog(stateDir: string): number | 'ignore' {
  try {
    mkdirSync(stateDir, {recursive: true, mode: 0o700})
  } catch (cause) {
    throw new JnodeError('config', `${stateDir} cannot be made: ${messageOf(cause)}`, {hint: 'Make room and check that the folder is yours to write to, or set XDG_STATE_HOME to one that is.', cause})
  }
  try {
    rotate(keeperLogPath(stateDir))
    return openSync(keeperLogPath(stateDir), 'a', 0o600)
  } catch {
    return 'ignore'
  }
}

/** One line of this process, with the time. */
export function logAsKeeper(stateDir: string, text: string): void {
  const path = keeperLogPath(stateDir)
  // A line that begins with the time is a keeper's, not one that it quotes.
  const words = redact(printable(text)).replaceAll('\n', '\n  ')
  try {
    rotate(path)
    appendFileSync(path, `${new Date().toISOString()} ${process.pid} ${words}\n`, {mode: 0o600})
  } catch {
    // a full disk, a folder that is gone
  }
}

function rotate(path: string): void {
  if ((statSync(path, {throwIfNoEntry: false})?.size ?? 0) > MOST_BYTES) renameSync(path, `${path}.1`)
}
