/** Every combination of what a site may have decided about the ways to its nodes: a running cell, or one sentence that names what to ask the admins for. */
import {ASK, type Row} from '../cluster/routes-table.ts'

const NO_SOCKETS = 'AllowStreamLocalForwarding no'

/** What sshd opens, and settings for which it opens just that: to a client they are the same, and the rows take them in turn. */
const NODES = {
  'no sshd': [[]],
  'sockets and ports': [[], ['AllowTcpForwarding local'], ['AllowStreamLocalForwarding local']],
  ports: [[NO_SOCKETS], ['AllowTcpForwarding local', NO_SOCKETS], ['AllowStreamLocalForwarding remote'], ['PermitOpen 127.0.0.1:*']],
  nothing: [['AllowTcpForwarding no'], ['PermitOpen none'], ['DisableForwarding yes'], ['AllowTcpForwarding remote'], ['AllowTcpForwarding no', NO_SOCKETS], ['PermitOpen none', NO_SOCKETS]],
}
const HEAD = {
  'sockets and ports': [[]],
  // Nothing can listen on it for a job that logs in.
  'not back': [['AllowTcpForwarding local']],
  ports: [[NO_SOCKETS], ['AllowStreamLocalForwarding remote'], ['AllowStreamLocalForwarding local']],
  'port 22': [['PermitOpen *:22']],
  nothing: [['AllowTcpForwarding no'], ['PermitOpen none'], ['DisableForwarding yes']],
}
const KEYS = ['own', 'inside', 'both', 'none'] as const

interface Combination {
  nodes: keyof typeof NODES
  head: keyof typeof HEAD
  /** Between the head and the nodes. */
  firewall: 'open' | 'but ssh' | 'shut'
  /** Which keys let alice into the nodes. */
  keys: (typeof KEYS)[number]
  /** Whether the job can log in to the head. */
  back: boolean
}

/** Behind a firewall that is shut, and without sshd, keys are never looked at: there they are taken in turn as well. */
function combinations(): Combination[] {
  let turn = 0
  const anyOf = <T>(list: readonly T[]): T => list[turn++ % list.length]!
  const sides = Object.keys(HEAD).flatMap((head) => [false, true].map((back) => ({head: head as keyof typeof HEAD, back})))
  return sides.flatMap((side) => [
    {...side, firewall: 'shut' as const, nodes: anyOf(Object.keys(NODES)) as keyof typeof NODES, keys: anyOf(KEYS)},
    ...(['open', 'but ssh'] as const).flatMap((firewall) => [
      {...side, firewall, nodes: 'no sshd' as const, keys: anyOf(KEYS)},
      ...(['sockets and ports', 'ports', 'nothing'] as const).flatMap((nodes) => KEYS.map((keys) => ({...side, firewall, nodes, keys}))),
    ]),
  ])
}

/** The route that `auto` takes, or what there is to ask for: docs/routes.md says the same in words. */
function outcome({nodes, head, firewall, keys, back}: Combination): Pick<Row, 'route' | 'ask'> {
  if (head === 'nothing') return {route: null, ask: [ASK.head]}
  const asks: string[] = []
  const headPasses = head !== 'port 22'
  if (firewall === 'shut' || nodes === 'no sshd') asks.push(ASK.ssh)
  else {
    if (keys === 'inside' || keys === 'none') asks.push(ASK.logins)
    else if (nodes !== 'nothing') return {route: nodes === 'ports' ? 'node' : 'socket'}
    else asks.push(ASK.nodes)
    if (keys === 'own' || keys === 'none') asks.push(ASK.logins)
    else if (nodes !== 'nothing' && headPasses) return {route: 'head'}
    else asks.push(headPasses ? ASK.nodes : ASK.head)
  }
  if (!headPasses) asks.push(ASK.head)
  else if (firewall === 'open') return {route: 'direct'}
  else asks.push(ASK.ports)
  if (back && headPasses && head !== 'not back') return {route: 'reverse'}
  const useful = asks.filter((ask) => ask !== ASK.logins || !asks.includes(ASK.nodes))
  return {route: null, ask: [...new Set(useful)].slice(0, 2)}
}

function rowOf(combination: Combination, i: number): Row {
  const {nodes, head, firewall, keys, back} = combination
  const [nodeLines, headLines] = [NODES[nodes], HEAD[head]].map((all) => all[i % all.length]!)
  return {
    site: `${i + 1}: nodes: ${nodes} (${nodeLines!.join(', ')}), firewall: ${firewall}, keys: ${keys}, back: ${back}, head: ${head} (${headLines!.join(', ')})`,
    is: {
      nodes: nodeLines!, head: headLines!, nodesWithoutSshd: nodes === 'no sshd', onlyInternal: keys === 'inside' || keys === 'none',
      internalKey: [...(keys === 'inside' || keys === 'both' ? (['nodes'] as const) : []), ...(back ? (['head'] as const) : [])],
      ...(firewall === 'open' ? {} : {firewall}),
    },
    ...outcome(combination),
  }
}

/** The 270 rows, in three parts for the three workers: each a file of its own. */
export function thirdOfAllSites(part: 1 | 2 | 3): readonly Row[] {
  return combinations().map(rowOf).filter((_, i) => i % 3 === part - 1)
}
