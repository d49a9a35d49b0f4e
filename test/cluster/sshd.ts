/** SSH servers of the lab: each with a host key of its own, its log, and what can be read from it. */
import {appendFile, mkdir, readFile, writeFile} from 'node:fs/promises'
import {join} from 'node:path'
import {execIn} from './guest.ts'
import {labPaths} from './paths.ts'
import {run, until} from './run.ts'
import {fqdn, type HostName, HOSTS, SSH_SERVERS} from './topology.ts'

const SSHD_CONFIG = `HostKey /etc/ssh/ssh_host_ed25519_key
PidFile /run/sshd.pid
LogLevel VERBOSE
UsePAM no
UseDNS no
PasswordAuthentication no
KbdInteractiveAuthentication no
# A test suite logs in more often at once than people do.
MaxStartups 200
Subsystem sftp /usr/lib/openssh/sftp-server
`

/** Writes /etc/ssh of a host: client configuration everywhere, server configuration and key on servers. */
export async function writeSshDirectory(lab: string, host: HostName): Promise<void> {
  const directory = join(labPaths(lab).host(host), 'ssh')
  await mkdir(directory)
  await writeFile(join(directory, 'ssh_config'), '')
  if (!isServer(host)) return
  await writeFile(join(directory, 'sshd_config'), SSHD_CONFIG)
  await run(['ssh-keygen', '-q', '-t', 'ed25519', '-N', '', '-C', fqdn(host), '-f', join(directory, 'ssh_host_ed25519_key')])
}

export function isServer(host: HostName): boolean {
  return (SSH_SERVERS as readonly HostName[]).includes(host)
}

/** known_hosts lines for some servers, each under all its names. */
export async function knownHosts(lab: string, hosts: readonly HostName[]): Promise<string> {
  const lines = hosts.map(async (host) => {
    const [type, key] = (await hostKey(lab, host)).split(' ')
    return `${host},${fqdn(host)},${HOSTS[host].address} ${type} ${key}\n`
  })
  return (await Promise.all(lines)).join('')
}

/** A server's public host key. */
export function hostKey(lab: string, host: HostName): Promise<string> {
  return readFile(join(labPaths(lab).host(host), 'ssh', 'ssh_host_ed25519_key.pub'), 'utf8')
}

/** The head knows the keys of the whole cluster for all its users, as an administrator sets it up. */
export async function writeSiteKnownHosts(lab: string): Promise<void> {
  const lines = await knownHosts(lab, ['head', 'node1', 'node2'])
  await appendFile(join(labPaths(lab).host('head'), 'ssh', 'ssh_known_hosts'), lines)
}

/** How often this host's sshd (or the further one on `port`) has accepted a login, less a number read before. */
export async function accepted(lab: string, host: HostName, since = 0, port = 22): Promise<number> {
  const log = await readFile(join(labPaths(lab).host(host), 'log', logOf(port)), 'utf8')
  // "Accepted publickey for alice ..."; the verbose log also has "Accepted key ... found at ..." before it.
  return log.split('\n').filter((line) => /^Accepted \S+ for /.test(line)).length - since
}

/** One that takes the place of the host's own writes into the same log. */
function logOf(port: number): string {
  return port === 22 ? 'sshd.log' : `sshd-${port}.log`
}

export interface ExtraSshd {
  port: number
  /** The one address of the host that it listens on; all of them when not given. */
  address?: string
  /** Lines of sshd_config in the place of the lab's usual ones. */
  settings: string
  /** A PAM stack; sshd uses it where `settings` says `UsePAM yes`. */
  pam?: string
  /** Shell text run as root before it starts, in a mount namespace of its own: what it binds, only this server's users see. */
  before?: string
}

/** Starts one more SSH server on a host, with the same host key; the function returned ends it. */
export async function startSshd(lab: string, host: HostName, {port, address, settings, pam, before = ''}: ExtraSshd): Promise<() => Promise<void>> {
  const name = address ? `sshd-${port}-${address}` : `sshd-${port}`
  const directory = join(labPaths(lab).host(host), 'run', name)
  const inside = `/run/${name}`
  // Of most keywords the first line counts, but of some the last one.
  const rest = SSHD_CONFIG.split('\n').filter((line) => !settings.includes(line.split(' ')[0]!))
  await mkdir(join(directory, 'pam.d'), {recursive: true})
  await writeFile(join(directory, 'pam.d', 'sshd'), pam ?? '')
  await writeFile(join(directory, 'sshd_config'), `Port ${port}\n${address ? `ListenAddress ${address}\n` : ''}PidFile ${inside}/pid\n${settings}\n${rest.join('\n')}`)
  const start = `set -e\nmount --bind ${inside}/pam.d /etc/pam.d\n${before}\nexec /usr/sbin/sshd -f ${inside}/sshd_config -E /var/log/${address ? `${name}.log` : logOf(port)}`
  const asRoot = (command: readonly string[] | string) => execIn({lab, host, user: 'root'}, command, {cwd: '/'})
  const {exitCode, stderr} = await asRoot(['unshare', '--mount', 'sh', '-c', start])
  if (exitCode !== 0) throw new Error(`sshd on port ${port} of ${host} did not start: ${stderr}`)
  const listens = async () => (await asRoot(['ss', '-Hltn', `sport = :${port}${address ? ` and src ${address}` : ''}`])).stdout !== ''
  await until(`sshd on port ${port} of ${host}`, listens)
  return async () => {
    // A connection has two processes, one below the other, and lives on in either.
    await asRoot(`pid=$(cat ${inside}/pid); for child in $(pgrep -P $pid); do pkill -KILL -P $child; kill -KILL $child; done; kill -KILL $pid; rm -rf ${inside}`)
    await until(`end of sshd on port ${port} of ${host}`, async () => !(await listens()))
  }
}
