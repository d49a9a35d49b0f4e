/** Where a job can run, or in the scheduler's words why not. */
import type {QsubRequest} from './qsub.ts'
import {allocationRule, QUEUE, sizeOf, stockText, type NodeResources} from './site.ts'

export interface Share {
  host: string
  slots: number
}

export type Verdict = {kind: 'placed'; shares: Share[]} | {kind: 'waits'; reasons: string[]}

/** Looks for room on nodes as they are now (or, for `-w v`, as they would be empty). */
export function judge(request: QsubRequest, free: readonly NodeResources[]): Verdict {
  const verdicts = free.map((node) => ({node, reasons: hostReasons(request, node)}))
  const usable = verdicts.filter(({reasons}) => reasons.length === 0).map(({node}) => node)
  const shares = share(request, usable)
  if (shares !== null) return {kind: 'placed', shares}
  const reasons = verdicts.flatMap((verdict) => verdict.reasons)
  // Said of an environment also when the slots are there but something else is short.
  if (request.pe !== null) reasons.push(`cannot run in PE "${request.pe}" because it only offers ${offered(request, usable)} slots`)
  return {kind: 'waits', reasons}
}

function hostReasons(request: QsubRequest, node: NodeResources): string[] {
  const {resources, queues, pe} = request
  const instance = `${QUEUE}@${node.host}`
  if (queues.length > 0 && !queues.some((queue) => queue === QUEUE || queue === instance)) {
    return [`cannot run in queue "${instance}" because it is not contained in its hard queue list (-q)`]
  }
  if (node.slots < 1) return [`queue instance "${instance}" dropped because it is full`]
  const asked = [...resources].map(([name, value]) => `${name}=${value}`).sort().join(',')
  const cannot = (offer: string) => `(-l ${asked}) cannot run ${pe === null ? 'at host' : 'in queue'} "${node.host}" because it offers only ${offer}`
  const host = resources.get('hostname')
  if (host !== undefined && host !== node.host) return [cannot(`hf:hostname=${node.host}`)]
  return Object.entries(node.stock).flatMap(([name, amount]) => {
    const wanted = resources.get(name)
    return wanted !== undefined && sizeOf(wanted) * slotsOn(request) > amount ? [cannot(stockText(name, amount))] : []
  })
}

/** Stock is counted per slot; how a spreading job shares its slots is not known yet, so one is asked for. */
function slotsOn(request: QsubRequest): number {
  return spreads(request) ? 1 : request.slots
}

function spreads({pe}: QsubRequest): boolean {
  return pe !== null && allocationRule(pe) !== '$pe_slots'
}

function share(request: QsubRequest, usable: readonly NodeResources[]): Share[] | null {
  if (!spreads(request)) {
    const node = usable.find(({slots}) => slots >= request.slots)
    return node ? [{host: node.host, slots: request.slots}] : null
  }
  let missing = request.slots
  const shares = usable.map(({host, slots}) => {
    const taken = Math.min(slots, missing)
    missing -= taken
    return {host, slots: taken}
  })
  return missing === 0 ? shares.filter(({slots}) => slots > 0) : null
}

function offered(request: QsubRequest, usable: readonly NodeResources[]): number {
  return spreads(request) ? usable.reduce((sum, {slots}) => sum + slots, 0) : 0
}
