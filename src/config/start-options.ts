/**
 * What `start` shall do, from all that was said about it: a flag counts more than its `JNODE_*` variable, that
 * more than the profile, that more than the cluster's settings, those more than the defaults.
 */
import {isAbsolute, posix, resolve} from 'node:path'
import {JnodeError, shown} from '../errors.ts'
import {resolveCluster, type ClusterTarget, type Place} from './cluster.ts'
import {readFlags, type FlagValues, type GivenFlags, type KernelTransport, type Route} from './flags.ts'
import type {Config} from './load.ts'
import {meant} from './nearest.ts'

/** As oclif hands them over: a flag, or else its variable. */
export interface StartFlags extends GivenFlags {
  profile?: string
}

export interface StartSources {
  config: Config
  env: NodeJS.ProcessEnv
  /** Whether qsub is on this machine's PATH. */
  hasLocalQsub: boolean
  cwd: string
}

/** What `connect` takes too. */
export interface TunnelOptions {
  /** null: the session's own, or else 8888 or the next free one. */
  port: number | null
  openBrowser: boolean
  /** The browser's program; null: the system's choice. */
  browser: string | null
  /** null: as long as it takes. */
  waitSeconds: number | null
}

export interface StartOptions extends TunnelOptions {
  cluster: ClusterTarget
  cores: number
  /** For the whole session; null: whatever the site gives. */
  memoryBytes: number | null
  gpus: number
  /** h_rt; null: the site's limit. */
  runSeconds: number | null
  /** Without activity for so long the job ends itself; null: never. */
  idleSeconds: number | null
  queue: string | null
  node: string | null
  pe: string | null
  project: string | null
  account: string | null
  /** Arguments for qsub, unchanged: the profile's, then the flags'. */
  sgeArgs: string[]
  /** What stands after `jupyter `, or `auto`: lab, else notebook, else server. */
  app: string
  /** Jupyter's root: absolute, or counted from the home directory on the cluster; null is the home directory. */
  dir: string | null
  /** The cluster's, then the profile's, then the flags'. */
  modules: string[]
  conda: string | null
  /** Shell text of the job: the cluster's, then the profile's, then the flags'. */
  setup: string[]
  route: Route
  kernelTransport: KernelTransport
  detach: boolean
}

/** What one source says, the strongest source first. */
type Levels = readonly [typed: FlagValues, environment: FlagValues, profile: FlagValues]

/** Resolves and checks. Lists add up (`setup`, `module`, `sge-arg`); anything else is replaced. Throws `usage`, `config`. */
export function resolveStart(given: StartFlags, {config, env, hasLocalQsub, cwd}: StartSources): StartOptions {
  const {profile, ...flags} = given
  const levels = levelsOf(flags, env, profileNamed(profile, config))
  const cluster = resolveCluster(placeOf(levels), config, hasLocalQsub)
  const values: FlagValues = {...levels[2], ...levels[1], ...levels[0]}
  const cores = values.cores ?? 1
  return {
    cluster,
    cores,
    memoryBytes: values.memoryBytes ?? cluster.memoryBytes,
    gpus: values.gpus ?? 0,
    runSeconds: values.runSeconds ?? cluster.runSeconds,
    idleSeconds: values.idleSeconds ?? null,
    queue: values.queue ?? null,
    node: values.node ?? null,
    // The cluster's is for several slots: some sites refuse it for one.
    pe: values.pe ?? (cores > 1 ? cluster.pe : null),
    project: values.project ?? cluster.project,
    account: values.account ?? null,
    sgeArgs: together(levels, 'sgeArgs'),
    app: values.app ?? cluster.app ?? 'auto',
    dir: workingDirectory(levels, cluster, cwd),
    modules: [...cluster.modules, ...together(levels, 'modules')],
    conda: values.conda ?? cluster.conda,
    setup: [...cluster.setup, ...together(levels, 'setup')],
    route: values.route ?? cluster.route ?? 'auto',
    kernelTransport: values.kernelTransport ?? cluster.kernelTransport ?? 'ipc',
    ...tunnelOptions(levels, values),
    detach: values.detach ?? false,
  }
}

