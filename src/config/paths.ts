/** Where jnode keeps its files on this computer. */
import {homedir} from 'node:os'
import {delimiter, isAbsolute, join} from 'node:path'
import envPaths from 'env-paths'
import {JnodeError, shown} from '../errors.ts'

export interface UserPaths {
  configFile: string
  /** What a site ships to all its users, the strongest first; they need not exist. */
  siteConfigFiles: string[]
  /** Sessions, sockets and logs. */
  stateDir: string
}

/** `$XDG_CONFIG_HOME` and `$XDG_STATE_HOME` count on every platform; without them the platform's own places. Throws `config`. */
export function userPaths(env: NodeJS.ProcessEnv): UserPaths {
  checkHome(env)
  const usual = envPaths('jnode', {suffix: ''})
  // env-paths puts the XDG state directory under the name `log`. Logs of macOS and Windows are places that tidying
  // programs empty, so state is `data` there.
  const usualState = process.platform === 'darwin' || process.platform === 'win32' ? usual.data : usual.log
  const siteDirs = env['XDG_CONFIG_DIRS'] || (process.platform === 'win32' ? '' : '/etc/xdg')
  return {
    configFile: join(below(env, 'XDG_CONFIG_HOME') ?? usual.config, 'config.toml'),
    // As the XDG specification has it: what is not absolute is left out.
    siteConfigFiles: siteDirs.split(delimiter).filter((dir) => isAbsolute(dir)).map((dir) => join(dir, 'jnode', 'config.toml')),
    stateDir: below(env, 'XDG_STATE_HOME') ?? usualState,
  }
}

/** A relative one would mean another place in every directory, an empty one the current directory. */
function checkHome(env: NodeJS.ProcessEnv): void {
  const variable = process.platform === 'win32' ? 'USERPROFILE' : 'HOME'
  const home = env[variable] ?? homedir()
  if (!isAbsolute(home)) throw new JnodeError('config', `${variable} must be an absolute path, not ${shown(home)}`, {hint: `Set ${variable} to your home directory.`})
}

function below(env: NodeJS.ProcessEnv, variable: string): string | null {
  const base = env[variable]
  if (base === undefined || base === '') return null
  if (!isAbsolute(base)) {
    throw new JnodeError('config', `${variable} must be an absolute path, not "${base}"`, {hint: `Unset ${variable} or give it an absolute path.`})
  }
  return join(base, 'jnode')
}
