/**
 * `~/.ssh/config` as ssh reads it: the program itself is asked (`ssh -G`), so that Include, Match, canonical
 * names and every version's own rules hold, and a host with ProxyJump becomes a list of hops.
 */
import {access} from 'node:fs/promises'
import {hostname, userInfo} from 'node:os'
import {JnodeError} from '../errors.ts'
import {command} from '../shell.ts'
import {parseTarget, targetText, type Target} from '../target.ts'
import {beyondSsh2} from './beyond-ssh2.ts'
import {hostTrustIn, type HostTrust} from './host-trust.ts'
import {homeOf, list, named, one, settingsOf, yes, type HostConfigDeps, type Settings} from './ssh-settings.ts'

export interface Hop extends HostTrust {
  /** What the user typed, before HostName took effect. */
  alias: string
  host: string
  /** The one machine that is meant where the name stands for several; null for any of them. */
  address: string | null
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
  /** Where ssh keeps a connection to share (ControlPath); null where it does not. */
  controlPath: string | null
  /** Why the system's ssh is needed to log in here, in words; null where ssh2 will do. */
  beyondSsh2: string | null
  /** ssh would try Kerberos. */
  gssapi: boolean
  /** What ssh would allow, in its order; may hold names ssh2 does not know. Empty without an ssh program. */
  kexAlgorithms: string[]
  ciphers: string[]
  macs: string[]
}

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
    const hop = {...(await hopOf(target, settings, deps)), sshCommand: sshCommandTo(target, targets.slice(0, i))}
    // ssh reaches the later ones through `-J`, which shuts out their own ProxyJump and ProxyCommand.
    if (i > 0) hops.push({...hop, proxyCommand: null})
    else hops.push(...(await ownJumps(hop, settings, {deps, above})), hop)
  }
  return hops
}

async function ownJumps({label}: Hop, settings: Settings, {deps, above}: {deps: HostConfigDeps; above: readonly string[]}): Promise<Hop[]> {
  const jump = one(settings, 'proxyjump')
  if (!jump || jump === 'none') return []
  if (above.includes(label)) {
    throw new JnodeError('config', `ProxyJump goes round in a circle: ${[...above, label].join(' -> ')}`, {
      hint: 'Break the circle in ~/.ssh/config, for instance with "ProxyJump none" for the outermost gateway.',
    })
  }
  return expandChain(jump.split(',').map((one) => parseTarget(one, 'ProxyJump')), deps, [...above, label])
}

function sshCommandTo(target: Target, before: readonly Target[]): string {
  const jumps = before.length > 0 ? ['-J', before.map(targetText).join(',')] : []
  const port = target.port === null ? [] : ['-p', String(target.port)]
  return command(['ssh', ...jumps, ...port, target.user === null ? target.host : `${target.user}@${target.host}`])
}

async function hopOf(target: Target, settings: Settings, deps: HostConfigDeps): Promise<Omit<Hop, 'sshCommand'>> {
  const host = one(settings, 'hostname') ?? target.host
  const port = Number(one(settings, 'port') ?? 22)
  const user = one(settings, 'user') ?? userInfo().username
  const hostKeyAlias = named(settings, 'hostkeyalias')
  const tokens = tokensOf({alias: target.host, host, port, user, hostKeyAlias}, deps)
  const proxyCommand = named(settings, 'proxycommand')
  const hostTrust = hostTrustIn(settings)
  const identityFiles = await existing((settings.get('identityfile') ?? []).filter((file) => file !== 'none').map((file) => expand(file, tokens, deps)))
  return {
    alias: target.host,
    host,
    address: null,
    port,
    user,
    label: targetText({user, host, port: port === 22 ? null : port}),
    identityFiles,
    identitiesOnly: yes(settings, 'identitiesonly', false),
    identityAgent: agentOf(one(settings, 'identityagent'), tokens, deps),
    hostKeyAlias,
    userKnownHostsFiles: fileList(one(settings, 'userknownhostsfile')).map((file) => expand(file, tokens, deps)),
    globalKnownHostsFiles: fileList(one(settings, 'globalknownhostsfile')).map((file) => expand(file, tokens, deps)),
    strictHostKeyChecking: strictness(one(settings, 'stricthostkeychecking')),
    hashKnownHosts: yes(settings, 'hashknownhosts', false),
    ...authenticationOf(settings),
    ...connectionOf(settings),
    proxyCommand: proxyCommand === null ? null : substitute(proxyCommand, tokens),
    controlPath: named(settings, 'controlpath'),
    beyondSsh2: await beyondSsh2(settings, {identityFiles, ...hostTrust}),
    gssapi: yes(settings, 'gssapiauthentication', false),
    ...hostTrust,
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

/** `ssh -G` prints IdentityFile as it was written: `~`, %-tokens and ${VARIABLES} are left to the reader; and Windows' own folder anywhere. */
function expand(file: string, tokens: Tokens, deps: HostConfigDeps): string {
  const env = deps.env ?? process.env
  const rooted = /^~(?=[/\\])/.test(file) ? homeOf(deps) + file.slice(1) : file
  const placed = rooted.replace('__PROGRAMDATA__', env['ProgramData'] ?? 'C:\\ProgramData')
  return substitute(placed, tokens).replaceAll(/\$\{(\w+)\}/g, (whole, name: string) => env[name] ?? whole)
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
