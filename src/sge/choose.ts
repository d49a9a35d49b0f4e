/** Which of a site's parallel environments a request means. No names are common to all sites; what is found is used, what is not is asked for. */
import {JnodeError} from '../errors.ts'
import {mayUse} from './access.ts'
import type {ParallelEnvironment} from './qconf.ts'
import {rank} from './rank.ts'
import type {Site} from './site.ts'

/** Names that sites give to environments of one host, the most usual first. */
const ONE_HOST_NAMES = [
  'smp', 'shared', 'sharedmem', 'omp', 'openmp', 'threaded', 'thread', 'threads', 'multi_thread', 'pthreads',
  'multicore', 'onenode', 'local', 'by_node', 'serial',
]

/** Value of `--pe` or of `pe` in the configuration, the slots of the session, and its queue. */
export interface WantedSlots {
  slots: number
  queue: string | null
  asked: string | null
}

/** What decides about parallel environments. */
export type SlotSite = Pick<Site, 'parallelEnvironments' | 'queues' | 'user' | 'groups' | 'accessLists'>

/**
 * The parallel environment for so many slots on one host; null for one slot without one. Throws `rejected` for one that
 * does not exist, `never-runs` when none fits, `config` when the site does not say what it has.
 */
export function chooseParallelEnvironment(site: SlotSite, wanted: WantedSlots): string | null {
  const {slots, asked} = wanted
  if (asked !== null) return checkAsked(site.parallelEnvironments, asked)
  if (slots === 1) return null
  if (site.parallelEnvironments === null) {
    throw new JnodeError('config', `How to ask for ${slots} slots on one host cannot be learnt here: qconf does not answer`, {
      hint: 'Name the site\'s parallel environment for one host with --pe, or with pe in the cluster\'s section of config.toml.',
    })
  }
  const best = oneHostEnvironments(site, slots, wanted.queue)[0]
  if (best) return best.name
  if (site.parallelEnvironments.length === 0) {
    throw new JnodeError('never-runs', `This cluster has no parallel environment, so no job can have ${slots} slots`, {hint: 'Ask for one core with --cores 1, or for a kind of node in the site\'s own way with --sge-arg.'})
  }
  throw new JnodeError('never-runs', `No parallel environment gives ${slots} slots on one host${wanted.queue === null ? '' : ` of queue ${wanted.queue}`}`, {
    hint: `Name one with --pe (${described(site.parallelEnvironments)}), ask for fewer --cores, or for a kind of node in the site's own way with --sge-arg.`,
  })
}

/** The environments that give this user so many slots on one host, the best first; `slots` null: any number above one. */
export function oneHostEnvironments(site: SlotSite, slots: number | null, queue: string | null = null): ParallelEnvironment[] {
  const open = ({access}: ParallelEnvironment) => ['yes', 'unknown', 'no'].indexOf(mayUse(access, site))
  return (site.parallelEnvironments ?? [])
    .filter((pe) => onOneHost(pe, slots) && pe.slots >= (slots ?? 2) && open(pe) < 2 && isOffered(pe, site, queue))
    .sort((a, b) => open(a) - open(b) || rank(ONE_HOST_NAMES, a.name) - rank(ONE_HOST_NAMES, b.name) || (a.name < b.name ? -1 : 1))
}

function checkAsked(known: readonly ParallelEnvironment[] | null, asked: string): string {
  // qsub takes patterns such as `smp*` too.
  if (known === null || /[*?[\]]/.test(asked) || known.some(({name}) => name === asked)) return asked
  throw new JnodeError('rejected', `There is no parallel environment ${asked}`, {hint: `Name one that exists with --pe: ${described(known)}.`})
}

/** A number as rule means so many slots per host, so one host only for exactly as many. */
function onOneHost({allocationRule}: ParallelEnvironment, slots: number | null): boolean {
  return allocationRule === '$pe_slots' || allocationRule === String(slots)
}

/** An environment in the list of no queue that the user may use never starts. */
function isOffered({name}: ParallelEnvironment, site: SlotSite, queue: string | null): boolean {
  const possible = site.queues?.filter((candidate) => queue === null ? mayUse(candidate.access, site) !== 'no' : candidate.name === queue) ?? []
  return possible.length === 0 || possible.some(({parallelEnvironments}) => parallelEnvironments.includes(name))
}

function described(known: readonly ParallelEnvironment[]): string {
  return known.map(({name, allocationRule}) => `${name}: ${allocationRule}`).join(', ') || 'there are none'
}
