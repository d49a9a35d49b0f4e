/** Judged by the ssh of this machine: what it would connect to, through what, and with which key files, on each of these configurations. */
import {spawnSync} from 'node:child_process'
import {existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync} from 'node:fs'
import {hostname, tmpdir, userInfo} from 'node:os'
import {join, relative} from 'node:path'
import {afterAll, beforeAll, describe, expect, it} from 'vitest'
import type {JnodeError} from '../../../src/errors.ts'
import {resolveHops, type Hop} from '../../../src/ssh/host-config.ts'
import type {HostConfigDeps} from '../../../src/ssh/ssh-settings.ts'
import {parseTarget} from '../../../src/target.ts'

let dir: string
const me = userInfo().username
const home = userInfo().homedir

beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'jnode-host-config-'))
  for (const name of ['one', 'two', 'only-public.pub', 'key-bob', 'key-head', 'key-head.invalid', 'key-2222', `key-${me}`, 'key with blank', 'key-two-dirs', `key-${hostname()}`]) {
    writeFileSync(join(dir, name), '')
  }
  mkdirSync(join(dir, 'conf.d'))
  writeFileSync(join(dir, 'conf.d', '10-user'), 'Host head\n  User included\n')
  writeFileSync(join(dir, 'conf.d', '20-port'), 'Host head\n  Port 2222\n')
})
afterAll(() => rmSync(dir, {recursive: true}))

let files = 0
function config(text: string): string {
  const file = join(dir, `config-${++files}`)
  writeFileSync(file, `${text.replaceAll('DIR', dir).replaceAll('FROM_HOME', relative(home, dir))}\nHost *\n  HostName %h.invalid\n`)
  return file
}

const env = () => ({...process.env, SSH_AUTH_SOCK: '', JNODE_TEST_KEYS: dir})
const targets = (text: string) => text.split(' ').map((one) => parseTarget(one))
const hopsOf = (text: string, deps: HostConfigDeps = {}, target = 'head') => resolveHops(targets(target), {configFile: config(text), env: env(), ...deps})

function sshArgs(target: string): string[] {
  const jumps = target.split(' ')
  const {user, host, port} = parseTarget(jumps.pop()!)
  return [...(jumps.length > 0 ? ['-J', jumps.join(',')] : []), ...(user ? ['-l', user] : []), ...(port ? ['-p', String(port)] : []), '--', host]
}

/** Runs ssh into the void with -v: nothing here has an address. */
function sshTries(file: string, args: string[]): string {
  return spawnSync('ssh', ['-v', '-F', file, '-o', 'BatchMode=yes', ...args], {encoding: 'utf8', stdio: ['ignore', 'ignore', 'pipe'], env: env()}).stderr
}

/** The way ssh takes: `host:port` of each hop, first to last, and the ProxyCommand of the first. */
function sshWay(file: string, target: string): {way: string[]; proxyCommand: string | null} {
  const words = sshTries(file, sshArgs(target))
  const commands = [...words.matchAll(/Executing proxy command: exec (.*)/g)].map(([, command]) => command!)
  // Each ssh that another one starts as its proxy names, behind -W, the host that the outer one wants.
  const way = commands.flatMap((command) => {
    const [, host, port] = /^\S*ssh .*-W '\[(.*)\]:(\d+)'/.exec(command) ?? []
    return host ? [`${host}:${port}`] : []
  })
  // The last one: canonical names that were tried before it are named in the same words.
  const innermost = [...words.matchAll(/Could not resolve hostname (\S+):/g)].at(-1)?.[1] ?? /onnect to (?:address|host) (\S+) port \d+:/.exec(words)?.[1]
  const last = commands.at(-1)
  return {way: [...(innermost ? [innermost] : []), ...way.reverse()], proxyCommand: last && !last.includes(' -W ') ? last : null}
}

