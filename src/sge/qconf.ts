/** What `qconf` tells about a site: parallel environments, queues, resources. Unknown attributes are left alone: Univa and OCS have more. */

export interface ParallelEnvironment {
  name: string
  /** Slots in the whole cluster. */
  slots: number
  /** `$pe_slots` (all on one host), a number (so many per host), `$fill_up` or `$round_robin` (many hosts). */
  allocationRule: string
  /** Some users only, or some users not. */
  restricted: boolean
}

export interface Queue {
  name: string
  /** Names of the parallel environments it offers, on any of its hosts. */
  parallelEnvironments: string[]
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
}

/** Objects of `qconf -sp NAME ...` or `qconf -sq '*'`, one after the other, each beginning with the attribute `first`. */
function objects(text: string, first: string): Map<string, string>[] {
  const found: Map<string, string>[] = []
  for (const line of text.replace(/\\\n\s*/g, ' ').split('\n')) {
    const [, key, value] = /^(\S+)\s+(.*\S)\s*$/.exec(line) ?? []
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
    restricted: (pe.get('user_lists') ?? 'NONE') !== 'NONE' || (pe.get('xuser_lists') ?? 'NONE') !== 'NONE',
  }))
}

export function parseQueues(text: string): Queue[] {
  return objects(text, 'qname').map((queue) => ({
    name: queue.get('qname')!,
    // `make smp,[node1=mpi],[@big=omp shm]`: a host's own list stands in brackets behind its name.
    parallelEnvironments: (queue.get('pe_list') ?? '').replace(/\[[^=\]]*=/g, ' ').split(/[\s,\]]+/).filter((name) => name !== '' && name !== 'NONE'),
  }))
}

/** The table of `qconf -sc`; lines with `#` stand before and after it, Univa has a ninth column. */
export function parseResources(text: string): Resource[] {
  return text.split('\n').filter((line) => !line.startsWith('#')).flatMap((line) => {
    const [name, shortcut, type, relation, requestable, consumable] = line.trim().split(/\s+/)
    // A complaint of qconf is no row.
    if (!/^([=!]=|[<>]=?|EXCL)$/i.test(relation ?? '') || consumable === undefined) return []
    return [{
      name: name!,
      shortcut: shortcut!,
      type: type!,
      requestable: oneOf(['YES', 'FORCED'], requestable!) ?? 'NO',
      consumable: oneOf(['YES', 'JOB', 'HOST'], consumable) ?? 'NO',
    } satisfies Resource]
  })
}

function oneOf<const W extends string>(words: readonly W[], text: string): W | undefined {
  return words.find((word) => word === text.toUpperCase())
}
