/** Which Grid Engine, and how to get there. */
import {JnodeError, shown} from '../errors.ts'
import {parseTarget, targetText, type Target} from '../target.ts'
import type {Transport} from './flags.ts'
import {NO_SETTINGS, type Config, type ConfiguredCluster, type SiteSettings} from './load.ts'
import {meant} from './nearest.ts'

/** A cluster with what the configuration says of it; null where it says nothing. */
export interface ClusterTarget extends SiteSettings {
  /** The key of config.toml, `[user@]host[:port]`, or `local`: sessions are kept under it. */
  name: string
  kind: 'local' | 'ssh'
  /** For sentences: `you@head`, or `this machine`. */
  label: string
  /** Gateways in order, then the head node; empty exactly where `kind` is `local`. */
  hops: Target[]
  /** The machine to come back to, where the head node's name stands for several. */
  headAddress?: string | undefined
}

/** Where, as given: by a name of the configuration, or by a host. */
export interface Place {
  cluster?: string | undefined
  host?: string | undefined
  /** Gateways in order; for a configured cluster in the place of its own. */
  jump?: string[] | undefined
  /** In the place of what the configuration says. */
  transport?: Transport | undefined
}

const LOCAL = 'local'
/**
 * The cluster that is meant: the one named, else the host named, else the configured default, else the only one
 * configured, else this machine where nothing is configured and it has qsub. Throws `usage`, `config`.
 */
export function resolveCluster({transport, ...place}: Place, config: Config, hasLocalQsub: boolean): ClusterTarget {
  return withTransport(clusterMeant(place, config, hasLocalQsub), transport)
}

export function withTransport(cluster: ClusterTarget, transport: Transport | undefined): ClusterTarget {
  return transport === undefined ? cluster : {...cluster, transport}
}

function clusterMeant({cluster, host, jump}: Place, config: Config, hasLocalQsub: boolean): ClusterTarget {
  if (cluster !== undefined && host !== undefined) {
    throw new JnodeError('usage', 'Either --cluster or --host says where to go, not both', {hint: 'Leave one of them out.'})
  }
  if (host !== undefined) return hostNamed(host, jump, config)
  const name = cluster ?? config.defaultCluster ?? onlyOne(config)
  if (name !== null) return configured(name, jump, config)
  if (jump !== undefined) throw new JnodeError('usage', '--jump says how to get to a head node, but none is named', {hint: 'Name it with --host [user@]head.'})
  if (hasLocalQsub) return target(LOCAL, {host: LOCAL, jump: [], settings: NO_SETTINGS})
  throw new JnodeError('config', 'No cluster is configured, and this machine has no qsub', {
    hint: `Name the head node, where qsub is: jnode start --host you@head.example.org (and --jump you@gateway on the way),
or once and for all: jnode init --host you@head.example.org`,
  })
}

/** What is saved of the way to a session. */
export interface SavedWay {
  cluster: string
  hops: readonly Target[]
  headAddress?: string | undefined
}

/** The cluster of a saved session: the way as saved, the settings as configured now. */
export function clusterOfSession({cluster, hops, headAddress}: SavedWay, config: Config): ClusterTarget {
  return {...withHops(cluster, [...hops], config.clusters.get(cluster)?.settings ?? NO_SETTINGS), headAddress}
}

function onlyOne(config: Config): string | null {
  const names = [...config.clusters.keys()]
  if (names.length < 2) return names[0] ?? null
  throw new JnodeError('config', `Which cluster is meant is not said; ${config.where} has ${names.join(', ')}`, {
    hint: `Say it with --cluster, or set default_cluster in ${config.file}.`,
  })
}

function configured(name: string, jump: string[] | undefined, config: Config): ClusterTarget {
  const cluster = config.clusters.get(name)
  if (cluster) return target(name, {...cluster, jump: jump ?? cluster.jump})
  const hint = name === LOCAL ? 'For this machine itself, write --host local.' : meant(name, [...config.clusters.keys()], 'clusters')
  throw new JnodeError('config', `There is no cluster ${shown(name)} in ${config.where}`, {hint})
}

function hostNamed(host: string, jump: string[] | undefined, config: Config): ClusterTarget {
  const name = host === LOCAL ? LOCAL : targetText(parseTarget(host, '--host'))
  const same = config.clusters.get(name)
  // Sessions are kept under the cluster's name, so one name must not mean two places.
  if (same && same.host !== name) {
    throw new JnodeError('usage', `--host ${name} is also the name of a configured cluster, whose host is ${same.host}`, {
      hint: `Write --cluster ${name} for that one, or --host you@${name} for the other.`,
    })
  }
  return same ? configured(name, jump, config) : target(name, {host: name, jump: jump ?? [], settings: NO_SETTINGS})
}

function target(name: string, {host, jump, settings}: ConfiguredCluster): ClusterTarget {
  if (host !== LOCAL) return withHops(name, [...jump, host].map((hop) => parseTarget(hop)), settings)
  if (jump.length === 0) return withHops(name, [], settings)
  throw new JnodeError('usage', 'This machine is reached without SSH, so there is nothing to jump through', {hint: 'Leave out --jump, or name a head node with --host.'})
}

function withHops(name: string, hops: Target[], settings: SiteSettings): ClusterTarget {
  const head = hops.at(-1)
  return {...settings, name, kind: head ? 'ssh' : 'local', label: head ? targetText(head) : 'this machine', hops}
}
