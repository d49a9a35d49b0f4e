/** The text without any of this character at its end; in one pass, which a regular expression does not do where others follow. */
export function trimEndOf(text: string, char: string): string {
  let end = text.length
  while (end > 0 && text[end - 1] === char) end--
  return text.slice(0, end)
}
