/** How a job ended, in one sentence: from its own last word, else from Grid Engine's accounting. */
import {failureIn} from '../jupyter/log-failures.ts'
import {endMessage, type JobRecord} from '../jupyter/record.ts'
import type {SharedFacts} from '../session/facts.ts'
import {endingOf, reachedLimit} from '../sge/ending.ts'
import type {Accounting} from '../sge/qacct.ts'

export interface Ending {
  text: string
  hint?: string
}

/** Comes from a person, or from the kernel of a node without memory: nothing tells which. */
const SIGKILLED = 137

type Limits = Pick<SharedFacts, 'jobId' | 'runSeconds' | 'memoryBytes'>

/** Whether only the accounting can tell: the job left no word, or no more than that Grid Engine ended it. */
export function needsAccounting(record: JobRecord | null, facts: Limits): boolean {
  const end = record?.end ?? null
  return end === null || (end.reason === 'deleted' && !reachedLimit(ranSeconds(record), facts.runSeconds))
}

export interface Witnesses {
  record: JobRecord | null
  accounting: Accounting | null
  /** Last lines of the job's log. */
  log: readonly string[]
  /** Whether it was last seen while somebody's `qdel` was carried out. */
  deleting: boolean
}

export function howItEnded({record, accounting, log, deleting}: Witnesses, facts: Limits): Ending {
  const end = record?.end ?? null
  const known = accounting === null ? null : endingOf(accounting, facts)
  if (end === null) return {text: known ?? (deleting ? 'it was deleted' : 'it left no word; it was deleted, or its node died'), hint: `\`qacct -j ${facts.jobId}\` on the head node tells more; where a limit ended it, ask for more with --mem or --time.`}
  if (end.reason === 'jupyter-exited' && failureIn(log)?.reason === 'memory') return {text: 'Jupyter ran out of memory', hint: 'Ask for more with --mem.'}
  if (end.reason === 'jupyter-exited' && end.code === SIGKILLED) return {text: 'Jupyter was killed by SIGKILL: most often because its node ran out of memory', hint: 'If so, ask for more with --mem.'}
  if (end.reason !== 'deleted') return endMessage(end)
  const limit = reachedLimit(ranSeconds(record), facts.runSeconds ?? accounting?.runSeconds ?? null)
  if (limit !== null) return {text: limit, hint: 'Ask for more with --time.'}
  if (accounting !== null && (accounting.deletedBy !== null || accounting.failed === 37)) return {text: known!}
  return {text: deleting || accounting !== null ? 'it was deleted' : endMessage(end).text}
}

/** By the node's own clock, which is the only one that saw both. */
function ranSeconds(record: JobRecord | null): number | null {
  if (!record?.startedAt || !record.endedAt) return null
  return (record.endedAt - record.startedAt) / 1000
}
