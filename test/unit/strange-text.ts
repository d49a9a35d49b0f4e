/** Text that tries to be a terminal's orders, and how to see whether any of it is left. */
import fc from 'fast-check'

const PIECES = [
  '\u001B[2J', '\u001B[31m', '\u001B[0;1;31m', '\u001B[0m', '\u001B[>4;2m', '\u001B]0;title\u0007', '\u001B]8;;http://evil.example/\u001B\\', '\u001B]52;c;cm0gLXJmIH4=\u0007', '\u001BPq#0\u001B\\', '\u001B_x\u001B\\',
  '\u001B(0', '\u001Bc', '\u001B[6n', '\u001B', '\u001B[', '\u001B]', '\u001B[3', '\u009B31m', '\u009D0;title\u009C', '\u0090q\u009C', '\u0085', '\u007F', '\u0000', '\b\b\b', '\r', '\r\n', '\n', '\t', '\u0007',
  '\u202E', '\u2066', '\u200F', '\u200E', '\u061C', '\u2028', '\u2029', '\uD83E', '\uDD80', '\u{1F980}', 'm', '[0m', ';', 'é', '漢',
]

export const strangeText: fc.Arbitrary<string> = fc
  .array(fc.oneof(fc.constantFrom(...PIECES), fc.string({maxLength: 8}), fc.string({unit: 'binary', maxLength: 6})), {maxLength: 12})
  .map((pieces) => pieces.join(''))

/** Everything that a terminal or a reader could be steered by, and each of the pieces that make it. */
export const ORDERS = `${PIECES.join('x')}`

/** Written out here and not taken from the source, which it checks. */
const STEERS = /[\u0000-\u0008\u000B-\u001F\u007F-\u009F\u061C\u200E\u200F\u2028-\u202E\u2066-\u2069\uD800-\uDFFF]/u

/** The first thing in a text that a terminal would not just show; null where there is none. */
export function steers(text: string): string | null {
  const found = STEERS.exec(text)
  return found === null ? null : JSON.stringify(found[0])
}
