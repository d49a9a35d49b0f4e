/** Sites that shut ways to their nodes, and what a user gets there: docs/routes.md has the same rows. */
import type {Site} from './site.ts'

export interface Row {
  site: string
  is: Site
  /** The route that `auto` takes; null where there is none. */
  route: string | null
  /** What there is to ask the admins for, where there is no route: the one thing, or either of two. */
  ask?: readonly string[]
}

const mustForward = (where: string) => `\`AllowTcpForwarding yes\` and \`AllowStreamLocalForwarding yes\` in the sshd_config of ${where}, without PermitOpen and DisableForwarding`

export const ASK = {
  head: mustForward('head'),
  nodes: mustForward('the compute nodes'),
  logins: 'SSH logins from head to the compute nodes without a password, with your own key or with one inside the cluster',
  ssh: 'TCP connections from head to port 22 of the compute nodes, with an SSH server there',
  ports: 'TCP connections from head to ports above 1023 of the compute nodes',
}

const INSIDE = {internalKey: ['nodes'], onlyInternal: true} as const
const NO_SOCKETS = 'AllowStreamLocalForwarding no'
const SHUT = {nodesWithoutSshd: true, firewall: 'shut'} as const

/** One for each route, and none. */
export const MAIN: readonly Row[] = [
  {site: 'sshd of the nodes: AllowStreamLocalForwarding no', is: {nodes: [NO_SOCKETS]}, route: 'node'},
  {site: 'only a key inside the cluster gets from the head to the nodes', is: INSIDE, route: 'head'},
  {site: 'nodes without sshd', is: {nodesWithoutSshd: true}, route: 'direct'},
  {site: 'nodes without sshd behind a firewall, login from nodes to head', is: {...SHUT, internalKey: ['head']}, route: 'reverse'},
  {site: 'nodes without sshd behind a firewall', is: SHUT, route: null, ask: [ASK.ssh, ASK.ports]},
]

/** To sshd `AllowTcpForwarding no` and PermitOpen shut sockets as well as ports. */
export const OTHERS: readonly Row[] = [
  {site: 'nothing is shut', is: {}, route: 'socket'},
  {site: 'sshd of the nodes: AllowTcpForwarding no', is: {nodes: ['AllowTcpForwarding no']}, route: 'direct'},
  {site: 'sshd of the nodes: PermitOpen none', is: {nodes: ['PermitOpen none']}, route: 'direct'},
  {site: 'sshd of the nodes: AllowTcpForwarding local, AllowStreamLocalForwarding no', is: {nodes: ['AllowTcpForwarding local', NO_SOCKETS]}, route: 'node'},
  {site: 'sshd of the nodes: PermitOpen none, AllowStreamLocalForwarding no', is: {nodes: ['PermitOpen none', NO_SOCKETS]}, route: 'direct'},
  {site: 'sshd of the nodes: DisableForwarding yes', is: {nodes: ['DisableForwarding yes']}, route: 'direct'},
  {site: 'only a key inside the cluster; sshd of the nodes: AllowStreamLocalForwarding no', is: {...INSIDE, nodes: [NO_SOCKETS]}, route: 'head'},
  {site: 'only a key inside the cluster; sshd of the head: AllowStreamLocalForwarding no', is: {...INSIDE, head: [NO_SOCKETS]}, route: 'head'},
  {site: 'only a key inside the cluster; sshd of the head: AllowTcpForwarding no', is: {...INSIDE, head: ['AllowTcpForwarding no']}, route: null, ask: [ASK.head]},
  {site: 'sshd of the head: PermitOpen none, a key inside the cluster', is: {...INSIDE, head: ['PermitOpen none']}, route: null, ask: [ASK.head]},
  {site: 'nodes take no key of the user', is: {onlyInternal: true}, route: 'direct'},
  {site: 'nodes take no key at all, but host-based logins from the head', is: {onlyInternal: true, hostBased: true}, route: 'head'},
  {site: 'firewall to the nodes, login from nodes to head', is: {firewall: 'shut', internalKey: ['head']}, route: 'reverse'},
  {site: 'the same; sshd of the head: AllowStreamLocalForwarding no', is: {...SHUT, internalKey: ['head'], head: [NO_SOCKETS]}, route: 'reverse'},
  {site: 'the same; sshd of the head: AllowTcpForwarding no', is: {...SHUT, internalKey: ['head'], head: ['AllowTcpForwarding no']}, route: null, ask: [ASK.head]},
  {site: 'sshd of the head: AllowTcpForwarding no', is: {head: ['AllowTcpForwarding no']}, route: null, ask: [ASK.head]},
  {site: 'sshd of the head: DisableForwarding yes, logins everywhere', is: {head: ['DisableForwarding yes'], internalKey: ['nodes', 'head']}, route: null, ask: [ASK.head]},
]
