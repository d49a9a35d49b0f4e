/** Names of sessions. A name becomes a directory on the cluster and a part of the job's name, so it is kept plain. */
import {humanId} from 'human-id'
import {JnodeError, shown} from '../errors.ts'
import {isSessionName} from '../rules.ts'

/** The name unchanged. Throws `usage` for one that a path, a shell or `qsub -N` could misread. */
export function checkSessionName(text: string): string {
  if (isSessionName(text)) return text
  throw new JnodeError('usage', `${shown(text)} cannot be the name of a session`, {
    hint: 'A name begins with a letter and has at most 40 letters, digits, "-", "_" and single dots, the last one not a dot.',
  })
}

/** A name of two words such as `otters-sing` that is not among the `taken`. */
export function makeUpName(taken: ReadonlySet<string>): string {
  for (;;) {
    const name = humanId({separator: '-', capitalize: false, adjectiveCount: 0})
    if (!taken.has(name)) return name
  }
}
