/**
 * A whole cluster in this process, for tests and the demo: gateway -> head -> node1, node2, each an SSH server with
 * its own host key, and a mock Grid Engine whose jobs really run, as processes of this machine. Needs no root.
 *
 *     const cluster = await startFakeCluster()
 *     spawn(process.execPath, ['bin/run.js', 'start', '--json'], {env: cluster.laptop.env})
 *     ...
 *     await cluster.close()
 */
import {chmodSync} from 'node:fs'
import {createServer, type AddressInfo, type Server} from 'node:net'
import {join} from 'node:path'
import ssh2, {type ParsedKey} from 'ssh2'
import {runCommand} from './command.ts'
import {concerns, HOPS, type ActiveFaults, type FaultName, type Faults, type HopName} from './faults.ts'
import {bellOf, openDoor} from './grid/door.ts'
import {makeGrid, type Grid, type Timing} from './grid/grid.ts'
import type {Job} from './grid/job.ts'
import {makePrograms} from './grid/programs.ts'
import {readQsub, scriptOnStdin} from './grid/qsub.ts'
import {makeHop, type Hop} from './hop.ts'
import {installPrograms, loginEnv, nodeFiles, shortName} from './host-files.ts'
import {knownHostsText, makeKeys, type Keys} from './keys.ts'
import {makeLaptop, type Laptop} from './laptop.ts'
import type {Weather} from './link.ts'
import type {Attempt, LoginRules} from './login.ts'
import {makePlaces, type Places} from './places.ts'
import {keepProcesses, type Processes} from './processes.ts'
import {laptopWeather} from './weather.ts'

const PASSWORD = 'correct horse'

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
  /** The public host keys. */
  hostKeys: Record<HopName, string>
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
  const faults: ActiveFaults = {...options.faults}
  const places = makePlaces()
  const processes = keepProcesses(places.root)
  const base: Base = {user: options.user ?? 'ada', faults, places, processes, keys: makeKeys()}
  const {grid, nodePath, closeGrid} = startGrid(base, options)
  const weather = laptopWeather(faults, () => cutAll(hops.gateway.links.size > 0 ? hops.gateway : hops.head))
  const hops = makeHops({...base, nodePath, commandEnded: weather.commandEnded, logins: options.logins ?? {}})
  const [gateway, head] = await Promise.all([listen(hops.gateway, weather), listen(hops.head, weather)])
  const ports = {gatewayPort: portOf(gateway), headPort: portOf(head)}
  const knownHosts = knownHostsText(base.keys, ports)
  const privateKey = base.keys.user.private
  let laptops = 0
  const anotherLaptop = () => makeLaptop({directory: join(places.root, `l${++laptops}`), user: base.user, ...ports, privateKey, knownHosts, password: PASSWORD})
  applyFaults(base)
  return {
    user: base.user,
    password: PASSWORD,
    ...ports,
    privateKey,
    knownHosts,
    hostKeys: Object.fromEntries(HOPS.map((name) => [name, base.keys.host[name].public])) as Record<HopName, string>,
    home: places.home,
    settings: places.settings,
    grid,
    laptop: anotherLaptop(),
    anotherLaptop,
    ...controls({...base, hops, grid}),
    async close() {
      gateway.close()
      head.close()
      closeGrid()
      HOPS.forEach((name) => cutAll(hops[name]))
      await processes.close()
    },
  }
}

interface Base {
  user: string
  faults: ActiveFaults
  places: Places
  processes: Processes
  keys: Keys
}

type Hops = Record<HopName, Hop> & Record<string, Hop | undefined>

function startGrid({user, faults, places, processes, keys}: Base, options: FakeClusterOptions) {
  const nodePath = installPrograms(places, {user, jupyter: options.jupyter ?? 'stand-in', faults})
  const grid = makeGrid({
    user,
    processes,
    faults,
    timing: {schedule: 30, transfer: 20, notify: 500, linger: 50, accounting: 300, ...options.timing},
    places: {home: places.home, jobTmp: places.jobTmp, spool: join(places.root, 'spool'), pathOf: nodePath, onNode: nodeFiles(places, keys)},
  })
  const closeDoor = openDoor({asks: places.asks, bin: places.bin.sge, wantsStdin: scriptOnStdin}, makePrograms({grid, faults, home: places.home, user}))
  const closeGrid = () => {
    grid.close()
    closeDoor()
  }
  return {grid, nodePath, closeGrid}
}

interface HopsContext extends Base {
  nodePath(host: string): string
  commandEnded(): boolean
  logins: Partial<Record<HopName, Partial<LoginRules>>>
}

function makeHops({user, faults, places, processes, keys, nodePath, commandEnded, logins}: HopsContext): Hops {
  const makeOne = (name: HopName): Hop =>
    makeHop({
      name,
      user,
      hostKey: () => (concerns(faults['hostkey-changed'], name) ? keys.other : keys.host[name]).private,
      login: {methods: ['publickey', 'password'], password: PASSWORD, questions: [], ...logins[name]},
      publicKey: ssh2.utils.parseKey(keys.user.public) as ParsedKey,
      reachable: () => !concerns(faults.unreachable, name),
      forwards: {tcp: () => !concerns(faults['no-tcp-forwarding'], name), sockets: () => !concerns(faults['no-streamlocal'], name)},
      run: (command, channel, env) =>
        runCommand(command, channel, {processes, faults, home: places.home, env: {...env, ...loginEnv(name, {places, user, nodePath, faults})}, onEnd: commandEnded}),
      serverAt: (host, port) => (port === 22 ? hops[shortName(host)] : undefined),
    })
  const hops = Object.fromEntries(HOPS.map((name) => [name, makeOne(name)])) as Hops
  return hops
}

type Controls = Pick<FakeCluster, 'submit' | 'accepted' | 'attempts' | 'connections' | 'setLogin' | 'set' | 'clear' | 'cut'>

function controls(base: Base & {hops: Hops; grid: Grid}): Controls {
  const {user, faults, places, hops, grid} = base
  const applied = () => {
    applyFaults(base)
    grid.reschedule()
  }
  return {
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
  }
}

/** Brings in line with the faults what does not look at them by itself. */
function applyFaults({faults, places}: Base): void {
  // root may write everywhere, so there the login shell runs as nobody instead (command.ts), who must get in.
  const asRoot = process.getuid?.() === 0
  if (asRoot) chmodSync(places.root, faults['home-not-writable'] ? 0o755 : 0o700)
  for (const path of asRoot ? [places.asks, bellOf(places.asks)] : []) chmodSync(path, faults['home-not-writable'] ? 0o777 : 0o700)
  chmodSync(places.home, faults['home-not-writable'] ? 0o555 : 0o700)
}

function cutAll(hop: Hop): void {
  for (const link of [...hop.links]) link.cut()
}

function listen(hop: Hop, weather: Weather): Promise<Server> {
  const server = createServer({allowHalfOpen: true, noDelay: true}, (socket) => hop.take(socket, weather))
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(0, '127.0.0.1', () => resolve(server))
  })
}

function portOf(server: Server): number {
  return (server.address() as AddressInfo).port
}
