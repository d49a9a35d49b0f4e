/** jnode's tunnel against `ssh -L` over the same hosts: laptop, gateway, head, node1. */
import type {ChildProcess} from 'node:child_process'
import {once} from 'node:events'
import {createInterface} from 'node:readline'
import {KEEPER_FLAGS} from '../../src/daemon/detach.ts'
import type {Lab} from '../cluster/lab.ts'
import type {HostName} from '../cluster/topology.ts'
import {until} from '../cluster/run.ts'
import {median, quantile, report} from './figures.ts'

/** A program of this folder on a host of the lab; it ends when its stdin is closed. */
export function spawnHere(lab: Lab, host: HostName, args: readonly string[]): ChildProcess {
  const child = lab.spawn(host, 'alice', ['node', '--import', 'tsx', ...args], {cwd: '/srv/jnode/test/bench'})
  child.stderr!.pipe(process.stderr)
  return child
}

/** The JSON of its first line. */
export async function firstLine<T>(child: ChildProcess): Promise<T> {
  const gone = once(child, 'close').then(() => Promise.reject(new Error(`${child.spawnargs.join(' ')} ended before it was ready`)))
  const line = once(createInterface({input: child.stdout!}), 'line', {signal: AbortSignal.timeout(30_000)})
  line.catch(() => {})
  gone.catch(() => {})
  return JSON.parse((await Promise.race([line, gone]))[0] as string) as T
}

export async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const closed = once(child, 'close')
  child.stdin!.end()
  const timer = setTimeout(() => child.kill('SIGKILL'), 5000)
  await closed
  clearTimeout(timer)
}

interface Ways {
  ours: {tcp: number; socket: number; pid: number}
  ssh: {tcp: number; socket: number}
}

export async function withWays<T>(lab: Lab, work: (ways: Ways) => Promise<T>): Promise<T> {
  const children: ChildProcess[] = []
  try {
    const path = `/tmp/bench-${process.pid}.sock`
    const peer = spawnHere(lab, 'node1', ['peer.ts', path])
    children.push(peer)
    const {port} = await firstLine<{port: number}>(peer)
    const holder = spawnHere(lab, 'laptop', [...KEEPER_FLAGS, 'holder.ts', String(port), path, `/tmp/bench-nodes-${process.pid}`])
    children.push(holder)
    const ours = await firstLine<Ways['ours']>(holder)
    const ssh = {tcp: ours.tcp + 1000, socket: ours.tcp + 1001}
    // `cat` ends with our end of the pipe, and ssh with it: nothing is left behind whatever happens to this process.
    children.push(lab.spawn('laptop', 'alice', `exec ssh -o BatchMode=yes -o StrictHostKeyChecking=accept-new -o ExitOnForwardFailure=yes -J gateway,head -L 127.0.0.1:${ssh.tcp}:127.0.0.1:${port} -L 127.0.0.1:${ssh.socket}:${path} node1 cat`))
    await until('ssh -L', async () => (await lab.listeners('laptop')).some((listener) => JSON.stringify(listener).includes(String(ssh.socket))))
    return await work({ours, ssh})
  } finally {
    for (const child of children.reverse()) await end(child)
    await lab.exec('node1', 'alice', 'rm -f /tmp/bench-*')
    await lab.exec('laptop', 'alice', 'rm -f /tmp/bench-*')
  }
}

export async function measure(lab: Lab, work: string, rounds: number, ports: Record<string, number>): Promise<Record<string, number[]>> {
  const client = spawnHere(lab, 'laptop', ['client.ts', work, String(rounds), ...Object.entries(ports).map(([name, port]) => `${name}=${port}`)])
  const timer = setTimeout(() => client.kill('SIGKILL'), 240_000)
  const closed = once(client, 'close')
  try {
    const [line] = (await once(createInterface({input: client.stdout!}), 'line', {signal: AbortSignal.timeout(240_000)})) as [string]
    return JSON.parse(line) as Record<string, number[]>
  } finally {
    clearTimeout(timer)
    client.stdin!.end()
    await closed
  }
}

export function smallMessages(lab: Lab): Promise<boolean> {
  return withWays(lab, async ({ours, ssh}) => {
    const ports = {ours: ours.tcp, ssh: ssh.tcp, oursSocket: ours.socket, sshSocket: ssh.socket}
    console.log('Small messages, microseconds there and back, against ssh -L')
    const met: boolean[] = []
    const ping = await measure(lab, 'ping', 20, ports)
    met.push(report({what: '1 byte, TCP on the node, median', ours: median(ping.ours!), peer: median(ping.ssh!), unit: 'µs', goal: 1.3}))
    met.push(report({what: '1 byte, Unix socket on the node, median', ours: median(ping.oursSocket!), peer: median(ping.sshSocket!), unit: 'µs', goal: 1.3}))
    report({what: '1 byte, TCP, 99th percentile', ours: quantile(ping.ours!, 0.99), peer: quantile(ping.ssh!, 0.99), unit: 'µs'})
    report({what: '1 byte, Unix socket, 99th percentile', ours: quantile(ping.oursSocket!, 0.99), peer: quantile(ping.sshSocket!, 0.99), unit: 'µs'})
    const burst = await measure(lab, 'burst', 20, ports)
    for (const [name, ourName, sshName] of [['TCP', 'ours', 'ssh'], ['Unix socket', 'oursSocket', 'sshSocket']] as const) {
      report({what: `header and body, ${name}, median`, ours: median(burst[ourName]!), peer: median(burst[sshName]!), unit: 'µs'})
      met.push(report({what: `header and body, ${name}, 99th percentile`, ours: quantile(burst[ourName]!, 0.99), peer: quantile(burst[sshName]!, 0.99), unit: 'µs', goal: 1.3}))
    }
    return !met.includes(false)
  })
}

export function throughput(lab: Lab): Promise<boolean> {
  return withWays(lab, async ({ours, ssh}) => {
    const ports = {ours: ours.tcp, ssh: ssh.tcp}
    console.log('512 MiB, seconds, against ssh -L')
    const down = await measure(lab, 'down', 5, ports)
    const up = await measure(lab, 'up', 5, ports)
    const downMet = report({what: 'download, median of 5', ours: median(down.ours!), peer: median(down.ssh!), unit: 's', goal: 1})
    const upMet = report({what: 'upload, median of 5', ours: median(up.ours!), peer: median(up.ssh!), unit: 's', goal: 1})
    return downMet && upMet
  })
}
