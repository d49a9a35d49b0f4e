/** From what flows tell to what a person sees on stderr: drawn steps in a terminal, plain lines elsewhere, or nothing. */
import type {FlowEvent, Tell} from '../flows/events.ts'
import {writeLine} from './output.ts'
import type * as Progress from './progress.ts'

export type Loudness = 'quiet' | 'normal' | 'verbose'

export interface Reporter {
  readonly loudness: Loudness
  tell: Tell
  /** Frees the terminal while `work` uses it, for a question. */
  pause<T>(work: () => Promise<T>): Promise<T>
  /** Ends what is being drawn. */
  close(outcome: 'done' | 'failed'): Promise<void>
}

export async function makeReporter(stderr: NodeJS.WriteStream, loudness: Loudness): Promise<Reporter> {
  if (loudness === 'quiet') return quietReporter(stderr)
  // listr2 costs 60 ms to load: only where it draws.
  // A terminal of unknown width has 0 columns, to which listr2 would cut every line.
  if (stderr.isTTY && stderr.columns > 0 && loudness === 'normal') return drawingReporter(stderr, await import('./progress.ts'))
  return plainReporter(stderr, loudness)
}

/** Only what the user must know. */
function quietReporter(stderr: NodeJS.WriteStream): Reporter {
  return {
    loudness: 'quiet',
    tell(event) {
      if (event.kind === 'warning') writeLine(stderr, warningText(event))
    },
    pause: (work) => work(),
    close: async () => {},
  }
}

function plainReporter(stderr: NodeJS.WriteStream, loudness: Loudness): Reporter {
  const began = performance.now()
  let last = ''
  const line = (text: string) => {
    const when = loudness === 'verbose' ? `${((performance.now() - began) / 1000).toFixed(2).padStart(6)} s  ` : ''
    if (text !== last) writeLine(stderr, `${when}${text}`)
    last = text
  }
  return {
    loudness,
    tell(event) {
      switch (event.kind) {
        case 'step':
          return line(`${event.title} ...`)
        case 'progress':
          return line(`  ${event.text}`)
        case 'done':
          return event.text ? line(event.text) : undefined
        case 'note':
          return line(event.text)
        case 'warning':
          return line(warningText(event))
        case 'trace':
          return loudness === 'verbose' ? line(`  [${event.text}]`) : undefined
      }
    },
    pause: (work) => work(),
    close: async () => {},
  }
}

function drawingReporter(stderr: NodeJS.WriteStream, {drawStep, yellow}: typeof Progress): Reporter {
  let step: {title: string; drawn: Progress.DrawnStep} | null = null
  // Drawing ends asynchronously, telling does not wait: a queue keeps the order.
  let queue = Promise.resolve()
  const then = (work: () => Promise<void> | void) => {
    queue = queue.then(work)
    return queue
  }
  const end = async (outcome: 'done' | 'failed') => {
    const ending = step
    step = null
    await ending?.drawn.end(outcome)
  }
  const begin = (title: string) => {
    step = {title, drawn: drawStep(title, stderr)}
  }
  const handle = async (event: FlowEvent) => {
    switch (event.kind) {
      case 'step':
        // Cleaning up means that the step before it has failed.
        await end(event.id === 'clean' ? 'failed' : 'done')
        return begin(event.title)
      case 'progress':
        return step?.drawn.progress(event.text)
      case 'done':
        if (event.text) step?.drawn.title(event.text)
        return end('done')
      case 'note':
      case 'warning': {
        const open = step?.title
        await end('done')
        if (event.kind === 'note') writeLine(stderr, event.text)
        else writeLine(stderr, warningText(event), yellow)
        if (open !== undefined) begin(open)
        return
      }
      case 'trace':
        return
    }
  }
  return {
    loudness: 'normal',
    tell: (event) => void then(() => handle(event)),
    async pause(work) {
      const open = step?.title
      await then(() => end('done'))
      try {
        return await work()
      } finally {
        if (open !== undefined) void then(() => begin(open))
      }
    },
    close: (outcome) => then(() => end(outcome)),
  }
}

export function warningText({text, hint}: {text: string; hint?: string}): string {
  return `Warning: ${text}${hint ? `\n  ${hint}` : ''}`
}
