/** Text that comes in pieces, as lines. */
import {LINE_CHARS} from './bounds.ts'

export interface LineSplitter {
  /** The lines that this piece completes. */
  take(piece: string): string[]
  /** What has come of the next line. */
  rest(): string
}

/**
 * A line of more than `most` characters becomes several, so that one without an end takes neither memory nor time.
 * `tail`: so many last characters of a line are never cut in two.
 */
export function lineSplitter({most = LINE_CHARS, tail = 0}: {most?: number; tail?: number} = {}): LineSplitter {
  let rest = ''
  return {
    take(piece) {
      const lines: string[] = []
      for (const [i, part] of piece.split('\n').entries()) {
        if (i > 0) {
          lines.push(rest)
          rest = ''
        }
        rest += part
        while (rest.length > most + tail) {
          lines.push(rest.slice(0, most))
          rest = rest.slice(most)
        }
      }
      return lines
    },
    rest: () => rest,
  }
}
