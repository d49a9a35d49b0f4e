/**
 * What crashed runs have left: on one cluster, and on this computer. Each with the way to remove it. A session that lives, or
 * about which nothing sure can be said, is none; nor is anything that is not ours beyond doubt.
 */
import {ask, askAll} from '../ask.ts'
import type {ClusterTarget} from '../config/cluster.ts'
import {JnodeError} from '../errors.ts'
import {parseRecord, type JobRecord} from '../jupyter/record.ts'
import {isSessionName} from '../rules.ts'
import type {SessionFacts} from '../session/facts.ts'
import {JOB_SCRIPT, jobNameOf, readRemoteSessions, recentSessions, remoteDir, sessionOfJob, type RemoteListing} from '../session/remote-store.ts'
import {gridEngine, type GridEngine} from '../sge/client.ts'
import type {Job} from '../sge/qstat.ts'
import {discoverSite, type Site} from '../sge/site.ts'
import type {ClusterLink, Deps} from './deps.ts'
import {knownFacts} from './known-facts.ts'
import {NOTHING} from './learn.ts'
import {listOurJobs} from './our-jobs.ts'
import {nodeAddress} from './routes.ts'
import {deleteJob, removeFiles, type RemovalContext} from './remove-job.ts'
import {jobOf} from './status.ts'

export interface Leftover {
  kind: 'session' | 'job' | 'directory' | 'file' | 'socket'
  /** A session's name, a job's number or a path. */
  name: string
  /** The head node, or `this computer`. */
  where: string
  why: string
}

export interface Removable extends Leftover {
  remove(): Promise<void>
}

/** A start may be under way, from this computer or another one. */
const YOUNG_MINUTES = 15

interface Scene {
  cluster: ClusterTarget
  link: ClusterLink
  engine: GridEngine
  site: Site
  jobs: Job[]
  remote: RemoteListing
  /** Names of directories that have changed lately. */
  young: ReadonlySet<string>
  local: SessionFacts[]
  signal: AbortSignal
}

/** What is left on one cluster. Throws `no-grid-engine` where Grid Engine lists no jobs: then nothing sure can be said. */
export async function leftOnCluster(cluster: ClusterTarget, link: ClusterLink, deps: Deps, signal: AbortSignal): Promise<Removable[]> {
  const site = await ask(link.head.run, discoverSite({setup: cluster.sgeSetup, learn: NOTHING}), {signal})
  const engine = gridEngine(site)
  const {sessions} = await deps.store.list()
  const local = sessions.filter((facts) => facts.cluster === cluster.name)
  // Jobs first: one that is submitted between the two questions has its directory already.
  const [list, remote, young] = await askAll(link.head.run, [listOurJobs(engine, site.user, local), readRemoteSessions(), recentSessions(YOUNG_MINUTES)], {signal})
  if (list.kind === 'unknown') throw new JnodeError('no-grid-engine', `Grid Engine on ${link.head.label} gives no answer: ${list.why}`, {hint: 'Try again in a minute.'})
  const scene: Scene = {cluster, link, engine, site, jobs: list.jobs, remote, young, local, signal}
  return [...(await overSessions(scene, deps)), ...brokenDirectories(scene, deps), ...(await orphanJobs(scene, deps))]
}

const context = ({link, engine, site, signal}: Scene, deps: Deps): RemovalContext => ({head: link.head, engine, user: site.user, clock: deps.clock, tell: deps.tell, signal})

/** Sessions known there or here whose job is gone. */
async function overSessions(scene: Scene, deps: Deps): Promise<Removable[]> {
  const {cluster, remote, local, jobs, young, link, engine, signal} = scene
  const there = remote.sessions.map((session) => ({facts: knownFacts(session, cluster, local.find(({name}) => name === session.facts.name)), record: parseRecord(session.record)}))
  const known = new Set([...there.map(({facts}) => facts.name), ...remote.broken.map(({name}) => name)])
  const here = local.filter(({name}) => !known.has(name)).map((facts) => ({facts, record: null}))
  const found: Removable[] = []
  for (const {facts, record} of [...there, ...here]) {
    if (jobOf(facts, {kind: 'known', jobs}) || (await isHeld(cluster.name, facts.name, deps))) continue
    if (facts.jobId === null && (young.has(facts.name) || deps.clock.now() - Date.parse(facts.submittedAt) < YOUNG_MINUTES * 60_000)) continue
    if (facts.jobId !== null && (await ask(link.head.run, engine.exists(facts.jobId), {signal})) !== 'no') continue
    found.push({
      kind: 'session',
      name: facts.name,
      where: cluster.label,
      why: facts.jobId === null ? 'it never got a job' : `its job ${facts.jobId} has ended`,
      remove: () => removeSession({facts, record}, scene, deps),
    })
  }
  return found
}

