/** Steps as listr2 draws them, on stderr. The only file that imports listr2. */
import {Listr, ListrLogger, PRESET_TIMER, ProcessOutput, color, type DefaultRenderer, type ListrTaskWrapper, type SimpleRenderer} from 'listr2'
import {oneLine, printable} from '../printable.ts'

type Task = ListrTaskWrapper<unknown, typeof DefaultRenderer, typeof SimpleRenderer>

/** A step being drawn. */
export interface DrawnStep {
  title(text: string): void
  progress(text: string): void
  /** Ends the drawing; settles when the terminal is free for others. */
  end(outcome: 'done' | 'failed'): Promise<void>
}

/**
 * Draws one step. Each is a list of its own, so that a question or a note between two steps finds the terminal
 * free. listr2 would write to stdout, which is for results: so it gets stderr for both, and its signal handlers,
 * which end the process without clean-up, stay off.
 */
export function drawStep(title: string, stderr: NodeJS.WriteStream): DrawnStep {
  const logger = new ListrLogger({processOutput: new ProcessOutput(stderr, stderr)})
  let task: Task | null = null
  let finish!: (outcome: 'done' | 'failed') => void
  const finished = new Promise<'done' | 'failed'>((resolve) => {
    finish = resolve
  })
  const list = new Listr<unknown>(
    {
      title: oneLine(title),
      async task(_, wrapper) {
        task = wrapper as unknown as Task
        if ((await finished) === 'failed') throw new Error(wrapper.title)
      },
    },
    {
      exitOnError: false,
      registerSignalListeners: false,
      rendererOptions: {logger, timer: {...PRESET_TIMER, condition: (ms: number) => ms > 100}, showErrorMessage: false, formatOutput: 'truncate'},
      fallbackRendererOptions: {logger},
    },
  )
  const run = list.run()
  return {
    title(text) {
      if (task) task.title = printable(text)
    },
    progress(text) {
      if (task) task.output = oneLine(text)
    },
    async end(outcome) {
      finish(outcome)
      await run
    },
  }
}

export const yellow = (text: string): string => color.yellow(text)
