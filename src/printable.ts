/**
 * Text from elsewhere, made fit for a terminal: nothing in it moves the cursor, sets a title, answers for the user, reorders
 * what is read or passes for a line of ours. A character that could is shown as U+FFFD. What prints calls this, once.
 */

/** Control characters of both tables (C0 and DEL, C1), those that turn the direction of writing, separators of lines, halves of pairs. */
const UNPRINTABLE = /(?![\n\t])[\p{Cc}\p{Bidi_Control}\p{Zl}\p{Zp}\p{Cs}]/gu

const MARK = '\uFFFD'

/** Where text may have lines: those and tabs stay. */
export function printable(text: string): string {
  return text.replaceAll('\r\n', '\n').replace(UNPRINTABLE, MARK)
}

/** A stranger's words for the inside of a sentence or a cell: one line of at most `most` characters. */
export function oneLine(text: string, most = 300): string {
  // Of a text that is much too long the rest is not even looked at.
  const letters = [...printable(text.slice(0, 4 * most)).replace(/[\n\t]+/g, ' ')]
  return letters.length > most || text.length > 4 * most ? `${letters.slice(0, most - 1).join('')}…` : letters.join('')
}

/** A JSON document that a terminal can show; the value that is read from it is the same. */
export function jsonText(value: unknown, indent?: number): string {
  // Outside of strings JSON has none of them, and what JSON.stringify leaves alone is no control character of C0.
  return JSON.stringify(value, null, indent).replace(UNPRINTABLE, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`)
}

/** `ESC [ 1 ; 31 m`: a colour or a style, and nothing else. */
const COLOUR = '\\x1b\\[[0-9;:]{0,100}m'

/** Whole sequences of the other kinds, in seven bits and in eight: strings (titles, links, device control), control sequences, the rest. */
const SEQUENCES = ['(?:\\x1b[\\]PX^_]|[\\x90\\x98\\x9d-\\x9f])[^\\x07\\x1b\\x80-\\x9f\\n]*(?:\\x07|\\x1b\\\\|\\x9c)', '(?:\\x1b\\[|\\x9b)[0-?]*[ -/]*[@-~]', '\\x1b[ -/]*[0-~]']

const STYLED = new RegExp(`(${COLOUR})|${SEQUENCES.join('|')}|${UNPRINTABLE.source}`, 'gu')

/** A log for a terminal: colours stay, all other sequences and control characters go, and what a carriage return would hide gets a line of its own. */
export function coloured(text: string): string {
  return text.replace(/\r{1,2}\n/g, '\n').replaceAll('\r', '\n').replace(STYLED, '$1')
}

/** Ends whatever colours a log has switched on. */
export const PLAIN = '\u001B[0m'
