/**
 * When a job that is missing from the list counts as ended, and how it ended. One list may be wrong, so a second witness is
 * wanted: the job's own last word, the accounting, or `qstat -j`.
 */
import {ask} from '../ask.ts'
import {JnodeError} from '../errors.ts'
import {isRestart, type Accounting} from '../sge/qacct.ts'
import type {Job} from '../sge/qstat.ts'
import {howItEnded, needsAccounting} from './how-it-ended.ts'
import {endOfLog, withLog} from './log-tail.ts'
import type {JobView, WatchContext} from './watch-job.ts'
import {whyNot} from './why.ts'

const CERTAIN_MISSES = 3
const WITNESS_AGAIN_MS = 60_000
/** The accounting lags behind by as much, and is worth a short wait when nothing else tells how a job ended. */
const ACCOUNTING_MS = 20_000
const ACCOUNTING_AGAIN_MS = 3000

/** Grid Engine could not start the job and keeps it in its error state (`Eqw`) until somebody clears that. */
export class JobInError extends JnodeError {
  readonly jobId: string

  constructor({id}: Job, why: string | null) {
    super('job-failed', `Job ${id} cannot start. ${why ?? 'Grid Engine put it into its error state and gives no reason'}`, {
      hint: 'Mend that and start again; show it to the cluster’s support if it is not yours to mend.',
    })
    this.jobId = id
  }
}

export interface JobEnds {
  /** After so many lists in a row without the job: its end as an error, once a second witness agrees; else null. */
  missing(misses: number): Promise<JnodeError | null>
  /** How the job ended, as an error: `job-failed` where it says itself that it was never ready, else `job-ended`. */
  ended(known?: Accounting | null): Promise<JnodeError>
  /** Of a job that Grid Engine has put into its error state. */
  failedInQueue(job: Job): Promise<JnodeError>
}

/** `view` is what is known of the job at any time. */
export function jobEnds({head, engine, facts, clock, tell, signal}: WatchContext, view: Readonly<JobView>): JobEnds {
  let nextWitnessAt = 0
  const account = () => ask(head.run, engine.account(facts.jobId!, facts.jobName), {signal})

  async function missing(misses: number): Promise<JnodeError | null> {
    if (misses < 2) return null
    if (view.record?.end) return ended()
    const accounting = await account()
    if (accounting !== null && !isRestart(accounting)) return ended(accounting)
    // It is dear, and knows a job for some seconds longer than the list.
    if (misses < CERTAIN_MISSES || clock.now() < nextWitnessAt) return null
    nextWitnessAt = clock.now() + WITNESS_AGAIN_MS
    return (await ask(head.run, engine.exists(facts.jobId!), {signal})) === 'no' ? ended() : null
  }

  async function ended(known: Accounting | null = null): Promise<JnodeError> {
    const log = await endOfLog(head, facts, {signal})
    const accounting = known ?? (needsAccounting(view.record, facts) ? await accountingSoon() : null)
    const {text, hint} = howItEnded({record: view.record, accounting, log, deleting: view.job?.phase === 'deleting'}, facts)
    // Only its own word tells that it never got ready.
    const failed = view.record?.end != null && !view.record.listening
    return new JnodeError(failed ? 'job-failed' : 'job-ended', withLog(`Job ${facts.jobId} ended: ${text}`, log), hint === undefined ? {} : {hint})
  }

  async function accountingSoon(): Promise<Accounting | null> {
    // Nothing more is to be learnt of one that somebody deletes, and one that never ran is in no accounting.
    const patient = view.record !== null && view.job?.phase !== 'deleting'
    const deadline = clock.now() + (patient ? ACCOUNTING_MS : 0)
    for (;;) {
      const accounting = await account()
      if (accounting !== null || clock.now() >= deadline) return accounting
      tell({kind: 'progress', text: `Job ${facts.jobId} has ended; waiting for Grid Engine to say how`})
      await clock.sleep(ACCOUNTING_AGAIN_MS, signal)
    }
  }

  async function failedInQueue(job: Job): Promise<JnodeError> {
    const why = await whyNot(job, {head, engine, signal})
    return new JobInError(job, why?.text ?? null)
  }

  return {missing, ended, failedInQueue}
}
