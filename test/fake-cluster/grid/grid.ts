/** The mock Grid Engine: jobs wait, are placed, run as processes of this machine, and are gone. */
import {constants} from 'node:os'
import type {ActiveFaults} from '../faults.ts'
import type {Processes} from '../processes.ts'
import {outputPath, runJob, type Ending, type Job, type JobPlaces} from './job.ts'
import type {QsubRequest} from './qsub.ts'
import {judge} from './scheduler.ts'
import {QUEUE, SITE_NODES, sizeOf, type NodeResources} from './site.ts'

/** All in milliseconds. */
export interface Timing {
  /** From submission until the scheduler looks. */
  schedule: number
  /** How long a placed job shows as `t`. */
  transfer: number
  /** From SIGUSR2 to SIGKILL for jobs with -notify. */
  notify: number
  /** How long `qstat -j` knows a job that has left the list. */
  linger: number
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
  /** Grid Engine's code: 0, 26 (log), 37 (time limit), 100 (a signal). */
  failed: number
  exitStatus: number
}

export interface Grid {
  /** Jobs that qstat shows, oldest first. */
  jobs(): readonly Job[]
  /** Also a job that has just left the list. */
  find(id: number): Job | undefined
  submit(request: QsubRequest, owner?: string): Job
  remove(job: Job): void
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
  const lingering = new Map<number, Job>()
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

  const place = (job: Job) => {
    if (job.state !== 'qw' || faults['never-schedules']) return
    const verdict = judge(job.request, freeNodes([...jobs.values()]))
    if (verdict.kind === 'waits') return
    if (faults.eqw) return putInError(job, `can't open output file "${outputPath(job, options.places.home, 'o')}": Permission denied`)
    Object.assign(job, {shares: verdict.shares, startedAt: new Date(), state: 't'})
    after(timing.transfer, () => start(job))
  }

  const start = (job: Job) => {
    if (job.state === 'dt') return end(job, {exitCode: null, signal: 'SIGKILL'})
    try {
      job.run = runJob(job, options, (ending) => end(job, ending))
    } catch (error) {
      return putInError(job, logError(error))
    }
    job.state = 'r'
    if (faults['job-dies']) job.run.signal('SIGKILL')
    const limit = job.request.resources.get('h_rt')
    if (limit !== undefined) after(sizeOf(limit) * 1000, () => kill(job, 'time limit'))
  }

  const kill = (job: Job, why: 'qdel' | 'time limit') => {
    if (jobs.get(job.id) !== job) return
    job.overTime = why === 'time limit'
    job.state = 'dr'
    if (!job.request.notify) return job.run?.signal('SIGKILL')
    job.run?.signal('SIGUSR2')
    after(timing.notify, () => job.run?.signal('SIGKILL'))
  }

  const end = (job: Job, {exitCode, signal}: Ending) => {
    jobs.delete(job.id)
    lingering.set(job.id, job)
    after(timing.linger, () => lingering.delete(job.id))
    const exitStatus = signal === null ? (exitCode ?? 0) : 128 + constants.signals[signal]
    const failed = signal === null ? 0 : job.overTime ? 37 : 100
    const endedAt = new Date()
    after(timing.accounting, () => records.set(job.id, {job, endedAt, failed, exitStatus}))
    after(0, reschedule)
  }

  const reschedule = () => jobs.forEach(place)

  return {
    jobs: () => [...jobs.values()],
    find: (id) => jobs.get(id) ?? lingering.get(id),
    submit(request, owner = user) {
      const job: Job = {
        id: nextId++,
        owner,
        request,
        state: request.held ? 'hqw' : 'qw',
        submittedAt: new Date(),
        startedAt: null,
        shares: [],
        queue: QUEUE,
        errorReason: null,
        overTime: false,
        run: null,
      }
      jobs.set(job.id, job)
      after(timing.schedule, () => place(job))
      return job
    },
    remove(job) {
      if (lingering.has(job.id)) return
      if (job.state === 't') job.state = 'dt'
      else if (job.state === 'r') kill(job, 'qdel')
      else {
        jobs.delete(job.id)
        // A job deleted while it waited never comes into the accounting.
        if (job.state === 'Eqw') records.set(job.id, {job, endedAt: new Date(), failed: 26, exitStatus: 0})
      }
    },
    accounting: (id) => records.get(id),
    reasons(job) {
      if (job.state === 'hqw') return ['Job is in hold state']
      if (job.state !== 'qw') return ['There are no messages available']
      if (faults['never-schedules']) return SITE_NODES.map(({host}) => `queue instance "${QUEUE}@${host}" dropped because it is full`)
      const verdict = judge(job.request, freeNodes([...jobs.values()]))
      return verdict.kind === 'waits' ? verdict.reasons : ['There are no messages available']
    },
    reschedule,
    close() {
      closed = true
      timers.forEach(clearTimeout)
    },
  }
}

/** The execution daemon hands such a job back to the queue, in error. */
function putInError(job: Job, reason: string): void {
  Object.assign(job, {state: 'Eqw', shares: [], startedAt: null, errorReason: reason})
}

function logError(error: unknown): string {
  const {path, code} = error as NodeJS.ErrnoException
  return `can't open output file "${path ?? ''}": ${code === 'ENOENT' ? 'No such file or directory' : 'Permission denied'}`
}

function freeNodes(jobs: readonly Job[]): NodeResources[] {
  return SITE_NODES.map(({host, slots, stock}) => {
    const here = jobs.flatMap(({shares, request}) => shares.filter((share) => share.host === host).map((share) => ({slots: share.slots, request})))
    const used = (name: string) => here.reduce((sum, {slots: taken, request}) => sum + sizeOf(request.resources.get(name) ?? '0') * taken, 0)
    return {
      host,
      slots: slots - here.reduce((sum, {slots: taken}) => sum + taken, 0),
      stock: Object.fromEntries(Object.entries(stock).map(([name, amount]) => [name, amount - used(name)])),
    }
  })
}
