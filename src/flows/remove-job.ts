/** Ending a job and leaving nothing of it on the cluster. Shared by `stop`, by the undoing of a failed `start`, and by the keeper. */
import {ask} from '../ask.ts'
import {JnodeError} from '../errors.ts'
import type {SharedFacts} from '../session/facts.ts'
import {removeRemoteSession} from '../session/remote-store.ts'
import type {GridEngine} from '../sge/client.ts'
import type {Job} from '../sge/qstat.ts'
import type {Remote} from '../ssh/remote.ts'
import type {Clock} from '../time.ts'
import type {Tell} from './events.ts'
import {listOurJobs} from './our-jobs.ts'

export interface RemovalContext {
  head: Remote
  engine: GridEngine
  user: string
  clock: Clock
  tell: Tell
  signal: AbortSignal
}

type JobOfSession = Pick<SharedFacts, 'name' | 'jobName' | 'jobId'>

/** Long enough for a queue's usual `notify` minute; a job on a dead node stays for hours, and is reported instead. */
const GONE_WITHIN_MS = 100_000

/** The session's job as Grid Engine knows it: by id, or by name where qsub's answer was lost. Throws while it is silent. */
export async function findJob({head, engine, user, signal}: RemovalContext, facts: JobOfSession): Promise<Job | null> {
  const list = await ask(head.run, listOurJobs(engine, user, [facts]), {signal})
  if (list.kind === 'unknown') {
    throw new JnodeError('no-grid-engine', `Grid Engine on ${head.label} gives no answer: ${list.why}`, {hint: 'Nothing was removed. Try again in a minute.'})
  }
  return list.jobs.find((job) => job.name === facts.jobName && (facts.jobId === null || job.id === facts.jobId)) ?? null
}

/** `qdel`, then waits until the job is really gone. Throws when it stays. */
export async function deleteJob(context: RemovalContext, facts: JobOfSession): Promise<void> {
  const {head, engine, clock, tell, signal} = context
  const deadline = clock.now() + GONE_WITHIN_MS
  let pauseMs = 150
  let asked = false
  for (;;) {
    const job = await findJob(context, facts)
    if (job === null && (await isGone(context, facts))) return
    if (job && (!asked || job.phase !== 'deleting')) {
      const removal = await ask(head.run, engine.remove(job.id), {signal})
      if (removal.kind === 'denied') throw new JnodeError('not-yours', `Grid Engine does not let you delete job ${job.id}: ${removal.said}`, {hint: 'Show this to the cluster’s support.'})
      asked = removal.kind !== 'unknown'
    }
    if (clock.now() > deadline) {
      throw new JnodeError('rejected', `Job ${facts.jobId ?? facts.jobName} was deleted but is still there${job ? ` (state ${job.letters})` : ''}; its node may be down`, {
        hint: `Run \`jnode stop ${facts.name}\` again later, or ask the cluster’s support to force it.`,
      })
    }
    if (job) tell({kind: 'progress', text: `Waiting for job ${job.id} to end (state ${job.letters})`})
    await clock.sleep(pauseMs, signal)
    pauseMs = Math.min(2000, pauseMs * 1.5)
  }
}

/** A list may lack a job that lives. So `qstat -j` is asked as well before anything of it is removed. */
async function isGone({head, engine, signal}: RemovalContext, facts: JobOfSession): Promise<boolean> {
  if (facts.jobId === null) return true // it was looked for by its name, and there is no other way
  const exists = await ask(head.run, engine.exists(facts.jobId), {signal})
  if (exists !== 'unknown') return exists === 'no'
  throw new JnodeError('no-grid-engine', `Grid Engine on ${head.label} does not say whether job ${facts.jobId} is gone`, {hint: 'Nothing of it was removed. Try again in a minute.'})
}

/** Removes the session's directory; only after its job is gone, which writes there to its last moment. */
export async function removeFiles({head, signal}: RemovalContext, facts: Pick<SharedFacts, 'remoteDir' | 'id'>): Promise<void> {
  if (facts.remoteDir === '') return // a job that jnode did not start has none
  const removal = await ask(head.run, removeRemoteSession(facts), {signal})
  if (!removal.removed) {
    throw new JnodeError('remote-storage', `Could not remove ${facts.remoteDir} on ${head.label}: ${removal.why}`, {hint: 'Remove that directory by hand.'})
  }
}
