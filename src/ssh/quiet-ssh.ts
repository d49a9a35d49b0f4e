/** The ssh program where nobody is there to answer it. */
import {fileURLToPath} from 'node:url'
import {searchPath} from '../program.ts'

/**
 * An environment in which `ssh` asks nobody. As an option that would hold for one host: for those on the way (ProxyJump, many a
 * ProxyCommand) ssh starts itself and passes on none that keeps it from asking there, or from answering with nothing.
 */
export function quietly(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return {...env, PATH: [fileURLToPath(new URL('quiet', import.meta.url)), ...searchPath({env})].join(':')}
}
