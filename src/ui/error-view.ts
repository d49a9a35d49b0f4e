/** An error as a person reads it, on stderr. */
import {JnodeError, messageOf} from '../errors.ts'

/** One sentence and, on a line of its own, the one thing to do next. A stack only for what nobody foresaw, with -v. */
export function errorText(error: unknown, verbose: boolean): string {
  if (!(error instanceof JnodeError)) {
    return `Error: ${messageOf(error)}\n  This is a bug in jnode. ${verbose && error instanceof Error ? error.stack : 'Run it again with -v and report what it prints.'}`
  }
  const cause = verbose && error.cause !== undefined ? `\n  (${messageOf(error.cause)})` : ''
  const kind = error.code === 'interrupted' ? '' : 'Error: ' // the user asked for it
  return `${kind}${error.message}${error.hint ? `\n  ${error.hint}` : ''}${cause}`
}
