/** config.toml, the user's and the site's, read and checked. It holds no secrets: a token or password has no key here. */
import {readFile} from 'node:fs/promises'
import {homedir} from 'node:os'
import {dirname, join, resolve} from 'node:path'
import {parse, TomlDate, TomlError} from 'smol-toml'
import type * as z from 'zod'
import {JnodeError, messageOf, shown} from '../errors.ts'
import {readFlags, type FlagValues, type GivenFlags, type KernelTransport, type Route, type Transport} from './flags.ts'
import {meant} from './nearest.ts'
import {configShape, keysAt, type ClusterTable, type ConfigFile} from './shape.ts'

/** What `[clusters.NAME]` says besides the way there; null where it says nothing. */
export interface SiteSettings {
  route: Route | null
  /** Null counts as `auto`. */
  transport: Transport | null
  pe: string | null
  /** The resources that `--mem` asks for, and whether Grid Engine counts each per slot or per job. */
  memory: {resource: string; per: 'slot' | 'job'}[] | null
  gpu: {resource: string} | null
  /** Shell text that puts qsub on PATH. */
  sgeSetup: string | null
  modules: string[]
  conda: string | null
  /** Shell lines of the job before Jupyter. */
  setup: string[]
  app: string | null
  kernelTransport: KernelTransport | null
  /** For sessions that do not say how much they want. */
  memoryBytes: number | null
  runSeconds: number | null
  project: string | null
  /** Absolute path. */
  knownHosts: string | null
  /** Whether a compute node is sent the password that was typed for the head node; `ask` where it is not said. */
  nodePassword?: 'ask' | 'same'
}

export const NO_SETTINGS: SiteSettings = {
  route: null, transport: null, pe: null, memory: null, gpu: null, sgeSetup: null, modules: [], conda: null, setup: [], app: null, kernelTransport: null,
  memoryBytes: null, runSeconds: null, project: null, knownHosts: null,
}

export interface ConfiguredCluster {
  /** `[user@]host[:port]`, or `local`. */
  host: string
  /** Gateways in order. */
  jump: string[]
  settings: SiteSettings
}

export interface Config {
  /** The user's own file; it need not exist. */
  file: string
  /** All files that this comes from, for sentences. */
  where: string
  defaultCluster: string | null
  clusters: ReadonlyMap<string, ConfiguredCluster>
  profiles: ReadonlyMap<string, FlagValues>
}

/** What one file says. */
export interface Layer {
  file: string
  defaultCluster: string | null
  clusters: ReadonlyMap<string, Partial<SiteSettings> & {host?: string; jump?: string[]}>
  profiles: ReadonlyMap<string, FlagValues>
}

/**
 * Reads the user's file and those of the site, the strongest first: what one says of a cluster or a profile stands key by
 * key above what the next says. A missing file says nothing. Throws `config` with file, key and what is right.
 */
export async function loadConfig(file: string, siteFiles: readonly string[] = []): Promise<Config> {
  const read = await Promise.all([file, ...siteFiles].map(readLayer))
  const layers = read.filter((layer) => layer !== null)
  const clusters = new Map(merged(layers.map((layer) => layer.clusters)).map(([name, said]) => [name, complete(name, said, layers)]))
  for (const layer of layers) checkClustersNamed(layer, clusters)
  return {
    file,
    where: layers.map((layer) => layer.file).join(' and ') || file,
    defaultCluster: layers.find(({defaultCluster}) => defaultCluster !== null)?.defaultCluster ?? null,
    clusters,
    profiles: new Map(merged(layers.map((layer) => layer.profiles))),
  }
}

function merged<T extends object>(layers: readonly ReadonlyMap<string, T>[]): [string, T][] {
  const names = new Set(layers.flatMap((layer) => [...layer.keys()]))
  return [...names].map((name) => [name, Object.assign({}, ...layers.map((layer) => layer.get(name)).reverse()) as T])
}

