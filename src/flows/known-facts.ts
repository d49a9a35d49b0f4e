/** A session's facts from the three who know of it: its directory on the cluster, this computer, and the job's own record. */
import type {ClusterTarget} from '../config/cluster.ts'
import {parseRecord, type JobRecord} from '../jupyter/record.ts'
import type {SessionFacts} from '../session/facts.ts'
import type {RemoteSession} from '../session/remote-store.ts'

/**
 * The cluster's copy is the truth. But this computer keeps a port of its own, whichever another one used last; and where
 * the starting computer crashed, only its file or the job itself tells the job's number.
 */
export function knownFacts({facts, token, record}: RemoteSession, cluster: ClusterTarget, mine: SessionFacts | null | undefined): SessionFacts {
  const own = mine?.id === facts.id ? mine : null
  const job = parseRecord(record)
  const startedAt = job?.startedAt ? new Date(job.startedAt).toISOString() : null
  const known = facts.startedAt ?? own?.startedAt ?? null
  return {
    ...facts,
    cluster: cluster.name,
    hops: cluster.hops,
    token,
    jobId: facts.jobId ?? own?.jobId ?? job?.jobId ?? null,
    startedAt: known === null || startsLater(job, known) ? startedAt : known,
    gpus: job?.gpus ?? facts.gpus,
    localPort: own?.localPort ?? facts.localPort,
    headAddress: own?.headAddress,
  }
}

/** Whether the job was started again since. The clocks of a node and of this computer differ, but not by so much. */
function startsLater(job: JobRecord | null, known: string): boolean {
  return job?.startedAt != null && job.startedAt > Date.parse(known) + 120_000
}
