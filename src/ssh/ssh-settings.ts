/** What ssh itself would do for a host, asked of the program: `ssh -G`. */
import {execFile} from 'node:child_process'
import {homedir, userInfo} from 'node:os'
import {abortReason, JnodeError} from '../errors.ts'
import {findProgram} from '../program.ts'
import {command} from '../shell.ts'
import type {Target} from '../target.ts'

export interface HostConfigDeps {
  /** As `ssh -F`; ssh's own files when not given. */
  configFile?: string
  /** Further options of ssh, which come before what its files say. */
  words?: readonly string[]
  /** The ssh program, `ssh` on PATH when not given. */
  program?: string
  env?: NodeJS.ProcessEnv
  /** ssh takes the home directory of the user database, not $HOME; so does the default here. */
  home?: string
  platform?: NodeJS.Platform
  signal?: AbortSignal
}

/** Match exec and canonical names may ask the network, so this is generous. */
const SSH_G_TIMEOUT_MS = 20_000

/** Keyword in lower case -> its values, in order, as `ssh -G` prints them. */
export type Settings = ReadonlyMap<string, readonly string[]>

/** Everything ssh has set for this target, its own defaults included. Throws `config` with its words when it refuses. */
export async function settingsOf(target: Target, deps: HostConfigDeps): Promise<Settings> {
  // An argument vector, never a shell; `--` and the check in target.ts keep a name from becoming an option.
  const args = ['-G', ...(deps.configFile ? ['-F', deps.configFile] : []), ...(deps.words ?? [])]
  if (target.user !== null) args.push('-l', target.user)
  if (target.port !== null) args.push('-p', String(target.port))
  const answer = await run(deps.program ?? 'ssh', [...args, '--', target.host], deps)
  if (answer === null) return withoutSsh(target, deps)
  const settings = new Map<string, string[]>()
  for (const line of answer.split(/\r?\n/)) {
    const [, keyword, value] = /^(\S+) (.*)$/.exec(line) ?? []
    if (keyword) settings.set(keyword.toLowerCase(), [...(settings.get(keyword.toLowerCase()) ?? []), value!])
  }
  return settings
}

/** How the ssh program calls itself; null where there is none. */
export function sshVersion(env: NodeJS.ProcessEnv): Promise<string | null> {
  return new Promise((resolve) => {
    // It tells on stderr.
    execFile(findProgram('ssh', {env}), ['-V'], {timeout: SSH_G_TIMEOUT_MS, windowsHide: true, env}, (error, _, stderr) => resolve(error ? null : stderr.trim()))
  })
}

/** Whether the ssh program can log in for us: that of Windows cannot share one connection. */
export async function programCanLogIn(env: NodeJS.ProcessEnv): Promise<boolean> {
  return process.platform !== 'win32' && (await sshVersion(env)) !== null
}

/** What `ssh -G` printed; null where there is no ssh program, or one from before 6.8, which has no -G. */
function run(program: string, args: string[], deps: HostConfigDeps): Promise<string | null> {
  const options = {timeout: SSH_G_TIMEOUT_MS, windowsHide: true, env: deps.env ?? process.env, signal: deps.signal}
  return new Promise((resolve, reject) => {
    execFile(findProgram(program, options), args, options, (error, stdout, stderr) => {
      if (!error) return resolve(stdout)
      if (deps.signal?.aborted) return reject(abortReason(deps.signal))
      if (error.code === 'ENOENT' || /(unknown|illegal) option/.test(stderr)) return resolve(null)
      const words = error.killed ? `it did not answer within ${SSH_G_TIMEOUT_MS / 1000} s` : stderr.split('\n').map((line) => line.trimEnd()).filter(Boolean).join('; ')
      reject(
        new JnodeError('config', `ssh cannot read its configuration for ${args.at(-1)}: ${words || error.message}`, {
          hint: `See what ssh says itself: ${command([program, ...args])}`,
        }),
      )
    }).stdin?.end()
  })
}

/** What the files say, and ssh's defaults, where there is no ssh program to ask. */
async function withoutSsh(target: Target, deps: HostConfigDeps): Promise<Settings> {
  const {settingsInFiles} = await import('./config-file.ts')
  const home = homeOf(deps)
  const system = (deps.platform ?? process.platform) === 'win32' ? 'C:\\ProgramData\\ssh' : '/etc/ssh'
  const files = deps.configFile ? [deps.configFile] : [`${home}/.ssh/config`, `${system}/ssh_config`]
  const said = settingsInFiles(target, {home, files})
  const defaults: [string, string[]][] = [
    ['user', [userInfo().username]],
    ['hostname', [target.host.toLowerCase()]],
    ['port', ['22']],
    ['identityfile', ['id_rsa', 'id_ecdsa', 'id_ed25519'].map((name) => `~/.ssh/${name}`)],
    ['userknownhostsfile', [`${home}/.ssh/known_hosts`]],
    ['globalknownhostsfile', [`${system}/ssh_known_hosts`]],
  ]
  const typed: [string, string[]][] = [...(target.user === null ? [] : [['user', [target.user]] as [string, string[]]]), ...(target.port === null ? [] : [['port', [String(target.port)]] as [string, string[]]])]
  return new Map([...defaults, ...said, ...typed])
}

/** The first value of a keyword. */
export function one(settings: Settings, keyword: string): string | undefined {
  return settings.get(keyword)?.[0]
}

/** A value for which `none` stands for nothing. */
export function named(settings: Settings, keyword: string): string | null {
  const value = one(settings, keyword)
  return value === undefined || value === 'none' ? null : value
}

/** A value that is a list divided by commas. */
export function list(settings: Settings, keyword: string): string[] {
  return (one(settings, keyword) ?? '').split(',').filter(Boolean)
}

/** A yes or no. Some keywords have more values than two (`unbound`, `host-bound`): everything but a no is a yes. */
export function yes(settings: Settings, keyword: string, otherwise: boolean): boolean {
  const value = one(settings, keyword)
  return value === undefined ? otherwise : value !== 'no' && value !== 'false'
}

/** The home directory that `~` and %d stand for. */
export function homeOf(deps: HostConfigDeps): string {
  return deps.home ?? (userInfo().homedir || homedir())
}
