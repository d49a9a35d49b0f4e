/** What `qconf` tells about a site: parallel environments, queues, resources. Unknown attributes are left alone: Univa and OCS have more. */
import {parseMemory} from './memory.ts'

/** Names of access lists. */
export interface Access {
  /** Empty: everybody. */
  allowed: string[]
  denied: string[]
}

export interface ParallelEnvironment {
  name: string
  /** Slots in the whole cluster. */
  slots: number
  /** `$pe_slots` (all on one host), a number (so many per host), `$fill_up` or `$round_robin` (many hosts). */
  allocationRule: string
  access: Access
}

export interface Queue {
  name: string
  /** Names of the parallel environments it offers, on any of its hosts. */
  parallelEnvironments: string[]
  access: Access
  /** Of these projects only; empty: jobs of any project, or none. */
  projects: string[]
  /** The queue's h_rt; null where there is no limit. A host may have another one. */
  runSeconds: number | null
  /** Limits on the address space or the data of a process, in bytes, by their names (`h_vmem`). */
  memoryLimits: Map<string, number>
  /** Resources of which the queue itself has a stock. */
  stock: string[]
}

export interface Project {
  name: string
  access: Access
}

export interface Resource {
  name: string
  shortcut: string
  /** INT, MEMORY, TIME, DOUBLE, BOOL, STRING, RSMAP ... */
  type: string
  /** `FORCED`: a job must ask for it. */
  requestable: 'YES' | 'NO' | 'FORCED'
  /** `YES`: counted per slot; `JOB`, `HOST`: once; `NO`: not counted, only compared. */
  consumable: 'YES' | 'NO' | 'JOB' | 'HOST'
  /** What a job gets that does not ask for it; `0`, `NONE` and the like for nothing. */
  default: string
}

/** Names of address space and data limits, in a queue as in a request. */
const MEMORY_LIMITS = ['h_vmem', 's_vmem', 'h_data', 's_data']

/** Objects of `qconf -sp NAME ...` or `qconf -sq '*'`, one after the other, each beginning with the attribute `first`. */
function objects(text: string, first: string): Map<string, string>[] {
  const found: Map<string, string>[] = []
  for (const line of text.replace(/\\\n\s*/g, ' ').split('\n')) {
    const [, key, value] = /^(\S+)\s+(\S.*)$/s.exec(line.trimEnd()) ?? []
    if (key === undefined) continue
    if (key === first) found.push(new Map())
    found.at(-1)?.set(key, value!)
  }
  return found
}

export function parseParallelEnvironments(text: string): ParallelEnvironment[] {
  return objects(text, 'pe_name').map((pe) => ({
    name: pe.get('pe_name')!,
    slots: Number.parseInt(pe.get('slots') ?? '0', 10) || 0,
    allocationRule: pe.get('allocation_rule') ?? '',
    access: {allowed: names(pe.get('user_lists')), denied: names(pe.get('xuser_lists'))},
  }))
}

export function parseQueues(text: string): Queue[] {
  return objects(text, 'qname').map((queue) => ({
    name: queue.get('qname')!,
    // `make smp,[node1=mpi],[@big=omp shm]`: a host's own list stands in brackets behind its name.
    parallelEnvironments: names((queue.get('pe_list') ?? '').replace(/\[[^[=\]]*=/g, ' ').replaceAll(']', ' ')),
    access: {allowed: names(usual(queue, 'user_lists')), denied: names(usual(queue, 'xuser_lists'))},
    projects: names(usual(queue, 'projects')),
    runSeconds: secondsOf(usual(queue, 'h_rt')),
    memoryLimits: new Map(MEMORY_LIMITS.flatMap((name) => {
      const bytes = parseMemory(usual(queue, name))
      return bytes === null ? [] : [[name, bytes] as const]
    })),
    stock: [...(queue.get('complex_values') ?? '').matchAll(/(?<![^\s,[\]=])([^\s,[\]=]+)=/g)].map(([, name]) => name!),
  }))
}

/** Objects of `qconf -sprj NAME`, one after the other. */
export function parseProjects(text: string): Project[] {
  return objects(text, 'name').map((project) => ({
    name: project.get('name')!,
    access: {allowed: names(project.get('acl')), denied: names(project.get('xacl'))},
  }))
}

/** Objects of `qconf -su NAME,...`: users, and groups behind an `@`, by the list's name. */
export function parseAccessLists(text: string): Map<string, string[]> {
  return new Map(objects(text, 'name').map((list) => [list.get('name')!, names(list.get('entries'))]))
}

/** A queue's value without those of single hosts, which stand in brackets behind it. */
function usual(queue: Map<string, string>, key: string): string {
  return (queue.get(key) ?? '').split(/,?\[/)[0]!.trim()
}

function names(list = ''): string[] {
  return [...new Set(list.split(/[\s,]+/))].filter((name) => name !== '' && name !== 'NONE')
}

/** `24:00:00`, seconds, or INFINITY. */
function secondsOf(text: string): number | null {
  if (/^\d+$/.test(text)) return Number(text)
  const [, hours, minutes, seconds] = /^(\d+):(\d+):(\d+)$/.exec(text) ?? []
  return hours === undefined ? null : Number(hours) * 3600 + Number(minutes) * 60 + Number(seconds)
}

/** The table of `qconf -sc`; lines with `#` stand before and after it, Univa has a ninth column. */
export function parseResources(text: string): Resource[] {
  return text.split('\n').filter((line) => !line.startsWith('#')).flatMap((line) => {
    const [name, shortcut, type, relation, requestable, consumable, usually = 'NONE'] = line.trim().split(/\s+/)
    // A complaint of qconf is no row.
    if (!/^([=!]=|[<>]=?|EXCL)$/i.test(relation ?? '') || consumable === undefined) return []
    return [{
      name: name!,
      shortcut: shortcut!,
      type: type!,
      requestable: oneOf(['YES', 'FORCED'], requestable!) ?? 'NO',
      consumable: oneOf(['YES', 'JOB', 'HOST'], consumable) ?? 'NO',
      default: usually,
    } satisfies Resource]
  })
}

function oneOf<const W extends string>(words: readonly W[], text: string): W | undefined {
  return words.find((word) => word === text.toUpperCase())
}