function sshKeys(file: string, target: string): string[] {
  const words = sshTries(file, ['-o', 'ProxyCommand=false', ...sshArgs(target.split(' ').at(-1)!)])
  const named = [...words.matchAll(/identity file (.*) type -?\d+/g)].map(([, path]) => path!)
  return named.filter((path) => !path.endsWith('-cert') && (existsSync(path) || existsSync(`${path}.pub`)))
}

const wayOf = (hops: Hop[]) => hops.map((hop, i) => (i === 0 ? hop.host : `${hop.host}:${hop.port}`))

interface Case {
  what: string
  config: string
  target?: string
  /** Of the last hop, to keep the judge honest. */
  expect?: Partial<Hop>
  /** Hosts of all hops without .invalid. */
  hops?: string[]
  keys?: string[]
}

const cases: Case[] = [
  {what: 'nothing', config: '', expect: {user: me, port: 22, host: 'head.invalid', strictHostKeyChecking: 'ask', identitiesOnly: false, proxyCommand: null}},
  {what: 'HostName', config: 'Host head\n HostName other', expect: {host: 'other', alias: 'head'}},
  {what: 'HostName with a token', config: 'Host head\n HostName login-%h.%%x', expect: {host: 'login-head.%x'}},
  {what: 'capitals', config: 'HOST head\n UsEr bob', target: 'HEAD', expect: {user: me, host: 'head.invalid'}},
  {what: 'User and Port', config: 'Host head\n User bob\n Port 2222', expect: {user: 'bob', port: 2222, label: 'bob@head.invalid:2222'}},
  {what: 'User and Port against what was typed', config: 'Host head\n User bob\n Port 2222', target: 'eve@head:44', expect: {user: 'eve', port: 44, sshCommand: 'ssh -p 44 eve@head'}},
  {what: 'a user name with an @', config: '', target: 'eve@site@head', expect: {user: 'eve@site', host: 'head.invalid'}},
  {what: 'equals signs, quotes and comments', config: '# a comment\nHost=head\n  User="bob"\n  Port = 2222 # why', expect: {user: 'bob', port: 2222}},
  {what: 'wildcards', config: 'Host h??d *.org\n User bob', expect: {user: 'bob'}},
  {what: 'a negated pattern', config: 'Host * !head\n User bob\nHost *\n Port 2222', expect: {user: me, port: 2222}},
  {what: 'the first value', config: 'Host head\n User first\nHost h*\n User second\n Port 2222', expect: {user: 'first', port: 2222}},
  {what: 'lines before any Host', config: 'User bob\nHost other\n Port 2222', expect: {user: 'bob', port: 22}},
  {what: 'Include', config: 'Include DIR/conf.d/*', expect: {user: 'included', port: 2222}},
  {what: 'Include inside a Host', config: 'Host other\n Include DIR/conf.d/10-user\nHost *\n Include DIR/conf.d/20-port', expect: {user: me, port: 2222}},
  {what: 'an Include that finds nothing', config: 'Include DIR/conf.d/none*\nUser bob', expect: {user: 'bob'}},
  {what: 'Match host', config: 'Match host head\n User bob', expect: {user: 'bob'}},
  {what: 'Match originalhost and user', config: 'Host head\n HostName moved\nMatch originalhost head user eve\n Port 2222', target: 'eve@head', expect: {port: 2222, host: 'moved'}},
  {what: 'Match exec', config: 'Match host head exec "test -d DIR"\n User bob\nMatch exec "false"\n Port 2222', expect: {user: 'bob', port: 22}},
  {what: 'Match localuser', config: `Match localuser ${me}\n User bob`, expect: {user: 'bob'}},
  {what: 'Match all and final', config: 'Match final all\n User bob\nMatch all\n Port 2222', expect: {user: 'bob', port: 2222}},
  {what: 'CanonicalizeHostname that finds nothing', config: 'CanonicalizeHostname yes\nCanonicalDomains one.invalid two.invalid\nMatch canonical\n User bob', expect: {host: 'head.invalid'}},
  {what: 'one IdentityFile', config: 'IdentityFile DIR/one', keys: ['one']},
  {what: 'several, in order', config: 'Host head\n IdentityFile DIR/two\nHost *\n IdentityFile DIR/one\n IdentityFile DIR/two', keys: ['two', 'one']},
  {what: 'an IdentityFile that is not there', config: 'IdentityFile DIR/none\nIdentityFile DIR/one', keys: ['one']},
  {what: 'an IdentityFile of which only the public half is there', config: 'IdentityFile DIR/only-public\nIdentitiesOnly yes', keys: ['only-public'], expect: {identitiesOnly: true}},
  {what: 'an IdentityFile that is the public half', config: 'IdentityFile DIR/only-public.pub', keys: ['only-public.pub']},
  {what: 'an IdentityFile with a blank', config: 'IdentityFile "DIR/key with blank"', keys: ['key with blank']},
  {what: 'IdentityFile none', config: 'IdentityFile none', keys: []},
  {what: 'IdentityFile by remote user', config: 'User bob\nIdentityFile DIR/key-%r', keys: ['key-bob']},
  {what: 'IdentityFile by local user', config: 'User bob\nIdentityFile DIR/key-%u', keys: [`key-${me}`]},
  {what: 'IdentityFile by host, name and port', config: 'Port 2222\nIdentityFile DIR/key-%h\nIdentityFile DIR/key-%n\nIdentityFile DIR/key-%p', keys: ['key-head.invalid', 'key-head', 'key-2222']},
  {what: 'IdentityFile by HostKeyAlias and local host', config: 'HostKeyAlias head\nIdentityFile DIR/key-%k\nIdentityFile DIR/key-%l', keys: ['key-head', `key-${hostname()}`], expect: {hostKeyAlias: 'head'}},
  {what: 'IdentityFile in the home directory', config: 'IdentityFile ~/FROM_HOME/one\nIdentityFile %d/FROM_HOME/two', keys: [`${home}/FROM_HOME/one`, `${home}/FROM_HOME/two`]},
  {what: 'IdentityFile with a variable', config: 'IdentityFile ${JNODE_TEST_KEYS}/one', keys: ['one']},
  {what: 'ProxyJump', config: 'Host head\n ProxyJump gw', hops: ['gw', 'head']},
  {what: 'ProxyJump with user and port', config: 'Host head\n ProxyJump bob@gw:2222', hops: ['gw', 'head']},
  {what: 'a ProxyJump of two', config: 'Host head\n ProxyJump gw1,gw2', hops: ['gw1', 'gw2', 'head']},
  {what: 'a ProxyJump of three with ssh:// and ports', config: 'Host head\n ProxyJump ssh://a@gw1:21,b@gw2:22,gw3:23', hops: ['gw1', 'gw2', 'gw3', 'head']},
  {what: 'ProxyJump to a name with its own HostName', config: 'Host head\n ProxyJump gw\nHost gw\n HostName gate.invalid\n Port 2222', hops: ['gate', 'head']},
  {what: 'a jump host with its own ProxyJump', config: 'Host head\n ProxyJump gw\nHost gw\n ProxyJump outer\nHost outer\n ProxyJump outermost', hops: ['outermost', 'outer', 'gw', 'head']},
  {what: 'the second of two jump hosts with its own ProxyJump', config: 'Host head\n ProxyJump gw1,gw2\nHost gw2\n ProxyJump elsewhere', hops: ['gw1', 'gw2', 'head']},
  {what: 'the first of two jump hosts with its own ProxyJump', config: 'Host head\n ProxyJump gw1,gw2\nHost gw1\n ProxyJump outer', hops: ['outer', 'gw1', 'gw2', 'head']},
  {what: 'ProxyJump none', config: 'Host head\n ProxyJump none\nHost *\n ProxyJump gw', hops: ['head']},
  {what: 'ProxyJump for all but the gateway', config: 'Host * !gw\n ProxyJump gw', hops: ['gw', 'head']},
  {what: 'ProxyJump by IPv6 address', config: 'Host head\n HostName head.invalid\n ProxyJump bob@[::1]:1\nHost ::1\n HostName ::1', hops: ['::1', 'head']},
  {what: 'explicit jumps', config: '', target: 'bob@gw:2222 head', hops: ['gw', 'head'], expect: {sshCommand: 'ssh -J bob@gw:2222 head'}},
  {what: 'explicit jumps against ProxyJump', config: 'Host head\n ProxyJump elsewhere', target: 'gw head', hops: ['gw', 'head']},
  {what: 'explicit jumps against ProxyCommand', config: 'Host head\n ProxyCommand nc %h %p', target: 'gw head', hops: ['gw', 'head'], expect: {proxyCommand: null}},
  {what: 'an explicit jump with its own ProxyJump', config: 'Host gw\n ProxyJump outer', target: 'gw head', hops: ['outer', 'gw', 'head']},
  {what: 'ProxyCommand', config: 'ProxyCommand false %h %p %r %n %%', target: 'eve@head:44', expect: {proxyCommand: 'false head.invalid 44 eve head %'}},
  {what: 'ProxyCommand none', config: 'Host head\n ProxyCommand none\nHost *\n ProxyCommand false', expect: {proxyCommand: null}},
  {what: 'ProxyCommand before ProxyJump', config: 'ProxyCommand false %h\nProxyJump gw', expect: {proxyCommand: 'false head.invalid'}, hops: ['head']},
  {what: 'ProxyJump before ProxyCommand', config: 'Host head\n ProxyJump gw\n ProxyCommand false', hops: ['gw', 'head']},
  {what: 'ProxyCommand of a jump host', config: 'Host head\n ProxyJump gw\nHost gw\n ProxyCommand false %h', hops: ['gw', 'head']},
]

