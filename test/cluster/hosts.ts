/** A host of the lab: namespaces with a process 1, its network, how to enter it, cut its power and boot it again. */
import {spawn} from 'node:child_process'
import {closeSync, openSync, readFileSync, statSync} from 'node:fs'
import {mkdir, readFile, rm, writeFile} from 'node:fs/promises'
import {join} from 'node:path'
import {fileURLToPath} from 'node:url'
import {labPaths, netns} from './paths.ts'
import {run, tryRun, until} from './run.ts'
import {carrierOf, HOSTS, type HostName, type NetworkName} from './topology.ts'

/** What a host needs to boot besides its own name. */
export interface Boot {
  /** The lab's. */
  name: string
  /** This project's directory, seen on every host as /srv/jnode. */
  checkout: string
  /** The node binary, seen on every host as /srv/bin/node. */
  node: string
}

export async function createNamespace(lab: string, host: HostName): Promise<void> {
  await run(['ip', 'netns', 'add', netns(lab, host)])
  await inNetwork(lab, host, ['sysctl', '-qw', 'net.ipv4.ip_forward=0'])
  for (const network of Object.keys(HOSTS[host].carries)) {
    await ip(lab, host, ['link', 'add', network, 'type', 'bridge'])
  }
}

/** Plugs a host into its network; both namespaces must exist. The veth pair never appears on the machine itself. */
export async function plugIn(lab: string, host: HostName): Promise<void> {
  const network = HOSTS[host].uplink?.network
  if (network === undefined) return
  const carrier = carrierOf(network)
  await ip(lab, host, ['link', 'add', network, 'type', 'veth', 'peer', 'name', host, 'netns', netns(lab, carrier)])
  await ip(lab, carrier, ['link', 'set', host, 'master', network, 'up'])
}

/** Sets all interfaces of a host up with their addresses; they lose their routes, not their addresses, when set down. */
async function networkUp(lab: string, host: HostName): Promise<void> {
  const {uplink, carries, route} = HOSTS[host]
  await ip(lab, host, ['link', 'set', 'lo', 'up'])
  const addresses = {...carries, ...(uplink && {[uplink.network]: uplink.address})}
  for (const [network, address] of Object.entries(addresses)) {
    await ip(lab, host, ['address', 'replace', `${address}/24`, 'dev', network])
    await ip(lab, host, ['link', 'set', network, 'up'])
  }
  if (route) await ip(lab, host, ['route', 'replace', `${route.to}/32`, 'via', route.via])
}

/** Starts a host whose namespace and files exist; answers when its sshd listens. /run and /tmp start empty. */
export async function boot({name: lab, checkout, node}: Boot, host: HostName): Promise<void> {
  const paths = labPaths(lab)
  const own = paths.host(host)
  for (const emptied of ['run', 'tmp']) {
    await rm(join(own, emptied), {recursive: true, force: true})
  }
  await mkdir(join(own, 'run'), {mode: 0o755})
  await run(['mkdir', '-m', '1777', join(own, 'tmp')])
  await networkUp(lab, host)

  const init = fileURLToPath(new URL('host-init.sh', import.meta.url))
  const {inCluster} = HOSTS[host]
  const log = openSync(join(own, 'boot.log'), 'a')
  const unshare = spawn(
    'ip',
    ['netns', 'exec', netns(lab, host), 'unshare', '--uts', '--mount', '--pid', '--fork', '--kill-child', 'bash', init]
      .concat([paths.root, host, paths.home(host, inCluster), inCluster ? 'inside' : 'outside', checkout, node]),
    {detached: true, stdio: ['ignore', log, log], env: {PATH: '/usr/sbin:/usr/bin:/sbin:/bin'}},
  )
  closeSync(log)
  unshare.unref()
  await until(`boot of ${host}`, async () => {
    if (unshare.exitCode !== null) throw new Error(`${host} did not boot: ${await readFile(join(own, 'boot.log'), 'utf8')}`)
    return exists(join(own, 'run', 'booted'))
  })
  const init1 = readFileSync(`/proc/${unshare.pid}/task/${unshare.pid}/children`, 'utf8').trim()
  await writeFile(join(own, 'pid'), init1)
}

/** Ends a host at once, as a power cut does: nothing on it says goodbye, and its address stops answering. */
export async function powerCut(lab: string, host: HostName): Promise<void> {
  const {uplink, carries} = HOSTS[host]
  for (const network of [...Object.keys(carries), ...(uplink ? [uplink.network] : [])]) {
    await ip(lab, host, ['link', 'set', network, 'down'])
  }
  await killAll(netns(lab, host))
}

/** Kills every process in a network namespace and waits until none is left. */
export async function killAll(namespace: string): Promise<void> {
  await until(`end of all processes in ${namespace}`, async () => {
    const pids = (await tryRun(['ip', 'netns', 'pids', namespace])).stdout.split('\n').filter(Boolean)
    for (const pid of pids) kill(Number(pid))
    return pids.length === 0
  })
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // It ended between the list and the kill.
  }
}

/** The pid, outside, of a host's process 1; undefined when the host is off. */
export function initPid(lab: string, host: HostName): number | undefined {
  try {
    const pid = Number(readFileSync(join(labPaths(lab).host(host), 'pid'), 'utf8'))
    // The pid may have been given to somebody else since: only a process in this host's own network counts.
    const same = statSync(`/proc/${pid}/ns/net`).ino === statSync(`/run/netns/${netns(lab, host)}`).ino
    return same ? pid : undefined
  } catch {
    return undefined
  }
}

/** The beginning of a command line that runs the rest of it inside a host. */
export function enter(lab: string, host: HostName): string[] {
  const pid = initPid(lab, host)
  if (pid === undefined) throw new Error(`host ${host} of lab ${lab} is not running`)
  return ['/usr/bin/nsenter', '--target', String(pid), '--net', '--uts', '--mount', '--pid']
}

/** A cable: down drops everything on it without a word to either end (the port at the far bridge goes down). */
export async function setLink(lab: string, host: HostName, state: 'up' | 'down'): Promise<void> {
  const network = HOSTS[host].uplink?.network
  if (network === undefined) throw new Error(`${host} has no uplink`)
  await ip(lab, carrierOf(network), ['link', 'set', host, state])
  if (state === 'down') return
  await until(`${host} has its link`, async () => (await ip(lab, host, ['link', 'show', 'dev', network])).includes('LOWER_UP'))
  // Whom it looked for in vain meanwhile it looks for afresh; else the next connection may fail with the last of those tries.
  await ip(lab, host, ['neighbour', 'flush', 'dev', network])
}

/** A whole network: its bridge carries nothing while it is down. */
export async function setNetwork(lab: string, network: NetworkName, state: 'up' | 'down'): Promise<void> {
  for (const [host, {uplink}] of Object.entries(HOSTS)) {
    if (uplink?.network === network) await setLink(lab, host as HostName, state)
  }
}

function ip(lab: string, host: HostName, args: readonly string[]): Promise<string> {
  return run(['ip', '-n', netns(lab, host), ...args])
}

function inNetwork(lab: string, host: HostName, argv: readonly string[]): Promise<string> {
  return run(['ip', 'netns', 'exec', netns(lab, host), ...argv])
}

function exists(path: string): boolean {
  return statSync(path, {throwIfNoEntry: false}) !== undefined
}
