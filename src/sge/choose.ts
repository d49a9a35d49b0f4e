/** Which of a site's parallel environments and resources a request means. No names are common to all sites; what is found is used, what is not is asked for. */
import {JnodeError} from '../errors.ts'
import type {ParallelEnvironment, Resource} from './qconf.ts'
import type {JobRequest, ResourceChoice, ResourceUse} from './qsub.ts'
import type {Site} from './site.ts'

/** Names that sites give to environments of one host, the most usual first. */
const ONE_HOST_NAMES = [
  'smp', 'shared', 'sharedmem', 'omp', 'openmp', 'threaded', 'thread', 'threads', 'multi_thread', 'pthreads',
  'multicore', 'onenode', 'local', 'by_node', 'serial',
]

/**
 * Memory resources that sites count, those first that count what is used. h_vmem, h_data and s_vmem come last: they
 * limit what a process may reserve, and Python with its libraries reserves far more than it uses.
 */
const MEMORY_NAMES = [
  'm_mem_free', 'mem_free', 'rmem', 'tmem', 'mem_req', 'mem', 'memory', 'mem_total', 'mem_per_core', 'mem_token', 'h_rss', 'ram',
  'virtual_free', 'h_vmem', 'h_data', 's_vmem',
]

const GPU_NAMES = ['gpu', 'gpus', 'ngpus', 'num_gpu', 'gpu_card', 'cuda']

/** Value of `--pe` or of `pe` in the configuration, the slots of the session, and its queue. */
export interface WantedSlots {
  slots: number
  queue: string | null
  asked: string | null
}

/** `memory` and `gpu` of the cluster's section of config.toml. */
export interface ConfiguredResources {
  memory: ResourceUse | null
  gpu: {resource: string} | null
}

/**
 * The parallel environment for so many slots on one host; null for one slot without one. Throws `rejected` for one that
 * does not exist, `never-runs` when none fits, `config` when the site does not say what it has.
 */
export function chooseParallelEnvironment(site: Pick<Site, 'parallelEnvironments' | 'queues'>, wanted: WantedSlots): string | null {
  const {slots, asked} = wanted
  if (asked !== null) return checkAsked(site.parallelEnvironments, asked)
  if (slots === 1) return null
  if (site.parallelEnvironments === null) {
    throw new JnodeError('config', `How to ask for ${slots} slots on one host cannot be learnt here: qconf does not answer`, {
      hint: 'Name the site\'s parallel environment for one host with --pe, or with pe in the cluster\'s section of config.toml.',
    })
  }
  const best = site.parallelEnvironments
    .filter((pe) => onOneHost(pe, slots) && pe.slots >= slots && isOffered(pe, site, wanted.queue))
    .sort((a, b) => Number(a.restricted) - Number(b.restricted) || rank(ONE_HOST_NAMES, a.name) - rank(ONE_HOST_NAMES, b.name) || (a.name < b.name ? -1 : 1))[0]
  if (best) return best.name
  throw new JnodeError('never-runs', `No parallel environment gives ${slots} slots on one host${wanted.queue === null ? '' : ` of queue ${wanted.queue}`}`, {
    hint: `Name one with --pe (${described(site.parallelEnvironments)}), ask for fewer --cores, or for a kind of node in the site's own way with --sge-arg.`,
  })
}

function checkAsked(known: readonly ParallelEnvironment[] | null, asked: string): string {
  // qsub takes patterns such as `smp*` too.
  if (known === null || /[*?[\]]/.test(asked) || known.some(({name}) => name === asked)) return asked
  throw new JnodeError('rejected', `There is no parallel environment ${asked}`, {hint: `Name one that exists with --pe: ${described(known)}.`})
}

/** A number as rule means so many slots per host, so one host only for exactly as many. */
function onOneHost({allocationRule}: ParallelEnvironment, slots: number): boolean {
  return allocationRule === '$pe_slots' || allocationRule === String(slots)
}