describe('resolveHops', () => {
  it.each(cases)('goes the way ssh goes: $what', async ({config: text, target = 'head', hops: names, keys, expect: expected = {}}) => {
    const file = config(text)
    const hops = await resolveHops(targets(target), {configFile: file, env: env()})
    const judged = sshWay(file, target)
    const last = hops.at(-1)!
    // Where a ProxyCommand makes the first leg, ssh never says the name of its host.
    expect(judged.way).toEqual(judged.proxyCommand ? wayOf(hops).slice(1) : wayOf(hops))
    expect(judged.proxyCommand).toBe(hops[0]!.proxyCommand)
    expect(last.identityFiles).toEqual(sshKeys(file, target))
    expect(last).toMatchObject(expected)
    if (names) expect(hops.map((hop) => hop.host.replace('.invalid', ''))).toEqual(names)
    if (keys) expect(last.identityFiles).toEqual(keys.map((key) => (key.startsWith('/') ? key.replace('FROM_HOME', relative(home, dir)) : join(dir, key))))
  })

  it('takes over what else ssh prints', async () => {
    const [hop] = await hopsOf(`
      StrictHostKeyChecking accept-new
      HashKnownHosts yes
      UserKnownHostsFile DIR/known ~/"with blank"/known DIR/%r
      GlobalKnownHostsFile DIR/global
      PreferredAuthentications password,publickey
      PasswordAuthentication no
      KbdInteractiveAuthentication no
      PubkeyAuthentication no
      BatchMode yes
      NumberOfPasswordPrompts 1
      ConnectTimeout 7
      ServerAliveInterval 15
      ServerAliveCountMax 9
      AddressFamily inet6
      BindAddress 127.0.0.2
      HostKeyAlgorithms ssh-ed25519,rsa-sha2-256
      Ciphers aes256-ctr`)
    expect(hop).toMatchObject({
      strictHostKeyChecking: 'accept-new',
      hashKnownHosts: true,
      userKnownHostsFiles: [join(dir, 'known'), `${home}/with blank/known`, join(dir, me)],
      globalKnownHostsFiles: [join(dir, 'global')],
      preferredAuthentications: ['password', 'publickey'],
      passwordAuthentication: false,
      kbdInteractiveAuthentication: false,
      pubkeyAuthentication: false,
      batchMode: true,
      numberOfPasswordPrompts: 1,
      connectTimeoutMs: 7000,
      serverAliveIntervalMs: 15_000,
      serverAliveCountMax: 9,
      addressFamily: 6,
      bindAddress: '127.0.0.2',
      hostKeyAlgorithms: ['ssh-ed25519', 'rsa-sha2-256'],
      ciphers: ['aes256-ctr'],
    })
  })

  it.each([['yes', 'yes'], ['no', 'no'], ['off', 'no'], ['ask', 'ask'], ['accept-new', 'accept-new']])('reads StrictHostKeyChecking %s as %s', async (written, read) => {
    const [hop] = await hopsOf(`StrictHostKeyChecking ${written}`)
    expect(hop!.strictHostKeyChecking).toBe(read)
  })

  it('takes UserKnownHostsFile none as no file', async () => {
    expect((await hopsOf('UserKnownHostsFile none'))[0]!.userKnownHostsFiles).toEqual([])
  })
})

