/** Where jnode keeps its files on this computer. */
import {delimiter, isAbsolute, join} from 'node:path'
import envPaths from 'env-paths'
import {JnodeError} from '../errors.ts'

export interface UserPaths {
  configFile: string
  /** What a site ships to all its users, the strongest first; they need not exist. */
  siteConfigFiles: string[]
  /** Sessions, sockets and logs. */
  stateDir: string
}

/** `$XDG_CONFIG_HOME` and `$XDG_STATE_HOME` count on every platform; without them the platform's own places. Throws `config`. */
export function userPaths(env: NodeJS.ProcessEnv): UserPaths {
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

function below(env: NodeJS.ProcessEnv, variable: string): string | null {
  const base = env[variable]
  if (base === undefined || base === '') return null
  if (!isAbsolute(base)) {
    throw new JnodeError('config', `${variable} must be an absolute path, not "${base}"`, {hint: `Unset ${variable} or give it an absolute path.`})
  }
  return join(base, 'jnode')
}