/** The flags that `connect` shares with `start`. Throws `usage`. */
export function resolveTunnel(given: Pick<GivenFlags, 'port' | 'browser' | 'no-browser' | 'wait'>, env: NodeJS.ProcessEnv): TunnelOptions {
  const levels = levelsOf(given, env, {})
  return tunnelOptions(levels, {...levels[1], ...levels[0]})
}

/** Where to look, by the flags that every command has. Throws `usage`. */
export function resolvePlace(given: Pick<GivenFlags, 'cluster' | 'host' | 'jump' | 'transport'>, env: NodeJS.ProcessEnv): Place {
  return placeOf(levelsOf(given, env, {}))
}

function levelsOf(given: GivenFlags, env: NodeJS.ProcessEnv, profile: FlagValues): Levels {
  const {typed, environment} = bySource(given, env)
  return [readFlags(typed, (flag) => `--${flag}`), readFlags(environment, variableOf), profile]
}

/** `JNODE_SGE_ARG` for `sge-arg`. */
function variableOf(flag: string): string {
  return `JNODE_${flag.toUpperCase().replaceAll('-', '_')}`
}

/** oclif puts a variable in the place of a flag that was not given; the two are told apart by their values. */
function bySource(flags: GivenFlags, env: NodeJS.ProcessEnv): {typed: GivenFlags; environment: GivenFlags} {
  const isVariable = ([flag, value]: [string, unknown]) => {
    const set = env[variableOf(flag)]
    if (set === undefined || set === '') return false
    // As oclif reads a variable of a boolean flag.
    return typeof value === 'boolean' ? value === ['1', 'true', 'y', 'yes'].includes(set.toLowerCase()) : value === set
  }
  const entries = Object.entries(flags)
  return {
    typed: Object.fromEntries(entries.filter((entry) => !isVariable(entry))),
    environment: Object.fromEntries(entries.filter(isVariable)),
  }
}

function profileNamed(name: string | undefined, config: Config): FlagValues {
  if (name === undefined) return {}
  const profile = config.profiles.get(name)
  if (profile) return profile
  throw new JnodeError('config', `There is no profile ${shown(name)} in ${config.where}`, {hint: meant(name, [...config.profiles.keys()], 'profiles')})
}

/** Cluster or host from the strongest source that names one; the gateways from no weaker source than that. */
function placeOf(levels: Levels): Place {
  const at = levels.findIndex(({cluster, host}) => cluster !== undefined || host !== undefined)
  const {cluster, host} = levels[at] ?? {}
  const strong = at === -1 ? levels : levels.slice(0, at + 1)
  return {cluster, host, jump: strong.find(({jump}) => jump !== undefined)?.jump, transport: levels.find(({transport}) => transport !== undefined)?.transport}
}

function together(levels: Levels, list: 'sgeArgs' | 'modules' | 'setup'): string[] {
  return [...levels].reverse().flatMap((level) => level[list] ?? [])
}

function tunnelOptions(levels: Levels, values: FlagValues): TunnelOptions {
  const decides = levels.find(({browser, noBrowser}) => browser !== undefined || noBrowser !== undefined)
  const openBrowser = decides?.noBrowser !== true
  return {
    port: values.port ?? null,
    openBrowser,
    browser: openBrowser ? (values.browser ?? null) : null,
    waitSeconds: values.waitSeconds ?? null,
  }
}

/** `~/x` and `x` are below the home directory on the cluster; on this machine a typed `x` is below the current one, as for any program. */
function workingDirectory([typed, environment, profile]: Levels, cluster: ClusterTarget, cwd: string): string | null {
  const given = typed.dir ?? environment.dir
  const dir = given ?? profile.dir
  if (dir === undefined) return null
  if (given !== undefined && cluster.kind === 'local' && !dir.startsWith('~') && !isAbsolute(dir)) return resolve(cwd, dir)
  const path = posix.normalize(dir.replace(/^~\/*/, './'))
  return path === '.' || path === './' ? null : path
}
