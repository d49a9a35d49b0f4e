/**
 * One job, watched: `qstat` asked gently as the truth, the job's own record heard live so that each step is
 * noticed at once. Asking is not knowing: a silent scheduler is `unknown`, and a job counts as ended only when
 * a trustworthy list lacks it and a second witness agrees.
 */
import {askAll, ask} from '../ask.ts'
import {abortReason, JnodeError, messageOf} from '../errors.ts'
import {parseRecord, type JobRecord} from '../jupyter/record.ts'
import type {SessionFacts} from '../session/facts.ts'
import {followRecordScript, readRecordText} from '../session/remote-store.ts'
import type {GridEngine} from '../sge/client.ts'
import {isRestart, type Accounting} from '../sge/qacct.ts'
import type {Job} from '../sge/qstat.ts'
import type {Remote} from '../ssh/remote.ts'
import type {Clock} from '../time.ts'
import type {Tell} from './events.ts'
import {foreignRecord} from './foreign.ts'
import {howItEnded, needsAccounting} from './how-it-ended.ts'
import {endOfLog, withLog} from './log-tail.ts'
import {listOurJobs} from './our-jobs.ts'
import {explainer, whyNot} from './why.ts'

export interface JobView {
  /** As Grid Engine last told; null before that, and while it is silent. */
  job: Job | null
  /** Of the run that goes on; null while the job waits to be started again. */
  record: JobRecord | null
  /** Why it waits, in one sentence. */
  waiting: string | null
  /** Why Grid Engine could not be asked, when it could not. */
  silent: string | null
}

export interface JobWatch {
  readonly view: Readonly<JobView>
  /** The first answer of `pick` that is not null; rejects when the job ends, the link dies or the signal aborts. */
  until<T>(pick: (view: Readonly<JobView>) => T | null): Promise<T>
  /** Looks now rather than at the next turn. */
  nudge(): void
  stop(): void
}

export interface WatchContext {
  head: Remote
  engine: GridEngine
  user: string
  facts: SessionFacts
  clock: Clock
  tell: Tell
  signal: AbortSignal
}

export interface Pace {
  firstMs: number
  /** The interval grows to this. */
  lastMs: number
  /** And to this after ten minutes. */
  lateMs: number
  /** Whether to hear the record live as well. */
  follow: boolean
  /** A list of jobs that another session has got within so many milliseconds will do, as long as nothing looks wrong. */
  freshMs?: number
}

/** While somebody waits: 2 s at first, 15 s later. */
export const EAGER: Pace = {firstMs: 2000, lastMs: 15_000, lateMs: 30_000, follow: true}
/** While all is well and only the end is of interest. */
export const GENTLE: Pace = {firstMs: 30_000, lastMs: 60_000, lateMs: 60_000, follow: false, freshMs: 25_000}

const GROWTH = 1.25
/** A Grid Engine that gives no answer is asked less and less, down to this. */
const SILENT_MS = 30_000
const LATE_AFTER_MS = 600_000
/** While a job is on its way from one state to another, but not for ever: an epilog may take its time. */
const RESTLESS_MS = 1500
const RESTLESS_LOOKS = 10
const CERTAIN_MISSES = 3
const WITNESS_AGAIN_MS = 60_000
/** The accounting lags behind by as much, and is worth a short wait when nothing else tells how a job ended. */
const ACCOUNTING_MS = 20_000
/** The record is heard live for the first minutes of waiting, and from the moment the job runs. */
const FOLLOW_SECONDS = 180