/** A keeper that does not answer is one, too. */
function isHeld(cluster: string, name: string, deps: Deps): Promise<boolean> {
  return deps.keepers.find(cluster, name).then((keeper) => keeper !== null, () => true)
}

async function removeSession({facts, record}: {facts: SessionFacts; record: JobRecord | null}, scene: Scene, deps: Deps): Promise<void> {
  if (!facts.foreign) {
    await deleteJob(context(scene, deps), facts) // makes sure that it is gone
    await removeNodeFiles(record, scene, deps)
    await removeFiles(context(scene, deps), facts)
  }
  await deps.store.remove(facts.cluster, facts.name)
  await deps.keepers.forget(facts.cluster, facts.name)
}

/**
 * The job's own directory in /tmp, where it had no TMPDIR that Grid Engine removes and was killed. The environment of a
 * process that uses it names it. A node that lets nobody in any more keeps it, and the rest is removed all the same.
 */
async function removeNodeFiles(record: JobRecord | null, {link, signal}: Scene, deps: Deps): Promise<void> {
  const directory = record?.endpoint?.kind === 'socket' ? /^(\/tmp\/jnode\.\w{8})\/[^/]+$/.exec(record.endpoint.path)?.[1] : undefined
  if (!record || directory === undefined) return
  try {
    const node = await link.toNode(nodeAddress(record), signal)
    await ask(node.run, {script: `[ ! -O ${directory} ] || [ -L ${directory} ] || grep -qs ${directory}/ /proc/[0-9]*/environ || rm -rf ${directory}`, read: () => null}, {signal})
  } catch {
    deps.tell({kind: 'warning', text: `${directory} on ${record.node} could not be looked at`, hint: `Remove it by hand if it is still there.`})
  }
}

/** Directories without readable facts, and without a job of that name. */
function brokenDirectories(scene: Scene, deps: Deps): Removable[] {
  const {remote, jobs, young, cluster, site} = scene
  const left = remote.broken.filter(({name, why}) => isSessionName(name) && !why.includes('newer') && !young.has(name) && !jobs.some((job) => job.name === jobNameOf(name)))
  return left.map(({name, why}) => ({
    kind: 'directory',
    name: remoteDir(site.home, name),
    where: cluster.label,
    why,
    async remove() {
      await removeFiles(context(scene, deps), {remoteDir: remoteDir(site.home, name), id: ''})
      await deps.store.remove(cluster.name, name)
    },
  }))
}

/** Jobs with a script of ours whose session is not there any more: nobody could connect to them. */
async function orphanJobs(scene: Scene, deps: Deps): Promise<Removable[]> {
  const {jobs, remote, link, engine, site, cluster, signal} = scene
  const there = new Set([...remote.sessions.map(({facts}) => facts.name), ...remote.broken.map(({name}) => name)])
  const found: Removable[] = []
  for (const job of jobs) {
    const name = sessionOfJob(job.name)
    if (name === null || there.has(name) || job.phase === 'deleting' || (await isHeld(cluster.name, name, deps))) continue
    const files = await ask(link.head.run, engine.files(job.id), {signal})
    if (files?.owner !== site.user || files.script !== `${remoteDir(site.home, name)}/${JOB_SCRIPT}`) continue
    found.push({
      kind: 'job',
      name: job.id,
      where: cluster.label,
      why: `it belongs to session ${name}, whose directory is gone`,
      async remove() {
        await deleteJob(context(scene, deps), {name, jobName: job.name, jobId: job.id})
        await deps.store.remove(cluster.name, name)
      },
    })
  }
  return found
}

/** What is left of crashes on this computer, whatever the clusters say. */
export async function leftHere(deps: Deps): Promise<Removable[]> {
  const where = 'this computer'
  const files = await deps.store.debris()
  const sockets = await deps.keepers.dead()
  return [
    ...files.map(({file, why}): Removable => ({kind: 'file', name: file, where, why, remove: () => deps.store.removeFile(file)})),
    ...sockets.map((path): Removable => ({kind: 'socket', name: path, where, why: 'the process that held it is gone', remove: () => deps.keepers.removeDead(path)})),
  ]
}
