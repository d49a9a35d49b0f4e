/**
 * `~/.ssh/config` as ssh reads it: the program itself is asked (`ssh -G`), so that Include, Match, canonical
 * names and every version's own rules hold, and a host with ProxyJump becomes a list of hops.
 */
import {execFile} from 'node:child_process'
import {access} from 'node:fs/promises'
import {homedir, hostname, userInfo} from 'node:os'
import {JnodeError} from '../errors.ts'
import {command} from '../shell.ts'
import {parseTarget, targetText, type Target} from '../target.ts'

export interface Hop {
  /** What the user typed, before HostName took effect. */
  alias: string
  host: string
  port: number
  user: string
  /** `user@host`, with the port where it is not 22: for sentences. */
  label: string
  /** The ssh command that reaches this hop by the same way, for hints. */
  sshCommand: string
  /** Files that exist, or whose `.pub` does (the private half may be in the agent only). */
  identityFiles: string[]
  identitiesOnly: boolean
  /** Socket or Windows pipe of the agent; null when there is none or IdentityAgent is `none`. */
  identityAgent: string | null
  hostKeyAlias: string | null
  userKnownHostsFiles: string[]
  globalKnownHostsFiles: string[]
  strictHostKeyChecking: 'yes' | 'ask' | 'accept-new' | 'no'
  hashKnownHosts: boolean
  /** Method names in the order to try them. */
  preferredAuthentications: string[]
  pubkeyAuthentication: boolean
  passwordAuthentication: boolean
  kbdInteractiveAuthentication: boolean
  /** BatchMode: nothing may be asked. */
  batchMode: boolean
  numberOfPasswordPrompts: number
  /** ConnectTimeout; ours where it is not set. */
  connectTimeoutMs: number
  /** 0 when off. */
  serverAliveIntervalMs: number
  serverAliveCountMax: number
  /** As Node's `family`: 0 for any. */
  addressFamily: 0 | 4 | 6
  bindAddress: string | null
  /** Tokens expanded, for `sh -c`. Only ever on the first hop. */
  proxyCommand: string | null
  /** What ssh would allow, in its order; may hold names ssh2 does not know. Empty without an ssh program. */
  hostKeyAlgorithms: string[]
  kexAlgorithms: string[]
  ciphers: string[]
  macs: string[]
}