/** An environment in no queue's list never starts. */
function isOffered({name}: ParallelEnvironment, {queues}: Pick<Site, 'queues'>, queue: string | null): boolean {
  const possible = queues?.filter((candidate) => queue === null || candidate.name === queue) ?? []
  return possible.length === 0 || possible.some(({parallelEnvironments}) => parallelEnvironments.includes(name))
}

function described(known: readonly ParallelEnvironment[]): string {
  return known.map(({name, allocationRule}) => `${name}: ${allocationRule}`).join(', ') || 'there are none'
}

/** The site's resource for memory and what it is counted per. Throws `config` when it cannot be told. */
export function chooseMemory(site: Pick<Site, 'resources'>, configured: ResourceUse | null): ResourceUse {
  if (configured) return configured
  const candidates = requestable(site.resources).filter(({type, name}) => type === 'MEMORY' && /mem|ram|^h_(data|rss)$|^virtual_free$/.test(name))
  const counted = candidates.filter(({consumable, requestable}) => consumable !== 'NO' || requestable === 'FORCED')
  // Where nothing is counted, a host that has so much free when the job starts is the best to be had; limits on what is reserved are not.
  const compared = candidates.filter(({name}) => name === 'mem_free' || name === 'virtual_free')
  const best = pick(counted, MEMORY_NAMES) ?? pick(compared, MEMORY_NAMES)
  if (best) return use(best)
  throw new JnodeError('config', 'Which resource stands for memory on this cluster cannot be told', {
    hint: 'Name it with memory = {resource = "...", per = "slot" or "job"} in the cluster\'s section of config.toml, or leave out --mem and pass it with --sge-arg=-l --sge-arg=NAME=AMOUNT.',
  })
}

/** The site's resource for GPUs. Throws `config` when it cannot be told. */
export function chooseGpu(site: Pick<Site, 'resources'>, configured: {resource: string} | null): ResourceUse {
  const candidates = requestable(site.resources)
  if (configured) {
    const found = candidates.find(({name, shortcut}) => name === configured.resource || shortcut === configured.resource)
    // Nearly all sites count GPUs per slot, and asking for too few is seen at once where too many wait for ever.
    return found ? use(found) : {resource: configured.resource, per: 'slot'}
  }
  const countable = candidates.filter(({name, type, consumable}) => /gpu|cuda/i.test(name) && /^(INT|RSMAP|DOUBLE)$/.test(type) && consumable !== 'NO')
  const best = pick(countable, GPU_NAMES)
  if (best) return use(best)
  const names = countable.map(({name}) => name).join(', ')
  throw new JnodeError('config', `Which resource stands for GPUs on this cluster cannot be told${names && ` (there are ${names})`}`, {
    hint: 'Name it with gpu = {resource = "..."} in the cluster\'s section of config.toml, or leave out --gpus and ask in the site\'s own way with --queue or --sge-arg.',
  })
}

/** Both resources, as far as the request needs them. */
export function chooseResources(site: Pick<Site, 'resources'>, request: Pick<JobRequest, 'memoryBytes' | 'gpus'>, configured: ConfiguredResources): ResourceChoice {
  return {
    memory: request.memoryBytes === null ? null : chooseMemory(site, configured.memory),
    gpu: request.gpus === 0 ? null : chooseGpu(site, configured.gpu),
  }
}

function requestable(resources: readonly Resource[] | null): Resource[] {
  return (resources ?? []).filter((resource) => resource.requestable !== 'NO')
}

function use({name, consumable}: Resource): ResourceUse {
  return {resource: name, per: consumable === 'YES' ? 'slot' : 'job'}
}

/** The one with the best-known name, or the only one; a resource that jobs must ask for goes before all others. */
function pick(candidates: readonly Resource[], names: readonly string[]): Resource | undefined {
  const forced = candidates.filter(({requestable}) => requestable === 'FORCED')
  const pool = forced.length > 0 ? forced : candidates
  const known = pool.filter(({name}) => names.includes(name)).sort((a, b) => rank(names, a.name) - rank(names, b.name))
  return known[0] ?? (pool.length === 1 ? pool[0] : undefined)
}

function rank(names: readonly string[], name: string): number {
  const index = names.indexOf(name)
  return index < 0 ? names.length : index
}
