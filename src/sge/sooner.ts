/** What of a waiting job's request could start at once, where slots are free now. */
import type {Ask} from '../ask.ts'
import {command} from '../shell.ts'
import type {JobDetails} from './job-details.ts'
import type {QueueInstance} from './queue-instances.ts'

export interface SoonerRequest {
  /** Options of qsub. */
  args: string[]
  /** What is told when it is proved, e.g. `4 slots are free now on node2: without --node it could start at once`. */
  text: string
}

/**
 * The same request without its node or queue where enough slots are free elsewhere, or with as many slots as are free;
 * null where neither would be another request.
 */
export function soonerRequest(details: JobDetails, instances: readonly QueueInstance[]): SoonerRequest | null {
  const [best] = instances.filter(({free}) => free > 0).sort((a, b) => b.free - a.free)
  if (!best) return null
  const list = (key: string) => details.values(key).flatMap((line) => line.split(',')).filter(Boolean)
  const resources = list('hard resource_list')
  const elsewhere = resources.filter((item) => !/^(h|hostname)=/.test(item))
  const queues = list('hard_queue_list')
  const left = [...(elsewhere.length < resources.length ? ['--node'] : []), ...(queues.length > 0 ? ['--queue'] : [])]
  const [, pe, asked] = /^(\S+) range:\s*(\d+)$/.exec(details.values('parallel environment')[0] ?? '') ?? []
  const slots = Number(asked ?? 1)
  const fewer = best.free < slots
  if (!fewer && left.length === 0) return null
  const changes = [...(fewer ? [`with --cores ${best.free}`] : []), ...(left.length > 0 ? [`without ${left.join(' and ')}`] : [])]
  const free = Math.min(best.free, slots)
  const project = details.values('project')[0]
  return {
    args: [
      ...(pe === undefined ? [] : ['-pe', pe, String(free)]),
      ...(elsewhere.length > 0 ? ['-l', elsewhere.join(',')] : []),
      ...(project === undefined ? [] : ['-P', project]),
    ],
    text: `${free === 1 ? '1 slot is' : `${free} slots are`} free now on ${best.name.replace(/^.*@/, '')}: ${changes.join(' and ')} it could start at once`,
  }
}

/** Whether the scheduler itself would start such a job now (`qsub -w p`, which submits nothing). */
export function couldStart({args}: SoonerRequest): Ask<boolean> {
  return {
    script: `ge ${command(['qsub', '-w', 'p', ...args, '-b', 'y', '-N', 'jnode-check', '-o', '/dev/null', '-j', 'y', '/bin/true'])} 2>&1`,
    read: ({stdout}) => /found suitable queue/.test(stdout),
  }
}