export interface HostConfigDeps {
  /** As `ssh -F`; ssh's own files when not given. */
  configFile?: string
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
/** ssh waits for as long as TCP does, which is minutes. */
const CONNECT_TIMEOUT_MS = 30_000
const OPENSSH_PIPE = '\\\\.\\pipe\\openssh-ssh-agent'
const DEFAULT_METHODS = ['publickey', 'keyboard-interactive', 'password']

/**
 * The hops from here to the last target, in order. The first target's own ProxyJump comes before it; a later
 * target's is ignored, as `ssh -J` overrides it. Throws `config` with ssh's own words when it refuses its
 * configuration, `usage` for a name ssh would refuse.
 */
export async function resolveHops(targets: readonly Target[], deps: HostConfigDeps = {}): Promise<Hop[]> {
  return expandChain(targets, deps, [])
}

async function expandChain(targets: readonly Target[], deps: HostConfigDeps, above: readonly string[]): Promise<Hop[]> {
  const hops: Hop[] = []
  for (const [i, target] of targets.entries()) {
    const settings = await settingsOf(target, deps)
    const hop = await hopOf(target, settings, deps)
    hop.sshCommand = sshCommandTo(target, targets.slice(0, i))
    // ssh reaches the later ones through `-J`, which shuts out their own ProxyJump and ProxyCommand.
    if (i > 0) hop.proxyCommand = null
    else hops.push(...(await ownJumps(hop, settings, {deps, above})))
    hops.push(hop)
  }
  return hops
}

async function ownJumps(hop: Hop, settings: Settings, {deps, above}: {deps: HostConfigDeps; above: readonly string[]}): Promise<Hop[]> {
  const jump = one(settings, 'proxyjump')
  if (!jump || jump === 'none') return []
  if (above.includes(hop.label)) {
    throw new JnodeError('config', `ProxyJump goes round in a circle: ${[...above, hop.label].join(' -> ')}`, {
      hint: 'Break the circle in ~/.ssh/config, for instance with "ProxyJump none" for the outermost gateway.',
    })
  }
  return expandChain(jump.split(',').map((one) => parseTarget(one, 'ProxyJump')), deps, [...above, hop.label])
}

function sshCommandTo(target: Target, before: readonly Target[]): string {
  const jumps = before.length > 0 ? ['-J', before.map(targetText).join(',')] : []
  const port = target.port === null ? [] : ['-p', String(target.port)]
  return command(['ssh', ...jumps, ...port, target.user === null ? target.host : `${target.user}@${target.host}`])
}

/** Keyword in lower case -> its values, in order, as `ssh -G` prints them. */
type Settings = ReadonlyMap<string, readonly string[]>

async function settingsOf(target: Target, deps: HostConfigDeps): Promise<Settings> {
  // An argument vector, never a shell; `--` and the check in target.ts keep a name from becoming an option.
  const args = ['-G', ...(deps.configFile ? ['-F', deps.configFile] : [])]
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

/** What `ssh -G` printed; null where there is no ssh program, or one from before 6.8, which has no -G. */
function run(program: string, args: string[], deps: HostConfigDeps): Promise<string | null> {
  const options = {timeout: SSH_G_TIMEOUT_MS, windowsHide: true, env: deps.env ?? process.env, signal: deps.signal}
  return new Promise((resolve, reject) => {
    execFile(program, args, options, (error, stdout, stderr) => {
      if (!error) return resolve(stdout)
      if (deps.signal?.aborted) return reject(new JnodeError('interrupted', 'Interrupted'))
      if (error.code === 'ENOENT' || /(unknown|illegal) option/.test(stderr)) return resolve(null)
      const words = error.killed ? `it did not answer within ${SSH_G_TIMEOUT_MS / 1000} s` : stderr.trim().replaceAll(/\s*\r?\n/g, '; ')
      reject(
        new JnodeError('config', `ssh cannot read its configuration for ${args.at(-1)}: ${words || error.message}`, {
          hint: `See what ssh says itself: ${command([program, ...args])}`,
        }),
      )
    }).stdin?.end()
  })
}

/**
 * The little that holds without an ssh program: what was typed, ssh's defaults, nothing of ~/.ssh/config.
 * Weaker on purpose: a second reader of that file would differ from ssh's in the cases that matter.
 */
function withoutSsh(target: Target, deps: HostConfigDeps): Settings {
  const names = ['id_rsa', 'id_ecdsa', 'id_ed25519']
  return new Map([
    ['user', [target.user ?? userInfo().username]],
    ['hostname', [target.host.toLowerCase()]],
    ['port', [String(target.port ?? 22)]],
    ['identityfile', names.map((name) => `~/.ssh/${name}`)],
    ['userknownhostsfile', [`${homeOf(deps)}/.ssh/known_hosts`]],
    ['globalknownhostsfile', [(deps.platform ?? process.platform) === 'win32' ? 'C:\\ProgramData\\ssh\\ssh_known_hosts' : '/etc/ssh/ssh_known_hosts']],
  ])
}

async function hopOf(target: Target, settings: Settings, deps: HostConfigDeps): Promise<Hop> {
  const host = one(settings, 'hostname') ?? target.host
  const port = Number(one(settings, 'port') ?? 22)
  const user = one(settings, 'user') ?? userInfo().username
  const hostKeyAlias = named(settings, 'hostkeyalias')
  const tokens = tokensOf({alias: target.host, host, port, user, hostKeyAlias}, deps)
  const proxyCommand = named(settings, 'proxycommand')
  return {
    alias: target.host,
    host,
    port,
    user,
    label: targetText({user, host, port: port === 22 ? null : port}),
    sshCommand: '',
    identityFiles: await existing((settings.get('identityfile') ?? []).filter((file) => file !== 'none').map((file) => expand(file, tokens, deps))),
    identitiesOnly: yes(settings, 'identitiesonly', false),
    identityAgent: agentOf(one(settings, 'identityagent'), tokens, deps),
    hostKeyAlias,
    userKnownHostsFiles: fileList(one(settings, 'userknownhostsfile')).map((file) => expand(file, tokens, deps)),
    globalKnownHostsFiles: fileList(one(settings, 'globalknownhostsfile')),
    strictHostKeyChecking: strictness(one(settings, 'stricthostkeychecking')),
    hashKnownHosts: yes(settings, 'hashknownhosts', false),
    ...authenticationOf(settings),
    ...connectionOf(settings),
    proxyCommand: proxyCommand === null ? null : substitute(proxyCommand, tokens),
    hostKeyAlgorithms: list(settings, 'hostkeyalgorithms'),
    kexAlgorithms: list(settings, 'kexalgorithms'),
    ciphers: list(settings, 'ciphers'),
    macs: list(settings, 'macs'),
  }
}

function authenticationOf(settings: Settings) {
  const preferred = list(settings, 'preferredauthentications')
  return {
    preferredAuthentications: preferred.length > 0 ? preferred : DEFAULT_METHODS,
    pubkeyAuthentication: yes(settings, 'pubkeyauthentication', true),
    passwordAuthentication: yes(settings, 'passwordauthentication', true),
    // The older name is what ssh before 8.7 prints.
    kbdInteractiveAuthentication: yes(settings, 'kbdinteractiveauthentication', yes(settings, 'challengeresponseauthentication', true)),
    batchMode: yes(settings, 'batchmode', false),
    numberOfPasswordPrompts: Number(one(settings, 'numberofpasswordprompts') ?? 3),
  }
}

function connectionOf(settings: Settings) {
  const timeout = one(settings, 'connecttimeout')
  const family = one(settings, 'addressfamily')
  return {
    connectTimeoutMs: timeout === undefined || timeout === 'none' ? CONNECT_TIMEOUT_MS : Number(timeout) * 1000,
    serverAliveIntervalMs: Number(one(settings, 'serveraliveinterval') ?? 0) * 1000,
    serverAliveCountMax: Number(one(settings, 'serveralivecountmax') ?? 3),
    addressFamily: family === 'inet' ? (4 as const) : family === 'inet6' ? (6 as const) : (0 as const),
    bindAddress: one(settings, 'bindaddress') ?? null,
  }
}

function one(settings: Settings, keyword: string): string | undefined {
  return settings.get(keyword)?.[0]
}

function named(settings: Settings, keyword: string): string | null {
  const value = one(settings, keyword)
  return value === undefined || value === 'none' ? null : value
}

function list(settings: Settings, keyword: string): string[] {
  return (one(settings, keyword) ?? '').split(',').filter(Boolean)
}

/** Some keywords have more values than two (`unbound`, `host-bound`): everything but a no is a yes. */
function yes(settings: Settings, keyword: string, otherwise: boolean): boolean {
  const value = one(settings, keyword)
  return value === undefined ? otherwise : value !== 'no' && value !== 'false'
}

function strictness(value = 'ask'): Hop['strictHostKeyChecking'] {
  if (value === 'true' || value === 'yes') return 'yes'
  if (value === 'false' || value === 'no' || value === 'off') return 'no'
  return value === 'accept-new' ? 'accept-new' : 'ask'
}

/** `ssh -G` joins file names with spaces and quotes none, so a name starts where an absolute path does. */
function fileList(value = ''): string[] {
  if (value === 'none') return []
  return value.split(/ (?=[/~%$]|[A-Za-z]:[\\/]|__PROGRAMDATA__)/).filter(Boolean)
}

function agentOf(value: string | undefined, tokens: Tokens, deps: HostConfigDeps): string | null {
  const env = deps.env ?? process.env
  if (value === 'none') return null
  if (value !== undefined && value !== 'SSH_AUTH_SOCK') {
    return (value.startsWith('$') && !value.startsWith('${') ? env[value.slice(1)] : expand(value, tokens, deps)) || null
  }
  return env['SSH_AUTH_SOCK'] || ((deps.platform ?? process.platform) === 'win32' ? OPENSSH_PIPE : null)
}

type Tokens = Readonly<Record<string, string>>

/** ssh_config(5), TOKENS; without %C, %j and %T, which no file of a login is named by. */
function tokensOf(at: {alias: string; host: string; port: number; user: string; hostKeyAlias: string | null}, deps: HostConfigDeps): Tokens {
  const here = hostname()
  return {
    '%': '%',
    d: homeOf(deps),
    h: at.host,
    i: String(userInfo().uid),
    k: at.hostKeyAlias ?? at.alias,
    L: here.split('.')[0]!,
    l: here,
    n: at.alias,
    p: String(at.port),
    r: at.user,
    u: userInfo().username,
  }
}

function substitute(text: string, tokens: Tokens): string {
  return text.replaceAll(/%(.)/g, (whole, letter: string) => tokens[letter] ?? whole)
}

/** `ssh -G` prints IdentityFile as it was written: `~`, %-tokens and ${VARIABLES} are left to the reader. */
function expand(file: string, tokens: Tokens, deps: HostConfigDeps): string {
  const env = deps.env ?? process.env
  const rooted = /^~(?=[/\\])/.test(file) ? homeOf(deps) + file.slice(1) : file
  return substitute(rooted, tokens).replaceAll(/\$\{(\w+)\}/g, (whole, name: string) => env[name] ?? whole)
}

function homeOf(deps: HostConfigDeps): string {
  return deps.home ?? (userInfo().homedir || homedir())
}

async function existing(files: string[]): Promise<string[]> {
  const there = (file: string) =>
    access(file).then(
      () => true,
      () => false,
    )
  const kept = await Promise.all(files.map(async (file) => (await there(file)) || (await there(`${file}.pub`))))
  return files.filter((file, i) => kept[i] && files.indexOf(file) === i)
}
