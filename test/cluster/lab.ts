/** A lab as a whole: building it, finding a standing one, taking it down, and the handle tests work with. */
import type {ChildProcess} from 'node:child_process'
import {mkdir, readdir, readFile, rm, writeFile} from 'node:fs/promises'
import {basename, dirname, join} from 'node:path'
import {fileURLToPath} from 'node:url'
import {type Daemon, endSessions, startDaemon, stopDaemon} from './daemons.ts'
import {nodesReady, qconf, startGridEngine, writeCell} from './grid-engine.ts'
import {execIn, type ExecOptions, spawnIn, type SpawnOptions} from './guest.ts'
import {boot, createNamespace, initPid, killAll, plugIn, powerCut, setLink, setNetwork} from './hosts.ts'
import {files, jobs, listeners, processes} from './inspect.ts'
import {alone} from './lock.ts'
import {ensurePackages, obstacle} from './packages.ts'
import {labPaths, netns} from './paths.ts'
import {type Result, run, tryRun} from './run.ts'
import {accepted, type ExtraSshd, hostKey, knownHosts, startSshd, writeSiteKnownHosts, writeSshDirectory} from './sshd.ts'
import {HOST_NAMES, type HostName, HOSTS, type NetworkName, NODES} from './topology.ts'
import {makeHomes, writeEtc} from './users.ts'

/** Facts about a standing lab, saved in its directory when it is complete. */
export interface LabFacts {
  name: string
  /** The project's directory that its hosts see as /srv/jnode. */
  checkout: string
  /** The Node they see as /srv/bin/node. */
  node: string
}

const CHECKOUT = fileURLToPath(new URL('../..', import.meta.url))

export type Lab = ReturnType<typeof handle>

/** The lab cannot be built here, for a reason that is nobody's mistake: one sentence. */
export class NoLabHere extends Error {}

/** Builds the lab, or finds it standing; one with a host that is off is broken and built anew. */
export async function upLab(name: string): Promise<Lab> {
  const reason = obstacle()
  if (reason !== undefined) throw new NoLabHere(reason)
  return alone(lockOf(name), async () => {
    const standing = await factsOf(name)
    if (standing && HOST_NAMES.every((host) => initPid(name, host) !== undefined)) {
      if (standing.checkout !== CHECKOUT) throw new Error(`lab ${name} is up for ${standing.checkout}: take it down there, or use another name`)
      return handle(standing)
    }
    await remove(name)
    return handle(await build(name))
  })
}

/** The handle of a lab that stands already. */
export async function attachLab(name: string): Promise<Lab> {
  const facts = await factsOf(name)
  if (!facts) throw new Error(`no lab ${name} is up`)
  return handle(facts)
}

/** Of a lab and those that the suites' further workers have beside it, the names of all that there is something of, broken ones too. */
export async function labsBeside(name: string): Promise<string[]> {
  const {root} = labPaths(name)
  const directories = await readdir(dirname(root))
  const suffixes = directories.filter((directory) => directory.startsWith(basename(root))).map((directory) => directory.slice(basename(root).length))
  return suffixes.filter((suffix) => /^(w[0-9]+)?$/.test(suffix)).map((suffix) => name + suffix)
}

/** Removes every trace of a lab, whole, half built or broken; fine if there is none. */
export function downLab(name: string): Promise<void> {
  return alone(lockOf(name), () => remove(name))
}

function lockOf(name: string): string {
  return `jnode-lab-${name}`
}

async function remove(name: string): Promise<void> {
  const standing = new Set((await tryRun(['ip', 'netns', 'list'])).stdout.split('\n').map((line) => line.split(' ')[0] ?? ''))
  const ours = HOST_NAMES.map((host) => netns(name, host)).filter((namespace) => standing.has(namespace))
  // Mounts and interfaces live in namespaces and go with their last process.
  await Promise.all(ours.map(killAll))
  for (const namespace of ours) await run(['ip', 'netns', 'delete', namespace])
  await rm(labPaths(name).root, {recursive: true, force: true})
}

export async function factsOf(name: string): Promise<LabFacts | undefined> {
  const text = await readFile(labPaths(name).facts, 'utf8').catch(() => undefined)
  return text === undefined ? undefined : (JSON.parse(text) as LabFacts)
}