export function watchJob(context: WatchContext, pace: Pace): JobWatch {
  const {head, engine, user, facts, clock, tell} = context
  const stopping = new AbortController()
  const signal = AbortSignal.any([context.signal, stopping.signal])
  const view: JobView = {job: null, record: foreignRecord(facts), waiting: null, silent: null}
  let recordText = ''
  const waiters = new Set<() => void>()
  let failure: {error: unknown} | null = null
  let misses = 0
  let nextWitnessAt = 0
  const began = clock.now()
  const explained = explainer({head, engine, clock, signal})
  let nudge = new AbortController()
  /** The present look was asked for: something may have happened. */
  let nudged = false

  const changed = () => {
    for (const wake of [...waiters]) wake()
  }
  const fail = (error: unknown) => {
    failure ??= {error}
    stopping.abort()
    changed()
  }
  /** The record only grows, so of two readings the longer one is the newer. */
  const heard = (text: string) => {
    if (text.length <= recordText.length) return
    recordText = text
    view.record = parseRecord(text)
    const end = view.record?.end
    // Grid Engine ends a job in the same way when it moves it to another node: then the list knows more.
    if (end?.reason === 'deleted') nudge.abort()
    // Its own last word: the job need not be missed in the list as well.
    else if (end) ended().then(fail, fail)
    changed()
  }

  /** While all is well, one list serves all sessions that share the connection. */
  async function asked() {
    const questions = [listOurJobs(engine, user, [facts]), readRecordText(facts.remoteDir)] as const
    if (pace.freshMs === undefined || nudged || misses > 0 || view.record?.end) return askAll(head.run, questions, {signal})
    return Promise.all([ask(head.run, questions[0], {signal, freshMs: pace.freshMs}), ask(head.run, questions[1], {signal})])
  }

  async function look(): Promise<void> {
    const [list, record] = await asked()
    if (!facts.foreign) heard(record)
    if (list.kind === 'unknown') {
      view.silent = list.why
      tell({kind: 'progress', text: `Grid Engine gives no answer (${list.why}); asking again`})
      return changed()
    }
    view.silent = null
    const job = list.jobs.find((candidate) => candidate.id === facts.jobId && candidate.name === facts.jobName)
    if (!job) {
      misses++
      return missing()
    }
    misses = 0
    view.job = job
    // Put back into the queue to be started again: what it has told was of its former start.
    const again = job.letters.includes('R') && (job.phase === 'pending' || job.phase === 'held')
    if (!facts.foreign) view.record = again ? null : parseRecord(recordText)
    if (job.phase === 'error') return fail(await failedInQueue(job))
    if (view.record?.end && job.phase === 'deleting') return fail(await ended())
    await explain(job)
    changed()
  }

  /**
   * One list may be wrong, so a second witness is wanted: the job's own last word, the accounting, or `qstat -j`, which is dear
   * and knows a job for some seconds longer than the list.
   */
  async function missing(): Promise<void> {
    if (misses < 2) return
    if (view.record?.end) return fail(await ended())
    const accounting = await ask(head.run, engine.account(facts.jobId!, facts.jobName), {signal})
    if (accounting !== null && !isRestart(accounting)) return fail(await ended(accounting))
    if (misses < CERTAIN_MISSES || clock.now() < nextWitnessAt) return
    nextWitnessAt = clock.now() + WITNESS_AGAIN_MS
    if ((await ask(head.run, engine.exists(facts.jobId!), {signal})) === 'no') fail(await ended())
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
      const accounting = await ask(head.run, engine.account(facts.jobId!, facts.jobName), {signal})
      if (accounting !== null || clock.now() >= deadline) return accounting
      tell({kind: 'progress', text: `Job ${facts.jobId} has ended; waiting for Grid Engine to say how`})
      await clock.sleep(3000, signal)
    }
  }

  async function failedInQueue(job: Job): Promise<JnodeError> {
    const why = await whyNot(job, {head, engine, signal})
    return new JnodeError('job-failed', `Job ${job.id} cannot start. ${why?.text ?? 'Grid Engine put it into its error state and gives no reason'}`, {
      hint: 'Mend that and start again; show it to the cluster’s support if it is not yours to mend.',
    })
  }

  async function explain(job: Job): Promise<void> {
    const text = await explained(job)
    if (text !== null && text !== view.waiting) tell({kind: 'progress', text})
    view.waiting = text
  }

  async function poll(): Promise<void> {
    let interval = pace.firstMs
    let restless = 0
    while (!signal.aborted) {
      try {
        await look()
      } catch (error) {
        if (error instanceof JnodeError && error.code !== 'connection-lost') throw error
        if (await linkDead(head)) throw error
        view.silent = messageOf(error)
        tell({kind: 'progress', text: `${view.silent}; asking again`})
      }
      restless = view.record?.end || misses > 0 ? restless + 1 : 0
      // Jitter keeps the polls of many users from falling into step.
      const pause = restless > 0 && restless <= RESTLESS_LOOKS ? RESTLESS_MS : interval * (0.9 + 0.2 * Math.random())
      await clock.sleep(pause, AbortSignal.any([signal, nudge.signal])).catch(() => {})
      nudged = nudge.signal.aborted
      if (nudged) nudge = new AbortController()
      const last = clock.now() - began > LATE_AFTER_MS ? pace.lateMs : pace.lastMs
      interval = Math.min(view.silent === null ? last : Math.max(last, SILENT_MS), interval * GROWTH)
    }
  }

  async function hear(): Promise<void> {
    while (!signal.aborted) {
      let text = ''
      await head.follow(followRecordScript(facts.remoteDir, FOLLOW_SECONDS), (line) => heard((text += `${line}\n`)), signal)
      // The queue may be long: from here on, hear only once the job runs.
      await until((now) => (now.job && now.job.phase !== 'pending' && now.job.phase !== 'held' ? true : null))
      // Where the record is gone, hearing ends at once each time.
      await clock.sleep(1000, signal)
    }
  }

  function until<T>(pick: (now: Readonly<JobView>) => T | null): Promise<T> {
    return new Promise((resolve, reject) => {
      const wake = () => {
        const picked = pick(view)
        if (picked === null && !failure && !signal.aborted) return
        waiters.delete(wake)
        if (picked !== null) resolve(picked)
        else reject(failure ? failure.error : abortReason(signal))
      }
      waiters.add(wake)
      wake()
    })
  }

  signal.addEventListener('abort', changed)
  poll().catch(fail)
  void head.closed.then((why) => fail(new JnodeError('connection-lost', `The connection to ${head.label} was lost: ${why}`)))
  if (pace.follow && !facts.foreign) hear().catch(() => {}) // only quicker than polling, never the judge
  return {
    view,
    until,
    nudge: () => nudge.abort(),
    stop: () => stopping.abort(new JnodeError('interrupted', 'No longer watched')),
  }
}

/** Whether the link has died, as opposed to one call having failed. A turn of the event loop lets the news arrive. */
async function linkDead(head: Remote): Promise<boolean> {
  return Promise.race([head.closed.then(() => true), new Promise<boolean>((resolve) => setImmediate(resolve, false))])
}
