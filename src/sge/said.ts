/** What a program printed, made fit for a sentence: clients wrap lines in mid-sentence, so line ends mean nothing. */
import {oneLine} from '../printable.ts'

/** All blanks and line ends folded to single blanks. */
export function folded(text: string): string {
  return text.replace(/\s+/g, ' ').trim()
}

/** The text in quotes, cut short; `nothing` when it is empty. */
export function quoted(text: string, maxLength = 200): string {
  const plain = oneLine(folded(text), maxLength)
  return plain === '' ? 'nothing' : `"${plain}"`
}
