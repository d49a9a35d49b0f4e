/** The way to the head node, hop by hop, as it is seen while `start` would log in. */
import {JnodeError} from '../errors.ts'
import {oneLine} from '../printable.ts'
import type {LoginFact} from '../ssh/remote.ts'
import type {StartOptions} from '../config/start-options.ts'
import type {CheckList} from './checks.ts'
import type {ClusterLink, Deps} from './deps.ts'

/** Steps of a hop in their order, and the fact that shows each as done. */
const STEPS = [
  ['resolve', 'resolved'],
  ['connect', 'connected'],
  ['host key', 'host-key'],
  ['login', 'logged-in'],
] as const

/** Null when a step has failed; the rest of the way is noted as skipped. */
export async function checkLogin({cluster}: StartOptions, checks: CheckList, {signal, connect}: {signal: AbortSignal; connect: Deps['connect']}): Promise<ClusterLink | null> {
  let hops: string[] = []
  const seen = new Map<string, Set<string>>()
  const witness = (fact: LoginFact) => {
    if (fact.kind === 'way') hops = fact.hops
    else seen.set(fact.hop, (seen.get(fact.hop) ?? new Set()).add(fact.kind))
    checks.note(...told(fact))
  }
  try {
    const link = await connect(cluster, {signal, witness})
    // The system's ssh does not tell what it sees on the way.
    if (cluster.kind === 'ssh' && !seen.get(hops.at(-1) ?? '')?.has('logged-in')) checks.note('login', `${link.head.label}, with the system’s ssh`)
    return link
  } catch (error) {
    const missing = hops.flatMap((hop, i) => {
      const done = seen.get(hop)
      // From the second hop on, the hop before it looks the name up.
      const steps = STEPS.filter(([, kind]) => !done?.has(kind) && (kind !== 'resolved' || (i === 0 && !done?.has('connected'))))
      return steps.map(([step]) => ({step: `${hop}: ${step}`, name: step}))
    })
    const failed = missing.findIndex(({name}) => name !== 'resolve' || notFound(error))
    const at = missing[failed] ?? {step: error instanceof JnodeError && error.code === 'config' ? 'ssh configuration' : 'login'}
    checks.fail(at.step, error)
    for (const {step} of missing.slice(failed + 1)) checks.skip(step, `not reached: ${at.step} failed`)
    return null
  }
}

function notFound(error: unknown): boolean {
  return error instanceof JnodeError && /^No host is called /.test(error.message)
}

function told(fact: LoginFact): [step: string, saw: string] {
  switch (fact.kind) {
    case 'way':
      return ['ssh configuration', `the way is ${fact.hops.join(' -> ')}`]
    case 'resolved':
      return [`${fact.hop}: resolve`, fact.addresses.join(', ')]
    case 'connected':
      return [`${fact.hop}: connect`, `${fact.to}${fact.through === null ? '' : ` through ${fact.through}`}`]
    case 'host-key':
      return [`${fact.hop}: host key`, fact.key]
    case 'logged-in':
      return [`${fact.hop}: login`, `${fact.by === null ? 'nothing was asked for' : `by ${fact.by}`}; it offers ${oneLine(fact.offered.join(', ')) || 'nothing that it names'} (${oneLine(fact.software)})`]
  }
}
