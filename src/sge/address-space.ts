/**
 * Limits on what a process may reserve (h_vmem and its like), which is not what it uses: a server and a kernel that use
 * 150 MB reserve 0.9 GB, each thread adds a stack and a heap of its own, and CUDA maps all of the GPU's memory and more.
 * Python dies of such a limit with "can't start new thread" or MemoryError long before the memory is used.
 */
import {memoryText, parseMemory} from './memory.ts'
import type {JobRequest, ResourceUse} from './qsub.ts'
import type {Site} from './site.ts'

const RESERVED = /^[hs]_(vmem|data|as)$/

/** Below this some threads of Jupyter, or of the libraries of its kernels, do not start. */
const LEAST_BYTES = 2 ** 30
const LEAST_BYTES_PER_SLOT = 2 ** 28

export type Reserving = Pick<JobRequest, 'slots' | 'memoryBytes' | 'gpus' | 'queue'>

/** What is wrong with the limit that this request will run under, and what to do; null where nothing is. */
export function tightAddressSpace(site: Pick<Site, 'resources' | 'queues'>, request: Reserving, memory: readonly ResourceUse[]): {text: string; hint: string} | null {
  const limit = limitOf(site, request, memory)
  if (limit === null) return null
  const {slots, gpus} = request
  const least = LEAST_BYTES + slots * LEAST_BYTES_PER_SLOT
  if (limit.bytes >= least && gpus === 0) return null
  const what = `${limit.resource} limits each process of this session to ${memoryText(limit.bytes)}${limit.from}; it counts what is reserved, not what is used`
  if (gpus > 0) return {text: `${what}, and programs that use a GPU reserve far more than they use`, hint: 'Where they die with "out of memory", ask for more with --mem.'}
  return {
    text: `${what}, and threads of Jupyter with ${slots} ${slots === 1 ? 'slot' : 'slots'} may not start below ${memoryText(least)}`,
    hint: `Ask for more with --mem ${memoryText(least)}.`,
  }
}

interface Limit {
  resource: string
  bytes: number
  /** Where it comes from, when not from --mem. */
  from: string
}

function limitOf({resources, queues}: Pick<Site, 'resources' | 'queues'>, {slots, memoryBytes, queue}: Reserving, memory: readonly ResourceUse[]): Limit | null {
  const asked = memory.find(({resource}) => RESERVED.test(resource))
  if (asked && memoryBytes !== null) return {resource: asked.resource, bytes: memoryBytes, from: ''}
  const usual = (resources ?? []).filter(({name, consumable}) => RESERVED.test(name) && consumable !== 'NO').flatMap(({name, consumable, default: text}) => {
    const bytes = parseMemory(text) ?? 0
    return bytes === 0 ? [] : [{resource: name, bytes: consumable === 'YES' ? bytes * slots : bytes, from: ', as the site has it where nothing is asked for'}]
  })
  if (usual[0]) return usual[0]
  const limits = (queues ?? []).filter(({name}) => queue === null || name === queue).map(({name, memoryLimits}) => {
    const [least] = [...memoryLimits].sort(([, a], [, b]) => a - b)
    return least ? {resource: least[0], bytes: least[1], from: ` in queue ${name}`} : null
  })
  // Where some queue has no limit, the job may go there.
  return limits.includes(null) ? null : (limits.sort((a, b) => b!.bytes - a!.bytes)[0] ?? null)
}
