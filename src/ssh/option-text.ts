/** Text for ssh: its configuration and its `-o` options, which it reads alike. Quoting in one place. */
import {JnodeError, shown} from '../errors.ts'

/** `Keyword value`, as a line of ssh_config or, with `=`, as an option. Throws `config`: whatever ends a line begins a keyword of somebody else's. */
export function optionText(keyword: string, value: string, between = ' '): string {
  if (!/^[A-Za-z]+$/.test(keyword) || /[\p{Cc}\u2028\u2029]/u.test(value)) throw cannotSay(keyword, value)
  return `${keyword}${between}${value}`
}

/** The name that is typed for a host, as a pattern that nothing else matches. Throws `config`. */
export function hostPattern(alias: string): string {
  if (!/^\w[\w.-]*$/.test(alias)) throw cannotSay('Host', alias)
  return alias
}

/** A list of files for UserKnownHostsFile or IdentityFile. A percent sign and a backslash are ssh's own there. Throws `config`. */
export function fileNames(files: readonly string[]): string {
  return files.map((file) => {
    // No version of ssh has a way to write these.
    if (/\$\{/.test(file)) throw cannotSay('a file', file)
    return `"${file.replaceAll(/["\\]/g, '\\$&').replaceAll('%', '%%')}"`
  }).join(' ')
}

function cannotSay(what: string, value: string): JnodeError {
  return new JnodeError('config', `${shown(value)} cannot be written as ${what} for ssh`, {hint: 'Use a name and folders without control characters and "${".'})
}
