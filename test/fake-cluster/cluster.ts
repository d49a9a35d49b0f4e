/**
 * A whole cluster in this process, for tests and the demo: gateway -> head -> node1, node2, each an SSH server with
 * its own host key, and a mock Grid Engine whose jobs really run, as processes of this machine. Needs no root.
 *
 *     const cluster = await startFakeCluster()
 *     spawn(process.execPath, ['bin/run.js', 'start', '--json'], {env: cluster.laptop.env})
 *     ...
 *     await cluster.close()
 */
import {chmodSync, existsSync, mkdirSync, writeFileSync} from 'node:fs'
import {createServer, type AddressInfo, type Server} from 'node:net'
import {join} from 'node:path'
import {fileURLToPath} from 'node:url'
import ssh2, {type ParsedKey} from 'ssh2'
import {quote} from '../../src/shell.ts'
import {runCommand} from './command.ts'
import {concerns, type ActiveFaults, type FaultName, type Faults, type HopName} from './faults.ts'
import {openDoor} from './grid/door.ts'
import {makeGrid, type Grid, type Timing} from './grid/grid.ts'
import {makePrograms} from './grid/programs.ts'
import type {Job} from './grid/job.ts'
import {readQsub, scriptOnStdin} from './grid/qsub.ts'
import {makeHop, type Hop} from './hop.ts'
import {makeLaptop, type Laptop} from './laptop.ts'
import type {Attempt, LoginRules} from './login.ts'
import {makePlaces, writeHostPrograms, writeProgram, type Places} from './places.ts'
import {keepProcesses} from './processes.ts'

const HOPS: readonly HopName[] = ['gateway', 'head', 'node1', 'node2']
const STAND_IN = fileURLToPath(new URL('stand-in-jupyter.js', import.meta.url))
export const PASSWORD = 'correct horse'

export interface FakeClusterOptions {
  user?: string
  /** How to log in to each hop; without an entry: key or password. */
  logins?: Partial<Record<HopName, Partial<LoginRules>>>
  faults?: ActiveFaults
  timing?: Partial<Timing>
  /** `machine`: the Jupyter on this process's PATH; the stand-in otherwise. */
  jupyter?: 'stand-in' | 'machine'
}

export interface FakeCluster {
  user: string
  password: string
  /** The gateway listens at 127.0.0.1 here; names behind it are `head.local`, `node1.local`, `node2.local`. */
  gatewayPort: number
  /** The head itself, for ways of one hop. */
  headPort: number
  privateKey: string
  knownHosts: string
  /** The user's home on head and nodes. */
  home: string
  settings: string
  grid: Grid
  laptop: Laptop
  /** One more computer of the same user, with nothing saved on it. */
  anotherLaptop(): Laptop
  /** Puts a job into the queue past SSH and qsub, also somebody else's; `args` as of qsub. */
  submit(script: string, args?: string[], owner?: string): Job
  /** Logins that succeeded. */
  accepted(hop: HopName): number
  attempts(hop: HopName): readonly Attempt[]
  /** Connections that stand. */
  connections(hop: HopName): number
  setLogin(hop: HopName, rules: Partial<LoginRules>): void
  set<F extends FaultName>(fault: F, value: Faults[F]): void
  clear(fault: FaultName): void
  /** Ends the connections into a hop with a reset, or lets them stand and carry nothing. New ones work. */
  cut(hop: HopName, how?: 'reset' | 'silent'): void
  close(): Promise<void>
}

