/** config.toml, read and checked. It holds no secrets: a token or password has no key here. */
import {readFile} from 'node:fs/promises'
import {homedir} from 'node:os'
import {dirname, join, resolve} from 'node:path'
import {parse, TomlDate, TomlError} from 'smol-toml'
import type * as z from 'zod'
import {JnodeError, messageOf, shown} from '../errors.ts'
import {readFlags, type FlagValues, type GivenFlags, type Route} from './flags.ts'
import {meant} from './nearest.ts'
import {configShape, keysAt, type ClusterTable, type ConfigFile} from './shape.ts'

/** What `[clusters.NAME]` says besides the way there; null where it says nothing. */
export interface SiteSettings {
  route: Route | null
  pe: string | null
  /** The resource that `--mem` asks for, and whether Grid Engine counts it per slot or per job. */
  memory: {resource: string; per: 'slot' | 'job'} | null
  gpu: {resource: string} | null
  /** Shell text that puts qsub on PATH. */
  sgeSetup: string | null
  /** Shell lines of the job before Jupyter. */
  setup: string[]
  app: string | null
  /** Absolute path. */
  knownHosts: string | null
}

export interface ConfiguredCluster {
  /** `[user@]host[:port]`, or `local`. */
  host: string
  /** Gateways in order. */
  jump: string[]
  settings: SiteSettings
}

export interface Config {
  /** The file this comes from, for sentences; it need not exist. */
  file: string
  defaultCluster: string | null
  clusters: ReadonlyMap<string, ConfiguredCluster>
  profiles: ReadonlyMap<string, FlagValues>
}

/** Reads the file; a missing one is an empty configuration. Throws `config` with file, key and what is right. */
export async function loadConfig(file: string): Promise<Config> {
  const raw = parseToml(await readText(file), file)
  const checked = configShape.safeParse(raw)
  if (!checked.success) throw explain(checked.error.issues, raw, file)
  return understand(checked.data, file)
}

async function readText(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8')
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return ''
    throw new JnodeError('config', `The configuration ${file} cannot be read: ${messageOf(cause)}`, {hint: 'Check that it is a file and that you may read it.', cause})
  }
}

function parseToml(text: string, file: string): unknown {
  try {
    return parse(text)
  } catch (cause) {
    if (!(cause instanceof TomlError)) throw cause
    // Its message goes on with the lines of the file themselves.
    const what = cause.message.split('\n')[0]!.replace(/^Invalid TOML document: /, '')
    throw new JnodeError('config', `${file} is not valid TOML at line ${cause.line}, column ${cause.column}: ${what}`, {
      hint: 'Mend that line. Text stands in quotes, as in host = "you@head.example.org".',
      cause,
    })
  }
}

/** One thing wrong with the shape, in words. A misspelt key comes first: it explains the one that is missing. */
function explain(issues: readonly z.core.$ZodIssue[], raw: unknown, file: string): JnodeError {
  const issue = issues.find(({code}) => code === 'unrecognized_keys') ?? issues[0]!
  if (issue.code === 'unrecognized_keys') {
    const key = issue.keys[0]!
    return new JnodeError('config', `${pathText([...issue.path, key])} in ${file} is not a key of jnode’s configuration`, {hint: meant(key, keysAt(issue.path), 'keys there')})
  }
  const value = valueAt(raw, issue.path)
  const found = value === undefined ? '' : `, not ${kindOf(value)}`
  return new JnodeError('config', `${pathText(issue.path)} in ${file} ${issue.message}${found}`, {hint: `Change it in ${file}.`})
}

function pathText(path: readonly PropertyKey[]): string {
  return path.reduce<string>((text, key) => (typeof key === 'number' ? `${text}[${key}]` : `${text === '' ? '' : `${text}.`}${String(key)}`), '')
}

function valueAt(raw: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>((value, key) => (value as Record<PropertyKey, unknown> | undefined)?.[key], raw)
}

function kindOf(value: unknown): string {
  if (typeof value === 'string') return shown(value)
  if (value instanceof TomlDate) return 'a date or time'
  if (Array.isArray(value)) return 'a list'
  return typeof value === 'object' ? 'a table' : String(value)
}

function understand(data: ConfigFile, file: string): Config {
  const clusters = new Map(Object.entries(data.clusters ?? {}).map(([name, table]) => [name, configuredCluster(name, table, file)]))
  const profiles = new Map(Object.entries(data.profiles ?? {}).map(([name, table]) => [name, values(table, `profiles.${name}`, file)]))
  const mustExist = (name: string | undefined, key: string) => {
    if (name === undefined || clusters.has(name)) return
    throw new JnodeError('config', `${key} in ${file} names the cluster ${shown(name)}, which is not there`, {hint: meant(name, [...clusters.keys()], 'clusters')})
  }
  mustExist(data.default_cluster, 'default_cluster')
  for (const [name, profile] of profiles) mustExist(profile.cluster, `profiles.${name}.cluster`)
  return {file, defaultCluster: data.default_cluster ?? null, clusters, profiles}
}

/** Reads values by the rules of the flags; what is wrong with them is wrong with the file. */
function values(given: GivenFlags, section: string, file: string): FlagValues {
  try {
    return readFlags(given, (flag) => `${section}.${flag} in ${file}`)
  } catch (cause) {
    if (!(cause instanceof JnodeError)) throw cause
    throw new JnodeError('config', cause.message, {...(cause.hint === null ? {} : {hint: cause.hint}), cause})
  }
}

function configuredCluster(name: string, table: ClusterTable, file: string): ConfiguredCluster {
  if (!/^[A-Za-z0-9][A-Za-z0-9_.-]{0,39}$/.test(name)) {
    throw new JnodeError('config', `${shown(name)} in ${file} cannot be the name of a cluster`, {hint: 'Use at most 40 letters, digits, "-", "_" and dots.'})
  }
  const {host, jump, route, pe, app, setup} = table
  const read = values({host, jump, route, pe, app, setup}, `clusters.${name}`, file)
  return {
    host: read.host!,
    jump: read.jump ?? [],
    settings: {
      route: read.route ?? null,
      pe: read.pe ?? null,
      memory: table.memory ?? null,
      gpu: table.gpu ?? null,
      sgeSetup: table.sge_setup ?? null,
      setup: read.setup ?? [],
      app: read.app ?? null,
      knownHosts: table.known_hosts === undefined ? null : localPath(table.known_hosts, file),
    },
  }
}

/** `~/` is this computer's home directory; any other path counts from the directory of the file. */
function localPath(path: string, file: string): string {
  return /^~(\/|$)/.test(path) ? join(homedir(), path.slice(1)) : resolve(dirname(file), path)
}
