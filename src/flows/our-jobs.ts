/** The list of jobs in which sessions are looked for. */
import type {Ask} from '../ask.ts'
import type {SharedFacts} from '../session/facts.ts'
import {JOB_PREFIX} from '../session/remote-store.ts'
import type {GridEngine} from '../sge/client.ts'
import type {JobList} from '../sge/qstat.ts'

/**
 * All jobs that bear a session's name, and those of `sessions` that do not: jobs that jnode did not start. Asked in the same words
 * by all sessions of a cluster, so that one answer serves them.
 */
export function listOurJobs(engine: GridEngine, user: string, sessions: readonly Pick<SharedFacts, 'jobId' | 'jobName'>[] = []): Ask<JobList> {
  const others = sessions.filter(({jobName}) => !jobName.startsWith(JOB_PREFIX)).flatMap(({jobId}) => jobId ?? [])
  return engine.list(user, {prefix: JOB_PREFIX, ids: others})
}
