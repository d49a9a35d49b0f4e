/** What a site's administrators decide about ways to the nodes: settings of sshd, keys, firewalls. Each is taken back by `asBefore`. */
import {labPaths} from './paths.ts'
import {readFile, writeFile} from 'node:fs/promises'
import {join} from 'node:path'
import type {Lab} from './lab.ts'
import {knownHosts} from './sshd.ts'
import {fqdn, type HostName, NODES} from './topology.ts'

export interface Site {
  /** Lines of sshd_config on the nodes, and on the head. */
  nodes?: readonly string[]
  head?: readonly string[]
  /** alice's key that exists only inside the cluster lets her into these. */
  internalKey?: readonly ('nodes' | 'head')[]
  /** The nodes know only the internal key, not those of her laptops. */
  onlyInternal?: boolean
  nodesWithoutSshd?: boolean
  /** The head vouches for its users, and the nodes let nobody in otherwise. */
  hostBased?: boolean
  /** From the head to the nodes: only Grid Engine's own ports, or those and port 22. */
  firewall?: 'shut' | 'but ssh'
}

const HOST_BASED = ['HostbasedAuthentication yes', 'AuthenticationMethods hostbased', 'UseDNS yes']

const firewallFor = (ports: string) => `table inet site {
  chain in {
    type filter hook input priority 0;
    ip saddr 10.10.3.1 ct state new tcp dport != { ${ports} } drop;
  }
}
`

export function siteIn(lab: Lab) {
  async function root(host: HostName, command: string, input = ''): Promise<void> {
    const {exitCode, stderr} = await lab.exec(host, 'root', command, {cwd: '/', input})
    if (exitCode !== 0) throw new Error(`${command} on ${host} ended with ${exitCode}: ${stderr}`)
  }
  const configOf = (host: HostName) => join(labPaths(lab.name).host(host), 'ssh', 'sshd_config')
  const original = new Map<HostName, string>()
  const without = new Set<HostName>()
  let vouches = false

  async function configure(host: HostName, lines: readonly string[]): Promise<void> {
    if (!original.has(host)) original.set(host, await readFile(configOf(host), 'utf8'))
    const text = [...lines, original.get(host)!].join('\n')
    if (text === (await readFile(configOf(host), 'utf8'))) return
    await writeFile(configOf(host), text)
    if (!without.has(host)) await restart(host)
  }

  async function restart(host: HostName): Promise<void> {
    await lab.stopDaemon(host, 'sshd')
    await lab.startDaemon(host, 'sshd')
  }

  async function sshd(host: HostName, wanted: boolean): Promise<void> {
    if (wanted === !without.has(host)) return
    if (wanted) {
      without.delete(host)
      await lab.startDaemon(host, 'sshd')
    } else {
      without.add(host)
      await lab.stopDaemon(host, 'sshd')
    }
  }

  /** ssh-keysign on the head signs with the host's own key, which the nodes know. */
  async function vouch(wanted: boolean): Promise<void> {
    if (wanted === vouches) return
    vouches = wanted
    await root('head', 'cat >/etc/ssh/ssh_config', wanted ? 'HostbasedAuthentication yes\nEnableSSHKeysign yes\n' : '')
    const known = wanted ? await knownHosts(lab.name, ['head']) : ''
    for (const node of NODES) {
      await root(node, 'cat >/etc/ssh/ssh_known_hosts', known)
      await root(node, 'cat >/etc/ssh/shosts.equiv', wanted ? `${fqdn('head')}\nhead\n` : '')
    }
  }

  async function set({nodes = [], head = [], internalKey = [], onlyInternal = false, nodesWithoutSshd = false, hostBased = false, firewall}: Site): Promise<void> {
    await lab.exec('head', 'alice', `cd ~/.ssh; [ -e before ] || cp authorized_keys before; [ -e id_ed25519 ] || ssh-keygen -q -t ed25519 -N "" -f id_ed25519`)
    const key = (await lab.exec('head', 'alice', 'cat ~/.ssh/id_ed25519.pub')).stdout
    const laptops = (await lab.exec('head', 'alice', 'cat ~/.ssh/before')).stdout
    // Head and nodes share the home directory, so each has a file of its own of whom it lets in.
    for (const host of ['head', ...NODES] as const) {
      const side = host === 'head' ? 'head' : 'nodes'
      const own = side === 'nodes' && onlyInternal ? '' : laptops
      await root(host, 'cat >/etc/ssh/alice_keys', own + (internalKey.includes(side) ? key : ''))
      await configure(host, ['AuthorizedKeysFile /etc/ssh/%u_keys .ssh/%u_none', ...(side === 'head' ? head : nodes), ...(side === 'nodes' && hostBased ? HOST_BASED : [])])
    }
    await vouch(hostBased)
    for (const node of NODES) {
      await sshd(node, !nodesWithoutSshd)
      await root(node, 'nft -f -', `flush ruleset\n${firewall ? firewallFor(firewall === 'shut' ? '6444, 6445' : '22, 6444, 6445') : ''}`)
    }
  }

  return {
    set,
    async asBefore(): Promise<void> {
      await vouch(false)
      for (const host of ['head', ...NODES] as const) {
        await sshd(host, true)
        await configure(host, [])
        await root(host, 'nft flush ruleset; rm -f /etc/ssh/alice_keys')
      }
      await lab.exec('head', 'alice', 'cd ~/.ssh && [ ! -e before ] || { mv before authorized_keys; rm -f id_ed25519 id_ed25519.pub; }')
    },
  }
}
