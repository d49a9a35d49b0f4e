/** Undoing, in reverse. What was begun last is undone first; a failing step does not stop the others. */
import {messageOf} from './errors.ts'

export interface Undo {
  /** Registers how to take back what has just been done. */
  add(what: string, step: () => Promise<void>): void
  /** What stands now is to stay, whatever else is taken back. */
  keep(what: string): void
  /** Takes everything back; answers with what could not be, in words. */
  run(): Promise<string[]>
}

export function undoStack(): Undo {
  let steps: {what: string; step: () => Promise<void>}[] = []
  return {
    add(what, step) {
      steps.push({what, step})
    },
    keep(kept) {
      steps = steps.filter(({what}) => what !== kept)
    },
    async run() {
      const failures: string[] = []
      for (const {what, step} of steps.splice(0).reverse()) {
        try {
          await step()
        } catch (error) {
          failures.push(`${what}: ${messageOf(error)}`)
        }
      }
      return failures
    },
  }
}