async function build(name: string): Promise<LabFacts> {
  const facts = {name, checkout: CHECKOUT, node: process.execPath}
  try {
    await ensurePackages()
    await writeFiles(name)
    for (const host of HOST_NAMES) await createNamespace(name, host)
    for (const host of HOST_NAMES) await plugIn(name, host)
    await Promise.all(HOST_NAMES.map((host) => boot(facts, host)))
    await checkReachable(facts)
    await startGridEngine(name)
    await writeFile(labPaths(name).facts, `${JSON.stringify(facts, null, 2)}\n`)
    return facts
  } catch (error) {
    await remove(name)
    throw error
  }
}

async function writeFiles(name: string): Promise<void> {
  const paths = labPaths(name)
  for (const host of HOST_NAMES) {
    const own = paths.host(host)
    for (const directory of ['log', 'spool', 'empty', 'srv/jnode', 'srv/bin']) await mkdir(join(own, directory), {recursive: true})
    for (const file of ['srv/bin/node', 'log/wtmp', 'log/lastlog']) await writeFile(join(own, file), '')
    await run(['mkdir', '-m', '1777', join(own, 'var-tmp')])
    await mkdir(paths.home(host, HOSTS[host].inCluster), {recursive: true})
    await writeSshDirectory(name, host)
  }
  await writeSiteKnownHosts(name)
  await writeEtc(name)
  // Users have logged in to the head before, but never to a node.
  await makeHomes(name, await knownHosts(name, ['gateway', 'head']))
  const admin = (await readFile('/etc/passwd', 'utf8')).split('\n').map((line) => line.split(':')).find(([user]) => user === 'sgeadmin')
  if (!admin) throw new Error('the account sgeadmin of gridengine-common is missing')
  await writeCell(name, {uid: Number(admin[2]), gid: Number(admin[3])})
}

/** An ordinary user must be able to read the checkout and run this Node, whatever directories they lie in. */
async function checkReachable({name, checkout, node}: LabFacts): Promise<void> {
  const read = ['/srv/bin/node', '-e', 'require("fs").readFileSync("/srv/jnode/package.json")']
  const {exitCode} = await execIn({lab: name, host: 'laptop', user: 'alice'}, read)
  if (exitCode !== 0) throw new Error(`the lab's users must be able to read ${checkout} and run ${node}: chmod -R a+rX them`)
}

/** Everything a test can do with a lab. */
function handle(facts: LabFacts) {
  const {name} = facts
  return {
    name,
    facts,
    /** Runs a program or a line of bash on a host to its end; see ExecOptions. */
    exec: (host: HostName, user: string, command: readonly string[] | string, options?: ExecOptions): Promise<Result> =>
      execIn({lab: name, host, user}, command, options),
    /** Starts a program on a host; `kill` of the child signals the program itself. */
    spawn: (host: HostName, user: string, command: readonly string[] | string, options?: SpawnOptions): ChildProcess =>
      spawnIn({lab: name, host, user}, command, options),
    accepted: (host: HostName, since?: number, port?: number) => accepted(name, host, since, port),
    /** One more SSH server beside a host's own; the function returned ends it. */
    sshd: (host: HostName, settings: ExtraSshd) => startSshd(name, host, settings),
    hostKey: (host: HostName) => hostKey(name, host),
    jobs: (user?: string) => jobs(name, user),
    processes: (host: HostName, user: string) => processes(name, host, user),
    listeners: (host: HostName) => listeners(name, host),
    files: (host: HostName, path: string) => files(name, host, path),
    /** A whole network, or the cable of one host: down drops every packet, silently. */
    link: (which: NetworkName | HostName) => {
      const set = (state: 'up' | 'down') =>
        which === 'wan' || which === 'lan' || which === 'cluster' ? setNetwork(name, which, state) : setLink(name, which, state)
      return {down: () => set('down'), up: () => set('up')}
    },
    powerCut: (host: HostName) => powerCut(name, host),
    /** Boots a host after a power cut, with its Grid Engine daemon. */
    boot: async (host: HostName) => {
      await boot(facts, host)
      if (host === 'head') await startDaemon(name, host, 'sge_qmaster')
      if ((NODES as readonly HostName[]).includes(host)) await startDaemon(name, host, 'sge_execd')
    },
    stopDaemon: (host: HostName, daemon: Daemon, signal?: 'TERM' | 'KILL') => stopDaemon(name, host, daemon, signal),
    startDaemon: (host: HostName, daemon: Daemon) => startDaemon(name, host, daemon),
    endSessions: (host: HostName) => endSessions(name, host),
    /** Runs qconf on the head as a manager; `file` is the content of the file it reads. */
    qconf: (args: readonly string[], file?: string) => qconf(name, args, file),
    /** Waits until both nodes take jobs. */
    nodesReady: () => nodesReady(name),
    down: () => downLab(name),
  }
}
