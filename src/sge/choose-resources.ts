/** Which of a site's resources stand for memory and GPUs. No names are common to all sites; what is found is used, what is not is asked for. */
import {JnodeError} from '../errors.ts'
import type {Resource} from './qconf.ts'
import type {JobRequest, ResourceChoice, ResourceUse} from './qsub.ts'
import {rank} from './rank.ts'
import type {Site} from './site.ts'

/**
 * Memory resources that sites count, those first that count what is used. h_vmem, h_data and s_vmem come last: they
 * limit what a process may reserve, and Python with its libraries reserves far more than it uses.
 */
const MEMORY_NAMES = [
  'm_mem_free', 'mem_free', 'rmem', 'tmem', 'mem_req', 'mem', 'memory', 'mem_total', 'mem_per_core', 'mem_token', 'h_rss', 'ram',
  'virtual_free', 'h_vmem', 'h_data', 's_vmem',
]

const GPU_NAMES = ['gpu', 'gpus', 'ngpus', 'num_gpu', 'gpu_card', 'cuda']

/** `memory` and `gpu` of the cluster's section of config.toml. */
export interface ConfiguredResources {
  memory: ResourceUse[] | null
  gpu: {resource: string} | null
}

/** What decides about resources; hosts and queues tell of which of them there is a stock. */
export type ResourceSite = Pick<Site, 'resources' | 'hosts' | 'queues'>

/**
 * What `--mem` asks for, and what it is counted per: the one resource that the site keeps account of, or all that jobs must
 * ask for. Throws `config` when it cannot be told.
 */
export function chooseMemory(site: ResourceSite, configured: ResourceUse[] | null): ResourceUse[] {
  if (configured) return configured
  const candidates = memoryCandidates(site)
  const forced = candidates.filter(({requestable}) => requestable === 'FORCED')
  if (forced.length > 0) return forced.map(use)
  const counted = candidates.filter(({consumable}) => consumable !== 'NO')
  // Where nothing is counted, a host that has so much free when the job starts is the best to be had; limits on what is reserved are not.
  const compared = candidates.filter(({name}) => name === 'mem_free' || name === 'virtual_free')
  const best = pick(inStock(site, counted), MEMORY_NAMES) ?? pick(counted, MEMORY_NAMES) ?? pick(compared, MEMORY_NAMES)
  if (best) return [use(best)]
  throw new JnodeError('config', 'Which resource stands for memory on this cluster cannot be told', {
    hint: 'Name it with memory = {resource = "...", per = "slot" or "job"} in the cluster\'s section of config.toml, or leave out --mem and pass it with --sge-arg=-l --sge-arg=NAME=AMOUNT.',
  })
}

/** All resources of the site that may stand for memory. */
export function memoryCandidates({resources}: Pick<Site, 'resources'>): Resource[] {
  return requestable(resources).filter(({type, name}) => type === 'MEMORY' && /mem|ram|^h_(data|rss)$|^virtual_free$/.test(name))
}

/** The site's resource for GPUs. Throws `config` when it cannot be told. */
export function chooseGpu(site: ResourceSite, configured: {resource: string} | null): ResourceUse {
  if (configured) {
    const found = requestable(site.resources).find(({name, shortcut}) => name === configured.resource || shortcut === configured.resource)
    // Nearly all sites count GPUs per slot, and asking for too few is seen at once where too many wait for ever.
    return found ? use(found) : {resource: configured.resource, per: 'slot'}
  }
  const countable = gpuCandidates(site)
  const best = pick(inStock(site, countable), GPU_NAMES) ?? pick(countable, GPU_NAMES)
  if (best) return use(best)
  const names = countable.map(({name}) => name).join(', ')
  throw new JnodeError('config', `Which resource stands for GPUs on this cluster cannot be told${names && ` (there are ${names})`}`, {
    hint: 'Name it with gpu = {resource = "..."} in the cluster\'s section of config.toml, or leave out --gpus and ask in the site\'s own way with --queue or --sge-arg.',
  })
}

/** All resources of the site that may stand for GPUs. */
export function gpuCandidates({resources}: Pick<Site, 'resources'>): Resource[] {
  return requestable(resources).filter(({name, type, consumable}) => /gpu|cuda/i.test(name) && /^(INT|RSMAP|DOUBLE)$/.test(type) && consumable !== 'NO')
}

/** Both, as far as the request needs them. */
export function chooseResources(site: ResourceSite, request: Pick<JobRequest, 'memoryBytes' | 'gpus'>, configured: ConfiguredResources): ResourceChoice {
  return {
    memory: request.memoryBytes === null ? [] : chooseMemory(site, configured.memory),
    gpu: request.gpus === 0 ? null : chooseGpu(site, configured.gpu),
  }
}

function requestable(resources: readonly Resource[] | null): Resource[] {
  return (resources ?? []).filter((resource) => resource.requestable !== 'NO')
}

function use({name, type, consumable}: Resource): ResourceUse {
  return {resource: name, per: consumable === 'YES' ? 'slot' : 'job', ...(type === 'DOUBLE' && {divisible: true})}
}

/** Sites keep resources that nobody counts any more; those with a stock somewhere are in use. */
function inStock({hosts, queues}: ResourceSite, candidates: readonly Resource[]): Resource[] {
  return candidates.filter(({name}) => hosts?.some(({stock}) => stock.has(name)) || queues?.some(({stock}) => stock.includes(name)))
}

/** The one with the best-known name, or the only one. */
function pick(candidates: readonly Resource[], names: readonly string[]): Resource | undefined {
  const known = candidates.filter(({name}) => names.includes(name)).sort((a, b) => rank(names, a.name) - rank(names, b.name))
  return known[0] ?? (candidates.length === 1 ? candidates[0] : undefined)
}