describe('on Windows', () => {
  it('the paths that its ssh prints are read', async () => {
    const windows = join(dir, 'windows-ssh')
    const lines = [
      'user bob\r',
      'hostname head\r',
      'port 22\r',
      'globalknownhostsfile __PROGRAMDATA__\\ssh/ssh_known_hosts __PROGRAMDATA__\\ssh/ssh_known_hosts2\r',
      'userknownhostsfile C:\\Users\\Bob B/.ssh/known_hosts ~/other\r',
    ]
    writeFileSync(windows, `#!/bin/sh\ncat <<'END'\n${lines.join('\n')}\nEND\n`, {mode: 0o755})
    const [hop] = await resolveHops(targets('head'), {program: windows, home: 'C:\\Users\\Bob B', env: {...env(), ProgramData: 'D:\\Data'}, platform: 'win32'})
    expect(hop).toMatchObject({
      user: 'bob',
      globalKnownHostsFiles: ['D:\\Data\\ssh/ssh_known_hosts', 'D:\\Data\\ssh/ssh_known_hosts2'],
      userKnownHostsFiles: ['C:\\Users\\Bob B/.ssh/known_hosts', 'C:\\Users\\Bob B/other'],
    })
  })
})

describe('the agent', () => {
  const agentOf = async (text: string, deps: HostConfigDeps = {}) => (await hopsOf(text, deps))[0]!.identityAgent
  const withAgent = () => ({env: {...env(), SSH_AUTH_SOCK: '/run/agent', MY_AGENT: '/run/mine'}})

  it('is that of SSH_AUTH_SOCK unless IdentityAgent names another', async () => {
    expect(await agentOf('')).toBeNull()
    expect(await agentOf('', withAgent())).toBe('/run/agent')
    expect(await agentOf('IdentityAgent SSH_AUTH_SOCK', withAgent())).toBe('/run/agent')
    expect(await agentOf('IdentityAgent ~/agent-%r', withAgent())).toBe(`${home}/agent-${me}`)
    expect(await agentOf('IdentityAgent $MY_AGENT', withAgent())).toBe('/run/mine')
    expect(await agentOf('IdentityAgent $NO_AGENT', withAgent())).toBeNull()
    expect(await agentOf('IdentityAgent none', withAgent())).toBeNull()
  })

  it('is the pipe of OpenSSH on Windows', async () => {
    expect(await agentOf('', {platform: 'win32'})).toBe('\\\\.\\pipe\\openssh-ssh-agent')
  })
})

