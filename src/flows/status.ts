/** What is true of a session now, derived from what Grid Engine and the job itself say; never saved. */
import {endMessage, silentKernelText, type JobRecord} from '../jupyter/record.ts'
import type {SharedFacts} from '../session/facts.ts'
import type {Job, JobList} from '../sge/qstat.ts'

export type SessionState = 'queued' | 'held' | 'starting' | 'ready' | 'stopping' | 'ended' | 'failed' | 'unknown'

export interface SessionStatus {
  state: SessionState
  /** Why it waits, failed or ended. */
  reason: string | null
  node: string | null
}

interface Seen {
  jobs: JobList
  record: JobRecord | null
  /** Whether the server has answered a jnode, which can be sooner than the job itself writes that it listens. */
  answered: boolean
  /** Whether a second witness has confirmed that a job missing from the list has ended: one list may be wrong. */
  gone: boolean
}

/** The status of one session. */
export function statusOf(facts: SharedFacts & {foreign?: unknown}, seen: Seen): SessionStatus {
  const {jobs, record, answered, gone} = seen
  const node = record?.node ?? null
  if (jobs.kind === 'unknown') return {state: 'unknown', reason: `Grid Engine gives no answer: ${jobs.why}`, node}
  const job = jobOf(facts, jobs)
  // One that runs again (R) has a new server, whatever the first one has answered.
  const listening = facts.foreign !== undefined || record?.listening === true || (answered && !job?.letters.includes('R'))
  if (job) {
    const status = statusOfJob(job, listening)
    return {...status, reason: status.reason ?? silentKernelText(record), node: job.node === null ? null : (node ?? job.node)}
  }
  if (record?.end) return {state: record.listening ? 'ended' : 'failed', reason: endMessage(record.end).text, node}
  if (gone) return {state: 'ended', reason: 'the job is gone and left no word: it was deleted, or its node died', node}
  return {state: 'unknown', reason: 'the job is missing from Grid Engine’s list', node}
}

/** A job that runs, as Grid Engine still has it, on a node of which it has heard nothing for some time. */
export function onLostNode(node: string): Pick<SessionStatus, 'state' | 'reason'> {
  return {state: 'unknown', reason: `node ${node} does not answer Grid Engine: it is down or cut off, and the job is lost unless it comes back`}
}

/** The session's job in a list: by id and name, since job numbers are used again; by name while the id is unknown. */
export function jobOf(facts: SharedFacts, jobs: JobList): Job | undefined {
  if (jobs.kind === 'unknown') return undefined
  return jobs.jobs.find((job) => job.name === facts.jobName && (facts.jobId === null || facts.jobId === job.id))
}

function statusOfJob(job: Job, listening: boolean): Pick<SessionStatus, 'state' | 'reason'> {
  switch (job.phase) {
    case 'pending':
      return {state: 'queued', reason: job.letters.includes('R') ? 'Grid Engine has put the job back into the queue, to start it again' : null}
    case 'held':
      return {state: 'held', reason: 'the job is held and does not start by itself; `qrls` releases it'}
    case 'error':
      return {state: 'failed', reason: `Grid Engine put the job into its error state (${job.letters})`}
    case 'deleting':
      return {state: 'stopping', reason: null}
    case 'starting': // Grid Engine may call a job in transfer whose server answers already
    case 'running':
    case 'unknown':
      return {state: listening ? 'ready' : 'starting', reason: null}
    case 'suspended':
      return {state: listening ? 'ready' : 'starting', reason: `the job is suspended (state ${job.letters}); its server does not answer until it is resumed`}
  }
}
