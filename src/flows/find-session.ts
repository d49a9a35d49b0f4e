/** Which session a command is about: by name, or the only one there is; here first, then on the cluster. */
import {ask} from '../ask.ts'
import type {ClusterTarget, SavedWay} from '../config/cluster.ts'
import {JnodeError} from '../errors.ts'
import {isSessionName} from '../rules.ts'
import {readRemoteSessions} from '../session/remote-store.ts'
import type {Deps} from './deps.ts'
import {foreignName} from './foreign.ts'

export interface Wanted {
  /** As typed: a session's name or its job's number; null when left out. */
  name: string | null
  /** Set when the user named a cluster. */
  cluster: ClusterTarget | null
  /** The cluster of a session saved here. */
  clusterOf(facts: SavedWay): ClusterTarget
  /** Where to look for a session that this computer does not know; throws `config` when there is no such cluster. */
  defaultCluster(): ClusterTarget
}

export interface Found {
  name: string
  cluster: ClusterTarget
}

/** Throws `no-session`, or `usage` when the choice is not clear. */
export async function findSession(wanted: Wanted, deps: Deps, signal: AbortSignal): Promise<Found> {
  const {name} = wanted
  const {sessions} = await deps.store.list()
  const here = sessions
    .filter((facts) => wanted.cluster === null || facts.cluster === wanted.cluster.name)
    .filter((facts) => name === null || facts.name === name || facts.jobId === name)
  if (here.length > 1) throw notClear(here.map((facts) => `${facts.name} (${facts.cluster})`))
  const only = here[0]
  if (only) return {name: only.name, cluster: wanted.cluster ? {...wanted.cluster, headAddress: only.headAddress} : wanted.clusterOf(only)}
  const cluster = wanted.cluster ?? defaultCluster(wanted)
  if (name !== null && !/^\d+$/.test(name)) return {name, cluster} // the flow itself will say if it is not there
  return findOnCluster(name, cluster, {deps, signal})
}

function defaultCluster({name, defaultCluster}: Wanted): ClusterTarget {
  try {
    return defaultCluster()
  } catch (error) {
    if (!(error instanceof JnodeError)) throw error
    throw new JnodeError('no-session', name === null ? 'No session is known on this computer' : `No session "${name}" is known on this computer`, {
      hint: 'Start one with `jnode start`. One that another computer started is found with --host or --cluster.',
      cause: error,
    })
  }
}

async function findOnCluster(name: string | null, cluster: ClusterTarget, {deps, signal}: {deps: Deps; signal: AbortSignal}): Promise<Found> {
  const link = await deps.connect(cluster, {signal})
  try {
    const {sessions} = await ask(link.head.run, readRemoteSessions(), {signal})
    const there = sessions.map(({facts}) => facts).filter((facts) => name === null || facts.jobId === name)
    if (there.length > 1) throw notClear(there.map((facts) => facts.name))
    const only = there[0]
    if (only) return {name: only.name, cluster}
    if (name !== null) return {name: foreignName(name), cluster}
    throw new JnodeError('no-session', `There is no session on ${cluster.label}`, {hint: 'Start one with `jnode start`.'})
  } finally {
    await link.close()
  }
}

function notClear(names: string[]): JnodeError {
  return new JnodeError('usage', `Which session? There are ${names.length}: ${names.join(', ')}`, {hint: 'Give its name, and --cluster where two have the same.'})
}

export interface EndWanted {
  all: boolean
  wanted(name: string | null): Promise<Wanted>
}

/** The sessions that `stop` is about: those named, all of them, or the only one. */
export async function sessionsToEnd(names: string[], {all, wanted}: EndWanted, deps: Deps, signal: AbortSignal): Promise<Found[]> {
  if (!all) {
    const found: Found[] = []
    for (const name of names.length > 0 ? names : [null]) found.push(await findSession(await wanted(name), deps, signal))
    return found
  }
  const {cluster, clusterOf, defaultCluster} = await wanted(null)
  const {sessions} = await deps.store.list()
  // A job that jnode did not start is not jnode's to end.
  const here = sessions.filter((facts) => !facts.foreign && (cluster === null || facts.cluster === cluster.name)).map((facts) => ({name: facts.name, cluster: clusterOf(facts)}))
  const asked = cluster ?? (here.length === 0 ? usualCluster(defaultCluster) : null)
  if (!asked) return here
  const there = await namesOn(asked, deps, signal).catch((error: unknown) => {
    // What this computer knows is to end all the same: a keeper has a connection of its own.
    if (here.length === 0 || signal.aborted) throw error
    return []
  })
  return [...here, ...there.filter((name) => !here.some((found) => found.name === name)).map((name) => ({name, cluster: asked}))]
}

/** Null where none is configured: then there is nothing to end. */
function usualCluster(defaultCluster: () => ClusterTarget): ClusterTarget | null {
  try {
    return defaultCluster()
  } catch {
    return null
  }
}

async function namesOn(cluster: ClusterTarget, deps: Deps, signal: AbortSignal): Promise<string[]> {
  const link = await deps.connect(cluster, {signal})
  try {
    const {sessions, broken} = await ask(link.head.run, readRemoteSessions(), {signal})
    // Of a directory with another name nothing is used, and jnode did not make it.
    return [...sessions.map(({facts}) => facts.name), ...broken.map(({name}) => name).filter(isSessionName)]
  } finally {
    await link.close()
  }
}
