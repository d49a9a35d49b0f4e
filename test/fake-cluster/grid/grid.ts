/** The mock Grid Engine: jobs wait, are placed, run as processes of this machine, and are gone. */
import type {ActiveFaults} from '../faults.ts'
import type {Processes} from '../processes.ts'
import {runJob, type Ending, type Job, type JobPlaces} from './job.ts'
import type {QsubRequest} from './qsub.ts'
import {PARALLEL_ENVIRONMENTS, QUEUE, SITE_NODES, sizeOf} from './site.ts'

/** All in milliseconds. */
export interface Timing {
  /** From submission until the scheduler looks. */
  schedule: number
  /** How long a placed job shows as `t`. */
  transfer: number
  /** From SIGUSR2 to SIGKILL for jobs with -notify. */
  notify: number
  /** From a job's end until qacct knows of it. */
  accounting: number
}

export interface GridOptions {
  user: string
  processes: Processes
  faults: ActiveFaults
  timing: Timing
  places: JobPlaces
}

export interface AccountingRecord {
  job: Job
  endedAt: Date
  failed: number
  exitStatus: number
}

export interface Grid {
  /** Jobs that qstat shows, oldest first. */
  jobs(): readonly Job[]
  find(id: number): Job | undefined
  submit(request: QsubRequest, owner?: string): Job
  remove(job: Job, why?: 'qdel' | 'h_rt'): void
  accounting(id: number): AccountingRecord | undefined
  /** Why a pending job has not been placed, in the scheduler's words. */
  reasons(job: Job): string[]
  /** Has the scheduler look again: a fault went. */
  reschedule(): void
  close(): void
}

export function makeGrid(options: GridOptions): Grid {
  const {faults, timing, user} = options
  const jobs = new Map<number, Job>()
  const records = new Map<number, AccountingRecord>()
  const timers = new Set<NodeJS.Timeout>()
  let nextId = 1
  let closed = false

  const after = (ms: number, action: () => void) => {
    const timer = setTimeout(() => {
      timers.delete(timer)
      if (!closed) action()
    }, ms)
    timers.add(timer)
  }

  const freeOn = (node: string) => {
    const placed = [...jobs.values()].filter((job) => job.node === node)
    const used = (name: string) => placed.reduce((sum, job) => sum + sizeOf(job.request.resources.get(name)) * job.request.slots, 0)
    const site = SITE_NODES.find(({host}) => host === node)!
    return {
      slots: site.slots - placed.reduce((sum, job) => sum + job.request.slots, 0),
      consumables: Object.fromEntries(Object.entries(site.consumables).map(([name, amount]) => [name, amount - used(name)])),
    }
  }

  const obstacles = (job: Job, node: string): string[] => {
    const {resources, slots, queues, pe} = job.request
    const free = freeOn(node)
    const found: string[] = []
    const host = resources.get('hostname') ?? resources.get('h')
    if (host !== undefined && host !== node && host !== node.split('.')[0]) {
      found.push(`(-l hostname=${host}) cannot run at host "${node}" because it offers only hf:hostname=${node}`)
    }
    if (queues.length > 0 && !queues.some((queue) => queue === QUEUE || queue === `${QUEUE}@${node}` || queue === `${QUEUE}@${node.split('.')[0]}`)) {
      found.push(`cannot run in queue instance "${QUEUE}@${node}" because it is not contained in its hard queue list (-q)`)
    }
    for (const [name, amount] of Object.entries(free.consumables)) {
      const wanted = resources.get(name)
      if (wanted !== undefined && sizeOf(wanted) * slots > amount) {
        found.push(`(-l ${name}=${wanted}) cannot run at host "${node}" because it offers only hc:${name}=${amount.toFixed(6)}`)
      }
    }
    const spread = pe !== null && PARALLEL_ENVIRONMENTS[pe] !== '$pe_slots'
    if (free.slots < 1) found.push(`queue instance "${QUEUE}@${node}" dropped because it is full`)
    else if (!spread && free.slots < slots) found.push(`cannot run in PE "${pe}" because it only offers ${free.slots} slots`)
    return found
  }

  const place = (job: Job) => {
    if (job.state !== 'qw' || faults['never-schedules']) return
    const node = SITE_NODES.find(({host}) => obstacles(job, host).length === 0)
    if (!node) return
    if (faults.eqw) {
      job.state = 'Eqw'
      job.errorReason = `can't open output file "${job.request.stdout ?? ''}": Permission denied`
      return
    }
    job.node = node.host
    job.startedAt = new Date()
    job.state = 't'
    after(timing.transfer, () => start(job))
  }

  const start = (job: Job) => {
    if (job.state === 'dt') return end(job, {exitCode: null, signal: 'SIGKILL'})
    try {
      job.run = runJob(job, options, (ending) => end(job, ending))
    } catch (error) {
      // The execution daemon hands the job back, in error.
      Object.assign(job, {state: 'Eqw', node: null, startedAt: null, errorReason: `can't open output file: ${(error as Error).message}`})
      return
    }
    job.state = 'r'
    if (faults['job-dies']) job.run.signal('SIGKILL')
    const limit = job.request.resources.get('h_rt')
    if (limit !== undefined) after(sizeOf(limit) * 1000, () => jobs.get(job.id) === job && grid.remove(job, 'h_rt'))
  }

  const end = (job: Job, {exitCode, signal}: Ending) => {
    jobs.delete(job.id)
    const signalled = signal !== null
    const exitStatus = signalled ? 128 + (SIGNALS[signal] ?? 9) : (exitCode ?? 0)
    const endedAt = new Date()
    after(timing.accounting, () => records.set(job.id, {job, endedAt, failed: signalled ? 100 : 0, exitStatus}))
    after(0, () => jobs.forEach(place))
  }

  const grid: Grid = {
    jobs: () => [...jobs.values()],
    find: (id) => jobs.get(id),
    submit(request, owner = user) {
      const job: Job = {
        id: nextId++,
        owner,
        request,
        state: request.held ? 'hqw' : 'qw',
        submittedAt: new Date(),
        startedAt: null,
        node: null,
        queue: QUEUE,
        errorReason: null,
        run: null,
      }
      jobs.set(job.id, job)
      after(timing.schedule, () => place(job))
      return job
    },
    remove(job, why = 'qdel') {
      if (job.state === 't') job.state = 'dt'
      else if (job.state === 'r' && job.run) {
        job.state = 'dr'
        if (why === 'h_rt' || !job.request.notify) return job.run.signal('SIGKILL')
        job.run.signal('SIGUSR2')
        after(timing.notify, () => job.run?.signal('SIGKILL'))
      } else jobs.delete(job.id)
    },
    accounting: (id) => records.get(id),
    reasons(job) {
      if (job.state !== 'qw') return job.state === 'hqw' ? ['job is in hold state'] : []
      if (faults['never-schedules']) return SITE_NODES.map(({host}) => `queue instance "${QUEUE}@${host}" dropped because it is full`)
      return SITE_NODES.flatMap(({host}) => obstacles(job, host))
    },
    reschedule: () => jobs.forEach((job) => place(job)),
    close() {
      closed = true
      timers.forEach(clearTimeout)
    },
  }
  return grid
}

/** The numbers the accounting shows; these are the same on Linux and macOS but for USR1 and USR2, given as Linux's. */
const SIGNALS: Partial<Record<NodeJS.Signals, number>> = {SIGHUP: 1, SIGINT: 2, SIGKILL: 9, SIGUSR1: 10, SIGUSR2: 12, SIGTERM: 15}
