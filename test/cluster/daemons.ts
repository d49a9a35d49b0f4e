/** The services of the lab's hosts: stopping and starting each by itself. */
import {readFile} from 'node:fs/promises'
import {join} from 'node:path'
import {execIn, type Place} from './guest.ts'
import {labPaths} from './paths.ts'
import {until} from './run.ts'
import {fqdn, type HostName} from './topology.ts'

export type Daemon = 'sshd' | 'sge_qmaster' | 'sge_execd'

/** Starts a daemon; answers when it serves. */
export async function startDaemon(lab: string, host: HostName, daemon: Daemon): Promise<void> {
  const start = {sshd: ['/usr/sbin/sshd', '-E', '/var/log/sshd.log'], sge_qmaster: ['sge_qmaster'], sge_execd: ['sge_execd']}[daemon]
  const {exitCode, stdout, stderr} = await asRoot(lab, host, start)
  if (exitCode !== 0) throw new Error(`${daemon} on ${host} did not start: ${stderr}${stdout}`)
  const asks: Record<Daemon, () => Promise<boolean>> = {
    sshd: async () => (await asRoot(lab, host, ['ss', '-Hltn', 'sport = :22'])).stdout !== '',
    sge_qmaster: async () => (await asRoot(lab, host, ['qconf', '-sm'])).exitCode === 0,
    sge_execd: async () => (await asRoot(lab, 'head', ['qconf', '-sel'])).stdout.split('\n').includes(fqdn(host)),
  }
  await until(`${daemon} on ${host}`, asks[daemon])
}

/**
 * Ends a daemon and waits until it is gone. What it started lives on: an sshd's open sessions, an execd's jobs.
 * SIGKILL in place of SIGTERM is a crash.
 */
export async function stopDaemon(lab: string, host: HostName, daemon: Daemon, signal: 'TERM' | 'KILL' = 'TERM'): Promise<void> {
  const own = labPaths(lab).host(host)
  const pidFiles: Record<Daemon, string> = {
    sshd: join(own, 'run', 'sshd.pid'),
    sge_qmaster: join(own, 'spool', 'qmaster', 'qmaster.pid'),
    sge_execd: join(own, 'spool', 'execd', host, 'execd.pid'),
  }
  const pid = (await readFile(pidFiles[daemon], 'utf8')).trim()
  await asRoot(lab, host, ['kill', `-${signal}`, pid])
  await until(`end of ${daemon} on ${host}`, async () => (await asRoot(lab, host, ['kill', '-0', pid])).exitCode !== 0)
}

/** Cuts every SSH session open on a host, as a restarted gateway does; its sshd goes on serving new ones. */
export async function endSessions(lab: string, host: HostName): Promise<void> {
  const listener = (await readFile(join(labPaths(lab).host(host), 'run', 'sshd.pid'), 'utf8')).trim()
  await asRoot(lab, host, `pgrep -x sshd | grep -vx ${listener} | xargs -r kill -KILL`)
}

function asRoot(lab: string, host: HostName, command: readonly string[] | string) {
  const place: Place = {lab, host, user: 'root'}
  return execIn(place, command, {cwd: '/'})
}
