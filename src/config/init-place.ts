/** Which cluster `init` learns, and what it is called in config.toml. */
import {JnodeError, shown} from '../errors.ts'
import {targetText} from '../target.ts'
import {resolveCluster, type ClusterTarget, type Place} from './cluster.ts'
import type {Config} from './load.ts'

export interface InitPlace {
  cluster: ClusterTarget
  name: string
  /** As the file says it. */
  host: string
  jump: string[]
}

/** `name` alone means a cluster that is configured; with a host it is what to call it. Throws `usage`, `config`. */
export function resolveInit(name: string | null, place: Place, {config, hasLocalQsub}: {config: Config; hasLocalQsub: boolean}): InitPlace {
  const isPlace = place.host !== undefined || place.cluster !== undefined
  const cluster = resolveCluster(name !== null && !isPlace ? {...place, cluster: name} : place, config, hasLocalQsub)
  const head = cluster.hops.at(-1)
  const host = head ? targetText(head) : 'local'
  const jump = cluster.hops.slice(0, -1).map((hop) => targetText(hop))
  const called = name ?? (config.clusters.has(cluster.name) ? cluster.name : nameOf(head?.host ?? 'local'))
  if (!/^[A-Za-z0-9][A-Za-z0-9_.-]{0,39}$/.test(called)) {
    throw new JnodeError('usage', `${shown(called)} cannot be the name of a cluster`, {hint: 'Give a name of at most 40 letters, digits, "-", "_" and dots: jnode init NAME.'})
  }
  const other = config.clusters.get(called)
  if (other && other.host !== host) {
    throw new JnodeError('usage', `The cluster ${called} in ${config.where} has another head node, ${other.host}`, {hint: 'Give the new one a name of its own: jnode init NAME.'})
  }
  return {cluster, name: called, host, jump}
}

/** The first part of a host's name; all of an address. */
function nameOf(host: string): string {
  return /^[\d.]+$|:/.test(host) ? host.replaceAll(':', '-') : host.split('.')[0]!
}