function complete(name: string, {host, jump, ...said}: Partial<SiteSettings> & {host?: string; jump?: string[]}, layers: readonly Layer[]): ConfiguredCluster {
  if (host !== undefined) return {host, jump: jump ?? [], settings: {...NO_SETTINGS, ...said}}
  const {file} = layers.find((layer) => layer.clusters.has(name))!
  throw new JnodeError('config', `${pathText(['clusters', name, 'host'])} in ${file} is missing`, {hint: `Change it in ${file}.`})
}

async function readLayer(file: string): Promise<Layer | null> {
  const text = await readText(file)
  if (text === null) return null
  return parseLayer(text, file)
}

/** What a file of this text says. Throws `config`. */
export function parseLayer(text: string, file: string): Layer {
  const raw = parseToml(text, file)
  const checked = configShape.safeParse(raw)
  if (!checked.success) throw explain(checked.error.issues, raw, file)
  return understand(checked.data, file)
}

export async function readText(file: string): Promise<string | null> {
  try {
    return await readFile(file, 'utf8')
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return null
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
  // A single table may stand where a list of them could.
  const path = issue.path.filter((key, i) => typeof key !== 'number' || Array.isArray(valueAt(raw, issue.path.slice(0, i))))
  if (issue.code === 'unrecognized_keys') {
    const key = issue.keys[0]!
    return new JnodeError('config', `${pathText([...path, key])} in ${file} is not a key of jnode’s configuration`, {hint: meant(key, keysAt(issue.path), 'keys there')})
  }
  const value = valueAt(raw, path)
  // Somebody may have written the password itself there.
  const found = value === undefined || path.at(-1) === 'node_password' ? '' : `, not ${kindOf(value)}`
  return new JnodeError('config', `${pathText(path)} in ${file} ${issue.message}${found}`, {hint: `Change it in ${file}.`})
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

function understand(data: ConfigFile, file: string): Layer {
  const clusters = new Map(Object.entries(data.clusters ?? {}).map(([name, table]) => [name, clusterSaid(name, table, file)]))
  const profiles = new Map(Object.entries(data.profiles ?? {}).map(([name, table]) => [name, values(table, `profiles.${name}`, file)]))
  return {file, defaultCluster: data.default_cluster ?? null, clusters, profiles}
}

function checkClustersNamed({file, defaultCluster, profiles}: Layer, clusters: ReadonlyMap<string, unknown>): void {
  const mustExist = (name: string | null | undefined, key: string) => {
    if (name === null || name === undefined || clusters.has(name)) return
    throw new JnodeError('config', `${key} in ${file} names the cluster ${shown(name)}, which is not there`, {hint: meant(name, [...clusters.keys()], 'clusters')})
  }
  mustExist(defaultCluster, 'default_cluster')
  for (const [name, profile] of profiles) mustExist(profile.cluster, `profiles.${name}.cluster`)
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

/** A key is there only where a value was given. */
function clusterSaid(name: string, table: ClusterTable, file: string): Partial<SiteSettings> & {host?: string; jump?: string[]} {
  if (!/^[A-Za-z0-9][A-Za-z0-9_.-]{0,39}$/.test(name)) {
    throw new JnodeError('config', `${shown(name)} in ${file} cannot be the name of a cluster`, {hint: 'Use at most 40 letters, digits, "-", "_" and dots.'})
  }
  const {memory, gpu, sge_setup: sgeSetup, known_hosts: knownHosts, node_password: nodePassword, ...flags} = table
  return {
    ...values(flags, `clusters.${name}`, file),
    ...(memory && {memory}),
    ...(gpu && {gpu}),
    ...(sgeSetup !== undefined && {sgeSetup}),
    ...(knownHosts !== undefined && {knownHosts: localPath(knownHosts, file)}),
    ...(nodePassword !== undefined && {nodePassword}),
  }
}

/** `~/` is this computer's home directory; any other path counts from the directory of the file. */
function localPath(path: string, file: string): string {
  return /^~(\/|$)/.test(path) ? join(homedir(), path.slice(1)) : resolve(dirname(file), path)
}
