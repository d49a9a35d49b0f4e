/** Text for a POSIX shell: quoting in one place. */

/** One word that sh reads back unchanged, whatever is in it. NUL cannot be passed and is refused. */
export function quote(word: string): string {
  if (word.includes('\0')) throw new TypeError('a shell word cannot hold a NUL byte')
  if (/^[A-Za-z0-9_@%+=:,./-]+$/.test(word)) return word
  return `'${word.replaceAll("'", `'\\''`)}'`
}

/** A command line from an argument vector. */
export function command(argv: readonly string[]): string {
  return argv.map(quote).join(' ')
}
