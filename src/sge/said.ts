/** What a program printed, made fit for a sentence: clients wrap lines in mid-sentence, so line ends mean nothing. */

/** All blanks and line ends folded to single blanks. */
export function folded(text: string): string {
  return text.replace(/\s+/g, ' ').trim()
}

/** The text in quotes, cut short, with control characters made visible as `?`; `nothing` when it is empty. */
export function quoted(text: string, maxLength = 200): string {
  // A log line or terminal must not be steered by what a broken program printed.
  const plain = folded(text).replace(/\p{Cc}/gu, '?')
  if (plain === '') return 'nothing'
  return `"${plain.length > maxLength ? `${plain.slice(0, maxLength)}...` : plain}"`
}
