/**
 * ssh's configuration files where there is no ssh program to ask. Not as good as asking: `Match exec`, canonical names
 * and what a system's ssh has built in are unknown here.
 */
import {readdirSync, readFileSync} from 'node:fs'
import {basename, dirname, isAbsolute, join} from 'node:path'
import SSHConfig from 'ssh-config'
import {JnodeError, messageOf} from '../errors.ts'
import type {Target} from '../target.ts'

export interface ConfigFiles {
  home: string
  /** First to last; of a setting the first value counts. Missing ones hold nothing. */
  files: readonly string[]
}

/** Keyword in lower case -> values. Throws `config` for a file that is no configuration. */
export function settingsInFiles(target: Target, {home, files}: ConfigFiles): Map<string, string[]> {
  try {
    const text = files.map((file) => withIncludes(file, {target, home}, 0)).join('\n')
    const settings = new Map(Object.entries(computed(text, target)).map(([keyword, value]) => [keyword.toLowerCase(), asPrinted(keyword, value)]))
    // Of these two the one that is written first counts.
    const [, second] = [...settings.keys()].filter((keyword) => keyword === 'proxyjump' || keyword === 'proxycommand')
    if (second !== undefined) settings.delete(second)
    const hostname = settings.get('hostname')?.[0]
    if (hostname !== undefined) settings.set('hostname', [hostname.replaceAll(/%([%h])/g, (_, letter: string) => (letter === 'h' ? target.host.toLowerCase() : '%'))])
    return settings
  } catch (error) {
    if (error instanceof JnodeError) throw error
    throw new JnodeError('config', `ssh's configuration (${files.join(', ')}) cannot be read: ${messageOf(error)}`, {cause: error})
  }
}

function computed(text: string, {user, host}: Target): Record<string, string | string[]> {
  return SSHConfig.parse(text).compute({Host: host, ...(user === null ? {} : {User: user})}, {ignoreCase: true, matchExec: false})
}

/** As `ssh -G` prints it: one line per value of those that may be repeated, else all on one. */
function asPrinted(keyword: string, value: string | string[]): string[] {
  if (typeof value === 'string') return [value]
  return /^(identityfile|certificatefile)$/i.test(keyword) ? value : [value.join(' ')]
}

const MAX_DEPTH = 16
const HEADER = /^\s*(host|match)\b/i

interface Including {
  target: Target
  home: string
}

/** The text of a file with that of its Includes in their places. What follows one belongs to the section it stands in, again. */
function withIncludes(file: string, {target, home}: Including, depth: number): string {
  if (depth > MAX_DEPTH) throw new JnodeError('config', `${file} is included in a circle`)
  let header = 'Match all'
  return read(file)
    .split(/\r?\n/)
    .flatMap((line) => {
      if (HEADER.test(line)) header = line
      const [, patterns] = /^\s*include[\s=]+([^\s=].*)$/i.exec(line) ?? []
      if (patterns === undefined) return [line]
      // Sections of a file that is included from one for other hosts do not count, whatever they say.
      if (!('here' in computed(`${header}\n  here yes`, target))) return []
      const included = [...patterns.matchAll(/"([^"]+)"|(\S+)/g)].flatMap(([, quoted, plain]) => filesLike(quoted ?? plain!, home))
      return [...included.map((each) => withIncludes(each, {target, home}, depth + 1)), header]
    })
    .concat('Match all')
    .join('\n')
}

/** Wildcards in the last part of a path, which is where people write them; relative ones are below ~/.ssh. */
function filesLike(pattern: string, home: string): string[] {
  const path = pattern.startsWith('~/') ? join(home, pattern.slice(2)) : isAbsolute(pattern) ? pattern : join(home, '.ssh', pattern)
  if (!/[*?]/.test(basename(path))) return [path]
  const name = new RegExp(`^${basename(path).replaceAll(/[.+^${}()|[\]\\]/g, '\\$&').replaceAll('*', '.*').replaceAll('?', '.')}$`)
  try {
    return readdirSync(dirname(path)).filter((each) => name.test(each)).sort().map((each) => join(dirname(path), each))
  } catch {
    return []
  }
}

function read(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return ''
  }
}
