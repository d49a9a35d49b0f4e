/** The only place that writes to the terminal, or to what stands for it. Whatever is printed here is made printable first. */
import {coloured, jsonText, oneLine, PLAIN, printable} from '../printable.ts'

type Stream = Pick<NodeJS.WriteStream, 'write'> & Partial<Pick<NodeJS.WriteStream, 'isTTY' | 'columns'>>

/** A result, a step, an error: one line or several. `paint` adds our own colour. */
export function writeLine(to: Stream, text: string, paint: (text: string) => string = (plain) => plain): void {
  to.write(`${paint(printable(text))}\n`)
}

/** Takes the place of the line where the cursor is; without an end of its own, or with one when it stays. */
export function rewriteLine(to: Stream, text: string): void {
  to.write(`\r\u001B[K${oneLine(text, (to.columns || 80) - 1)}`)
}

export function rewriteWithLine(to: Stream, text: string): void {
  to.write(`\r\u001B[K${printable(text)}\n`)
}

export function endLine(to: Stream): void {
  to.write('\n')
}

export function writeJson(to: Stream, value: unknown): void {
  to.write(`${jsonText(value, 2)}\n`)
}

/** Lines of a job's log: as they are for a program; a terminal gets their colours and nothing else that acts on it. */
export function writeLog(to: Stream, lines: readonly string[]): void {
  for (const line of lines) to.write(to.isTTY ? `${coloured(line)}\n` : `${line}\n`)
}

/** What a log has switched on must not colour what comes after it. */
export function endLog(to: Stream): void {
  if (to.isTTY) to.write(PLAIN)
}