describe('what cannot be resolved', () => {
  const failure = (text: string, deps: HostConfigDeps = {}, target?: string) => hopsOf(text, deps, target).then(() => null, (error: unknown) => error as JnodeError)

  it('is told in the words of ssh, with the command that shows them', async () => {
    const error = await failure('NoSuchOption yes')
    expect(error).toMatchObject({code: 'config'})
    expect(error!.message).toMatch(/^ssh cannot read its configuration for head: .*line 1: Bad configuration option: nosuchoption/)
    expect(error!.hint).toMatch(/ssh -G -F .* -- head$/)
  })

  it('is a circle of jump hosts', async () => {
    expect(await failure('Host gw\n ProxyJump head\nHost head\n ProxyJump gw')).toMatchObject({code: 'config', message: expect.stringContaining('head.invalid -> ') as string})
    expect(await failure('ProxyJump gw')).toMatchObject({code: 'config', message: expect.stringMatching(/circle|jumphost loop/) as string})
  })

  it.each(['head;id', '-oProxyCommand=id', '$(id)', 'a b', 'head`id`'])('is a host called %s: no part of it becomes an option or a shell command', async (host) => {
    const deps = {configFile: config('ProxyCommand echo %h > DIR/owned'), env: env()}
    await expect(resolveHops([{user: null, host, port: null}], deps)).rejects.toMatchObject({code: 'config'})
    expect(existsSync(join(dir, 'owned'))).toBe(false)
  })

  it('is given up when the signal is aborted', async () => {
    const stop = new AbortController()
    const waiting = failure('Match exec "sleep 30"\n User bob', {signal: stop.signal})
    stop.abort()
    expect(await waiting).toMatchObject({code: 'interrupted'})
  })
})