export async function startFakeCluster(options: FakeClusterOptions = {}): Promise<FakeCluster> {
  const user = options.user ?? 'ada'
  const faults: ActiveFaults = {...options.faults}
  const places = makePlaces()
  const processes = keepProcesses(places.root)
  const keys = makeKeys()
  const nodePath = installPrograms(places, {user, jupyter: options.jupyter ?? 'stand-in', faults})
  const grid = makeGrid({
    user,
    processes,
    faults,
    timing: {schedule: 30, transfer: 20, notify: 500, linger: 50, accounting: 300, ...options.timing},
    places: {home: places.home, jobTmp: places.jobTmp, spool: join(places.root, 'spool'), pathOf: nodePath, onNode: nodeFiles(places, keys)},
  })
  const closeDoor = openDoor({asks: places.asks, bin: places.bin.sge, wantsStdin: scriptOnStdin}, makePrograms({grid, faults, home: places.home, user}))
  const drop = makeDrop(faults, () => cutAll(hops.gateway.links.size > 0 ? hops.gateway : hops.head))

  const makeOne = (name: HopName): Hop =>
    makeHop({
      name,
      user,
      hostKey: () => (concerns(faults['hostkey-changed'], name) ? keys.other : keys.host[name]).private,
      login: {methods: ['publickey', 'password'], password: PASSWORD, questions: [], ...options.logins?.[name]},
      publicKey: ssh2.utils.parseKey(keys.user.public) as ParsedKey,
      // The weather is on the way to the laptop only: behind it, all hops share the gateway's link.
      weather: name === 'gateway' ? {delayMs: () => faults['slow-link'] ?? 0, sent: drop.bytes} : {delayMs: () => 0, sent: () => {}},
      reachable: () => !faults.unreachable?.includes(name),
      forwards: {tcp: () => !concerns(faults['no-tcp-forwarding'], name), sockets: () => !concerns(faults['no-streamlocal'], name)},
      run: (command, channel, env) =>
        runCommand(command, channel, {processes, faults, home: places.home, env: {...env, ...loginEnv(name, {places, user, nodePath, faults})}, onEnd: drop.exec}),
      serverAt: (host, port) => (port === 22 ? hops[shortName(host)] : undefined),
    })
  const hops = Object.fromEntries(HOPS.map((name) => [name, makeOne(name)])) as Record<HopName, Hop> & Record<string, Hop | undefined>

  const [gateway, head] = await Promise.all([listen(hops.gateway), listen(hops.head)])
  const ports = {gatewayPort: portOf(gateway), headPort: portOf(head)}
  const knownHosts = knownHostsText(keys, ports)
  let laptops = 0
  const anotherLaptop = () =>
    makeLaptop({directory: join(places.root, `l${++laptops}`), user, ...ports, privateKey: keys.user.private, knownHosts, password: PASSWORD})

  return {
    user,
    password: PASSWORD,
    ...ports,
    privateKey: keys.user.private,
    knownHosts,
    home: places.home,
    settings: places.settings,
    grid,
    laptop: anotherLaptop(),
    anotherLaptop,
    submit: (script, args = [], owner = user) => grid.submit(readQsub({program: 'qsub', args, stdin: script, cwd: places.home, env: {}}, places.home), owner),
    accepted: (hop) => hops[hop].record.accepted,
    attempts: (hop) => hops[hop].record.attempts,
    connections: (hop) => hops[hop].links.size,
    setLogin: (hop, rules) => Object.assign(hops[hop].login, rules),
    set(fault, value) {
      faults[fault] = value
      applied()
    },
    clear(fault) {
      delete faults[fault]
      applied()
    },
    cut(hop, how = 'reset') {
      if (how === 'reset') cutAll(hops[hop])
      else for (const link of hops[hop].links) link.silence()
    },
    async close() {
      gateway.close()
      head.close()
      grid.close()
      closeDoor()
      HOPS.forEach((name) => cutAll(hops[name]))
      await processes.close()
    },
  }

  /** Brings what does not look at the faults by itself in line with them. */
  function applied() {
    // root may write everywhere, so there the login shell runs as nobody instead (command.ts), who must get in.
    const asRoot = process.getuid?.() === 0
    if (asRoot) chmodSync(places.root, faults['home-not-writable'] ? 0o755 : 0o700)
    chmodSync(places.home, faults['home-not-writable'] ? 0o555 : 0o700)
    grid.reschedule()
  }
}

function shortName(host: string): string {
  return host.split('.')[0]!
}

function cutAll(hop: Hop): void {
  for (const link of [...hop.links]) link.cut()
}

/** `drop-connection-after`: counts, and cuts once. */
function makeDrop(faults: ActiveFaults, cut: () => void) {
  let bytes = 0
  let commands = 0
  const reached = (limit: number | undefined, count: number) => {
    if (limit === undefined || count < limit) return false
    delete faults['drop-connection-after']
    bytes = commands = 0
    cut()
    return true
  }
  return {
    bytes(more: number): void {
      const limit = faults['drop-connection-after']
      if (limit && 'bytes' in limit) reached(limit.bytes, (bytes += more))
    },
    exec(): boolean {
      const limit = faults['drop-connection-after']
      return limit !== undefined && 'exec' in limit && reached(limit.exec, ++commands)
    },
  }
}

interface KeyPair {
  private: string
  public: string
}

interface Keys {
  user: KeyPair
  host: Record<HopName, KeyPair>
  /** What a hop with a changed key shows. */
  other: KeyPair
}

function makeKeys(): Keys {
  const pair = () => ssh2.utils.generateKeyPairSync('ed25519')
  return {user: pair(), other: pair(), host: {gateway: pair(), head: pair(), node1: pair(), node2: pair()}}
}

