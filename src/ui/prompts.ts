/** Questions in the terminal, on stderr: stdout is for results. */
import {abortReason, JnodeError} from '../errors.ts'
import {printable} from '../printable.ts'
import type {Prompter} from '../ssh/prompt.ts'
import {writeLine} from './output.ts'

/** The prompter of a terminal; null where there is nobody to answer. `pause` frees the terminal from drawn steps. */
export function terminalPrompter(
  {stdin, stderr}: {stdin: NodeJS.ReadStream; stderr: NodeJS.WriteStream},
  pause: <T>(work: () => Promise<T>) => Promise<T>,
): Prompter | null {
  if (!stdin.isTTY || !stderr.isTTY) return null
  return {
    canAsk: true,
    ask: ({text, echo}, signal) =>
      pause(async () => {
        const {input, password} = await import('@inquirer/prompts')
        const lines = printable(text).trimEnd().split('\n')
        const message = lines.pop()!.trim()
        if (lines.length > 0) writeLine(stderr, lines.join('\n'))
        const theme = {prefix: ''}
        const context = {input: stdin, output: stderr, ...(signal ? {signal} : {})}
        try {
          return echo ? await input({message, theme}, context) : await password({message, mask: false, theme}, context)
        } catch (cause) {
          // Ctrl-C in the question reaches us as an error of the question, not as a signal.
          throw signal?.aborted ? abortReason(signal) : new JnodeError('interrupted', 'Interrupted', {cause})
        }
      }),
  }
}
