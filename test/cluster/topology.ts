/**
 * Which hosts a lab has and how they are wired:
 *
 *     laptop, laptop2 --wan-- gateway --lan-- head --cluster-- node1, node2
 *
 * Each network is a bridge inside the host that carries it; the others plug in with a veth pair. Nothing is
 * routed between networks. A lab's networks live in its own namespaces, so two labs use the same addresses.
 */

export const HOST_NAMES = ['laptop', 'laptop2', 'gateway', 'head', 'node1', 'node2'] as const
export type HostName = (typeof HOST_NAMES)[number]
export type NetworkName = 'wan' | 'lan' | 'cluster'

interface Host {
  /** The address its name resolves to, on every host alike. */
  address: string
  /** Part of the Grid Engine cluster: has its commands, its cell and the shared /home. */
  inCluster: boolean
  /** The network it is plugged into, and its address there. */
  uplink?: {network: NetworkName; address: string}
  /** The networks whose bridge lives in it, with its own address on each. */
  carries: Partial<Record<NetworkName, string>>
  /** A single address reached through a neighbour: the neighbour's own one on its other side, nothing behind it. */
  route?: {to: string; via: string}
}

export const HOSTS: Record<HostName, Host> = {
  laptop: {address: '10.10.1.11', inCluster: false, uplink: {network: 'wan', address: '10.10.1.11'}, carries: {}},
  laptop2: {address: '10.10.1.12', inCluster: false, uplink: {network: 'wan', address: '10.10.1.12'}, carries: {}},
  gateway: {
    address: '10.10.1.1',
    inCluster: false,
    uplink: {network: 'lan', address: '10.10.2.2'},
    carries: {wan: '10.10.1.1'},
    route: {to: '10.10.3.1', via: '10.10.2.1'},
  },
  head: {address: '10.10.3.1', inCluster: true, carries: {lan: '10.10.2.1', cluster: '10.10.3.1'}},
  node1: {address: '10.10.3.11', inCluster: true, uplink: {network: 'cluster', address: '10.10.3.11'}, carries: {}},
  node2: {address: '10.10.3.12', inCluster: true, uplink: {network: 'cluster', address: '10.10.3.12'}, carries: {}},
}

export const NODES = ['node1', 'node2'] as const satisfies readonly HostName[]
export const LAPTOPS = ['laptop', 'laptop2'] as const satisfies readonly HostName[]
export const SSH_SERVERS = ['gateway', 'head', 'node1', 'node2'] as const satisfies readonly HostName[]

/** The host whose namespace holds a network's bridge. */
export function carrierOf(network: NetworkName): HostName {
  const carrier = HOST_NAMES.find((host) => HOSTS[host].carries[network] !== undefined)
  if (carrier === undefined) throw new Error(`no host carries the network ${network}`)
  return carrier
}

/** What `hostname` says on a host; Grid Engine wants it to resolve to an address other hosts can reach. */
export function fqdn(host: HostName): string {
  return `${host}.local`
}

/** /etc/hosts, the same on every host. Second addresses have names of their own, so that each name but `login` has one address. */
export function hostsFile(): string {
  return [
    '127.0.0.1 localhost',
    '::1 localhost ip6-localhost',
    ...HOST_NAMES.map((host) => `${HOSTS[host].address} ${fqdn(host)} ${host}`),
    '10.10.2.2 gateway-lan.local gateway-lan',
    '10.10.2.1 head-lan.local head-lan',
    // One name for several machines, as sites have it for their head nodes: both are the head here.
    '10.10.2.1 login.local login',
    '10.10.3.1 login.local login',
    '',
  ].join('\n')
}
