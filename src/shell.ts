/** Text for a POSIX shell: quoting in one place. */

/** One word that sh reads back unchanged, whatever is in it. NUL cannot be passed and is refused. */
export function quote(word: string): string {
  if (word.includes('\0')) throw new TypeError('a shell word cannot hold a NUL byte')
  if (/^[A-Za-z0-9_@%+=:,./-]+$/.test(word)) return word
  return `'${word.replaceAll("'", `'\\''`)}'`
}

/** The path of a socket as a part of ssh's `-L` and `-R`, where a colon would end it. */
export function forwardPath(path: string): string {
  return path.replaceAll(/[\\:]/g, '\\$&')
}

/** A command line from an argument vector. */
export function command(argv: readonly string[]): string {
  return argv.map(quote).join(' ')
}