function knownHostsText({host}: Keys, {gatewayPort, headPort}: {gatewayPort: number; headPort: number}): string {
  const line = (names: string, hop: HopName) => `${names} ${host[hop].public.split(' ').slice(0, 2).join(' ')}\n`
  return (
    line(`[127.0.0.1]:${gatewayPort}`, 'gateway') +
    line(`head,head.local,[127.0.0.1]:${headPort}`, 'head') +
    line('node1,node1.local', 'node1') +
    line('node2,node2.local', 'node2')
  )
}

function listen(hop: Hop): Promise<Server> {
  const server = createServer({allowHalfOpen: true, noDelay: true}, (socket) => hop.take(socket))
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(0, '127.0.0.1', () => resolve(server))
  })
}

function portOf(server: Server): number {
  return (server.address() as AddressInfo).port
}

/** Writes each host's programs; answers with how to get a node's PATH (asked anew for each job, as faults change it). */
function installPrograms(places: Places, {user, jupyter, faults}: {user: string; jupyter: 'stand-in' | 'machine'; faults: ActiveFaults}): (host: string) => string {
  for (const hop of HOPS) writeHostPrograms(places.bin.host(hop), {host: `${hop}.local`, user})
  for (const app of ['server', 'lab', 'notebook']) {
    writeProgram(join(places.bin.jupyter, `jupyter-${app}`), `exec ${quote(process.execPath)} ${quote(STAND_IN)} ${app} "$@"\n`)
  }
  writeProgram(join(places.bin.jupyter, 'jupyter'), 'app=$1\nshift\nexec "jupyter-$app" "$@"\n')
  // A login shell's start-up files reset PATH on many systems; the user's own come last and put it right.
  for (const name of ['.profile', '.bash_profile', '.zprofile']) writeFileSync(join(places.home, name), 'PATH=$FAKE_LOGIN_PATH; export PATH\n')
  writeFileSync(join(places.home, '.login'), 'setenv PATH "$FAKE_LOGIN_PATH"\n')
  mkdirSync(join(places.home, '.config', 'fish'), {recursive: true})
  writeFileSync(join(places.home, '.config', 'fish', 'config.fish'), 'set -gx PATH (string split : $FAKE_LOGIN_PATH)\n')
  const jupyterDirectory = jupyter === 'machine' ? machineJupyter()?.directory : places.bin.jupyter
  return (host) => {
    const own = places.bin.host(shortName(host) as HopName)
    if (faults['no-jupyter'] || jupyterDirectory === undefined) return [own, ...places.systemWithout()].join(':')
    return [own, jupyterDirectory, ...places.system].join(':')
  }
}

const JUPYTER_PROGRAMS = ['jupyter-lab', 'jupyter-notebook', 'jupyter-server']

/** This machine's own Jupyter, the first on PATH. */
export function machineJupyter(): {directory: string; program: string} | undefined {
  const places = (process.env['PATH'] ?? '').split(':').flatMap((directory) => JUPYTER_PROGRAMS.map((name) => ({directory, program: join(directory, name)})))
  return places.find(({program}) => existsSync(program))
}

/** The files by which a job learns who its node is are the node's own: its name, and its SSH host key. */
function nodeFiles({root}: Places, {host}: Keys): (node: string, script: string) => string {
  const directory = (node: string) => join(root, 'etc', shortName(node))
  for (const node of ['node1', 'node2'] as const) {
    mkdirSync(directory(node), {recursive: true})
    writeFileSync(join(directory(node), 'hostname'), `${node}.local\n`)
    writeFileSync(join(directory(node), 'ssh_host_ed25519_key.pub'), `${host[node].public} root@${node}\n`)
  }
  return (node, script) => script.replaceAll('/etc/ssh/ssh_host_', `${directory(node)}/ssh_host_`).replaceAll('/proc/sys/kernel/hostname', `${directory(node)}/hostname`)
}

interface LoginSurroundings {
  places: Places
  user: string
  nodePath(host: string): string
  faults: ActiveFaults
}

/** What sshd gives a command: little. */
function loginEnv(hop: HopName, {places, user, nodePath, faults}: LoginSurroundings): Record<string, string> {
  const isNode = hop === 'node1' || hop === 'node2'
  const noQsub = faults['no-qsub'] || faults['qsub-only-after-settings']
  const hidden = noQsub || faults['qsub-only-after-login']
  const system = hidden ? places.systemWithout() : places.system
  const bare = isNode ? nodePath(hop) : [places.bin.host(hop), ...system].join(':')
  const full = hop === 'head' ? `${places.bin.sge}:${bare}` : bare
  return {
    HOME: places.home,
    USER: user,
    LOGNAME: user,
    PATH: hidden ? bare : full,
    FAKE_LOGIN_PATH: noQsub ? bare : full,
    SSH_CONNECTION: '127.0.0.1 50000 127.0.0.1 22',
  }
}
