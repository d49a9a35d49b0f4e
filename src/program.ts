/** Where a program lies that is called by its name alone: never in the current directory, which may be anybody's. */
import {accessSync, constants, statSync} from 'node:fs'
import {posix, win32} from 'node:path'

export interface SearchOptions {
  env?: NodeJS.ProcessEnv
  platform?: NodeJS.Platform
  isProgram?: (path: string) => boolean
}

/** On Windows without what only cmd.exe could run. */
const EXTENSION = '.exe'

/** The directories of PATH. An empty or relative entry is the current directory or lies below it, and is left out. */
export function searchPath({env = process.env, platform = process.platform}: SearchOptions = {}): string[] {
  const windows = platform === 'win32'
  // A copy of Windows' environment has the variable's own spelling.
  const value = windows ? Object.entries(env).find(([name]) => name.toUpperCase() === 'PATH')?.[1] : env['PATH']
  const entries = (value ?? '').split(windows ? ';' : ':').map((entry) => (windows ? entry.replaceAll('"', '') : entry))
  // `\bin` is of the current drive.
  const absolute = entries.filter((entry) => (windows ? /^([a-z]:[\\/]|\\\\)/i : /^\//).test(entry))
  return absolute.length > 0 ? absolute : usual(platform, env)
}

/** The absolute path of a program; where there is none, one at which nothing is, so that to start it fails as usual. A name with a directory in it stays as it is. */
export function findProgram(name: string, {env = process.env, platform = process.platform, isProgram = isExecutable}: SearchOptions = {}): string {
  const windows = platform === 'win32'
  if ((windows ? /[\\/:]/ : /\//).test(name)) return name
  const {join} = windows ? win32 : posix
  const file = windows && win32.extname(name) === '' ? name + EXTENSION : name
  const places = searchPath({env, platform}).map((directory) => join(directory, file))
  return places.find(isProgram) ?? places[0]!
}

/** Whether a program of that name is on PATH. */
export function hasProgram(name: string, env: NodeJS.ProcessEnv): boolean {
  return isExecutable(findProgram(name, {env}))
}

/** For this process, and so for all that it starts: what they start themselves is not looked for in the current directory either. */
export function searchSafely(env: NodeJS.ProcessEnv = process.env, platform: NodeJS.Platform = process.platform): void {
  if (platform === 'win32') env['NoDefaultCurrentDirectoryInExePath'] = '1'
  env['PATH'] = searchPath({env, platform}).join(platform === 'win32' ? ';' : ':')
}

/** Where the system looks without a PATH, and nobody but its administrator can write. */
function usual(platform: NodeJS.Platform, env: NodeJS.ProcessEnv): string[] {
  return platform === 'win32' ? [win32.join(env['SystemRoot'] ?? 'C:\\Windows', 'System32')] : ['/usr/bin', '/bin']
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return statSync(path).isFile()
  } catch {
    return false
  }
}
