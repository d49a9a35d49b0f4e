/** `jnode clean`: finds what crashed runs have left on both sides, says what it is, and removes it once that is agreed to. */
import type {ClusterTarget} from '../config/cluster.ts'
import {JnodeError, messageOf} from '../errors.ts'
import type {ClusterLink, Deps} from './deps.ts'
import {leftHere, leftOnCluster, type Leftover, type Removable} from './leftovers.ts'

export interface CleanInput {
  clusters: ClusterTarget[]
  /** Shown what was found, when there is anything: whether to remove it. */
  agree(found: readonly Leftover[]): Promise<boolean>
  signal: AbortSignal
}

export interface Cleaning {
  found: Leftover[]
  /** How many of them are gone. */
  removed: number
}

/** Throws the first failure in the end, when all else is removed; a cluster out of reach is told and left alone. */
export async function clean({clusters, agree, signal}: CleanInput, deps: Deps): Promise<Cleaning> {
  const links: ClusterLink[] = []
  try {
    const found = await leftHere(deps)
    for (const cluster of clusters) {
      try {
        const link = await deps.connect(cluster, {signal})
        links.push(link)
        found.push(...(await leftOnCluster(cluster, link, deps, signal)))
      } catch (error) {
        if (signal.aborted || (clusters.length === 1 && found.length === 0)) throw error
        deps.tell({kind: 'warning', text: `${cluster.label} could not be looked at: ${messageOf(error)}`})
      }
    }
    const shown = found.map(({kind, name, where, why}) => ({kind, name, where, why}))
    if (found.length === 0 || !(await agree(shown))) return {found: shown, removed: 0}
    return {found: shown, removed: await removeAll(found, deps, signal)}
  } finally {
    await Promise.all(links.map((link) => link.close()))
  }
}

async function removeAll(found: Removable[], deps: Deps, signal: AbortSignal): Promise<number> {
  const failures: {what: Removable; error: unknown}[] = []
  for (const what of found) {
    try {
      await what.remove()
    } catch (error) {
      if (signal.aborted) throw error
      failures.push({what, error})
    }
  }
  const [first, ...others] = failures
  if (!first) return found.length
  for (const {what, error} of others) deps.tell({kind: 'warning', text: `${what.kind} ${what.name}: ${messageOf(error)}`})
  if (!(first.error instanceof JnodeError)) throw first.error
  const {code, message, hint} = first.error
  throw new JnodeError(code, `${first.what.kind} ${first.what.name}: ${message}`, {...(hint === null ? {} : {hint}), cause: first.error})
}
