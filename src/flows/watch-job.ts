/**
 * One job, watched: `qstat` asked gently as the truth, the job's own record heard live so that each step is
 * noticed at once. Asking is not knowing: a silent scheduler is `unknown`, and a job counts as ended only when
 * a trustworthy list lacks it and a second witness agrees.
 */
import {askAll, ask} from '../ask.ts'
import {RECORD_BYTES, RECORD_LINES} from '../bounds.ts'
import {abortReason, JnodeError, messageOf} from '../errors.ts'
import {growingRecord, type JobRecord} from '../jupyter/record.ts'
import type {SessionFacts} from '../session/facts.ts'
import {followRecordScript, readRecordText} from '../session/remote-store.ts'
import type {GridEngine} from '../sge/client.ts'
import type {Job} from '../sge/qstat.ts'
import type {Remote} from '../ssh/remote.ts'
import type {Clock} from '../time.ts'
import type {Tell} from './events.ts'
import {foreignRecord} from './foreign.ts'
import {jobEnds} from './job-end.ts'
import {listOurJobs} from './our-jobs.ts'
import {pauses, type Pace} from './pace.ts'
import {explainer} from './why.ts'

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

/** The record is heard live for the first minutes of waiting, and from the moment the job runs. */
const FOLLOW_SECONDS = 180

export function watchJob(context: WatchContext, pace: Pace): JobWatch {
  const {head, engine, user, facts, clock, tell} = context
  const stopping = new AbortController()
  const signal = AbortSignal.any([context.signal, stopping.signal])
  const view: JobView = {job: null, record: foreignRecord(facts), waiting: null, silent: null}
  const recorded = growingRecord()
  let warned = false
  const waiters = new Set<() => void>()
  let failure: {error: unknown} | null = null
  let misses = 0
  const pause = pauses(pace, clock)
  const ends = jobEnds({...context, signal}, view)
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
  /** `news`: whether the record has become longer. */
  const heard = (news: boolean) => {
    if (recorded.full && !warned) {
      warned = true
      tell({kind: 'warning', text: `The record of ${facts.name} on the cluster has more than ${RECORD_BYTES / 1e6} MB or ${RECORD_LINES} lines; what the job writes from now on is not read`, hint: `See what writes to ${facts.remoteDir}/record there, and start the session again.`})
    }
    if (!news) return
    view.record = recorded.record
    const end = view.record?.end
    // Grid Engine ends a job in the same way when it moves it to another node: then the list knows more.
    if (end?.reason === 'deleted') nudge.abort()
    // Its own last word: the job need not be missed in the list as well.
    else if (end) ends.ended().then(fail, fail)
    changed()
  }

  /** While all is well, one list serves all sessions that share the connection, those that wait too. */
  async function asked() {
    const questions = [listOurJobs(engine, user, [facts]), readRecordText(facts.remoteDir)] as const
    if (!view.job || nudged || misses > 0 || view.record?.end) return askAll(head.run, questions, {signal})
    return Promise.all([ask(head.run, questions[0], {signal, freshMs: pause.freshMs()}), ask(head.run, questions[1], {signal})])
  }

  async function look(): Promise<void> {
    const [list, record] = await asked()
    if (!facts.foreign) heard(recorded.whole(record))
    if (list.kind === 'unknown') {
      view.silent = list.why
      tell({kind: 'progress', text: `Grid Engine gives no answer (${list.why}); asking again`})
      return changed()
    }
    view.silent = null
    const job = list.jobs.find((candidate) => candidate.id === facts.jobId && candidate.name === facts.jobName)
    if (!job) {
      const end = await ends.missing(++misses)
      return end === null ? undefined : fail(end)
    }
    misses = 0
    view.job = job
    // Put back into the queue to be started again: what it has told was of its former start.
    const again = job.letters.includes('R') && (job.phase === 'pending' || job.phase === 'held')
    if (!facts.foreign) view.record = again ? null : recorded.record
    if (job.phase === 'error') return fail(await ends.failedInQueue(job))
    if (view.record?.end && job.phase === 'deleting') return fail(await ends.ended())
    await explain(job)
    changed()
  }

  async function explain(job: Job): Promise<void> {
    const text = await explained(job)
    if (text !== null && text !== view.waiting) tell({kind: 'progress', text})
    view.waiting = text
  }

  async function poll(): Promise<void> {
    while (!signal.aborted) {
      try {
        await look()
      } catch (error) {
        if (error instanceof JnodeError && error.code !== 'connection-lost') throw error
        if (await linkDead(head)) throw error
        view.silent = messageOf(error)
        tell({kind: 'progress', text: `${view.silent}; asking again`})
      }
      const pauseMs = pause.after({restless: Boolean(view.record?.end) || misses > 0, silent: view.silent !== null})
      await clock.sleep(pauseMs, AbortSignal.any([signal, nudge.signal])).catch(() => {})
      nudged = nudge.signal.aborted
      if (nudged) nudge = new AbortController()
    }
  }

  async function hear(): Promise<void> {
    while (!signal.aborted && !recorded.full) {
      let lines = 0
      await head.follow(followRecordScript(facts.remoteDir, FOLLOW_SECONDS), (line) => heard(recorded.line(lines++, line)), signal)
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

  signal.addEventListener('abort', changed, {once: true})
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