describe('without an ssh program', () => {
  // What only ssh itself can tell.
  const UNKNOWN = ['Match exec', 'CanonicalizeHostname that finds nothing']

  it.each(cases.filter(({what}) => !UNKNOWN.includes(what)))('the files are read as ssh reads them: $what', async ({config: text, target = 'head'}) => {
    const file = config(text)
    const [judged, read] = await Promise.all([undefined, join(dir, 'no-ssh')].map((program) => resolveHops(targets(target), {configFile: file, env: env(), ...(program && {program})})))
    const compared = (hops: Hop[]) => hops.map(({alias, host, port, user, label, identityFiles, identitiesOnly, hostKeyAlias, proxyCommand}) => ({alias, host, port, user, label, identityFiles, identitiesOnly, hostKeyAlias, proxyCommand}))
    expect(compared(read!)).toEqual(compared(judged!))
  })

  it('there is what was typed, ssh\'s defaults and the usual keys', async () => {
    mkdirSync(join(dir, '.ssh'))
    writeFileSync(join(dir, '.ssh', 'id_ed25519'), '')
    const [gw, head] = await resolveHops(targets('bob@gw:2222 Head'), {program: join(dir, 'no-ssh'), home: dir, env: env(), platform: 'linux'})
    expect(gw).toMatchObject({user: 'bob', host: 'gw', port: 2222, label: 'bob@gw:2222'})
    expect(head).toMatchObject({
      user: me,
      host: 'head',
      port: 22,
      identityFiles: [join(dir, '.ssh', 'id_ed25519')],
      userKnownHostsFiles: [join(dir, '.ssh', 'known_hosts')],
      globalKnownHostsFiles: ['/etc/ssh/ssh_known_hosts'],
      strictHostKeyChecking: 'ask',
      preferredAuthentications: ['publickey', 'keyboard-interactive', 'password'],
      proxyCommand: null,
    })
  })

  it('or with one too old for -G, the same', async () => {
    const old = join(dir, 'old-ssh')
    writeFileSync(old, '#!/bin/sh\necho "unknown option -- G" >&2\nexit 255\n', {mode: 0o755})
    expect(await resolveHops(targets('bob@head'), {program: old, home: dir, env: env()})).toMatchObject([{user: 'bob', host: 'head', port: 22}])
  })
})
