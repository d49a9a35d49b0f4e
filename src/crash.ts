/** An error that nobody has caught is printed by Node itself, as it is; so what it quotes is made printable before. */
import {redact} from './errors.ts'
import {printable} from './printable.ts'

const MOST_CAUSES = 10

export function printCrashesSafely(): void {
  process.on('uncaughtExceptionMonitor', (crash: unknown) => {
    let error = crash
    for (let i = 0; i < MOST_CAUSES && error instanceof Error; i++) {
      error.stack = redact(printable(error.stack ?? ''))
      error = error.cause
    }
  })
}
