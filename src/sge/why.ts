/** Why a job does not run: one question to Grid Engine, and its answer in words. */
import type {Ask} from '../ask.ts'
import {command, quote} from '../shell.ts'
import {parseJobDetails, type JobDetails} from './job-details.ts'
import type {JobPhase} from './job-state.ts'
import {lookAround, parsePlace, parseQueueInstances, type Place} from './queue-instances.ts'
import {folded} from './said.ts'
import {soonerRequest, type SoonerRequest} from './sooner.ts'
import {waitingReason} from './waiting.ts'

export interface Why {
  /** It waits, somebody must release it, or it never starts. */
  kind: 'waiting' | 'held' | 'error'
  text: string
  /** A smaller request that might start at once: `couldStart` proves it. */
  sooner: SoonerRequest | null
  /** The whole cluster was slow to look at: ask for less next time. */
  slow: boolean
}

export interface WhyOptions {
  /** Only the job itself is asked about: no place in the queue, no nodes that are free. */
  brief?: boolean
}

/** Null when Grid Engine does not say. Costs up to four calls. */
export function whyAsk(jobId: string, phase: JobPhase, {brief = false}: WhyOptions = {}): Ask<Why | null> {
  const details = `details=$(ge ${command(['qstat', '-j', jobId])} 2>&1); printf '%s\\n' "$details"`
  const parts: Partial<Record<JobPhase, string>> = {held: holds(jobId), pending: `${schedulerAsked(jobId)}\n${brief ? '' : lookAround(jobId)}`}
  return {script: `${details}\n${parts[phase] ?? ''}`, read: ({stdout}) => readWhy(stdout, phase)}
}

/** Where the scheduler keeps no notes for `qstat -j` (`schedd_job_info`, Univa's `-rdi`), qalter asks it anew; both change nothing. */
function schedulerAsked(jobId: string): string {
  return `case $details in *'job information is turned off'*|*'info:            -'*) ge ${command(['qalter', '-w', 'p', jobId])} 2>&1;; esac`
}

const HOLD = '@@jnode hold'

/** `qstat -j` does not tell whose a hold is; the list filtered by holds does. A job that waits for others names them itself. */
function holds(jobId: string): string {
  return `case $details in *jid_predecessor_list:*) ;; *)
  for kind in u o s; do
    ge qstat -u "$(id -un)" -s h$kind 2>/dev/null | while read -r id rest; do [ "$id" != ${quote(jobId)} ] || echo "${HOLD} $kind"; done
  done;;
esac`
}

function readWhy(text: string, phase: JobPhase): Why | null {
  const details = parseJobDetails(text)
  if (details.values('job_number').length === 0) return null
  const plain = {sooner: null, slow: false}
  if (phase === 'error') return {kind: 'error', text: errorReason(details), ...plain}
  if (phase === 'held') return {kind: 'held', text: holdReason(text, details), ...plain}
  // The scheduler's notes about a job that has started since are stale.
  if (phase !== 'pending') return null
  const instances = parseQueueInstances(text)
  const reason = waitingReason(text, {slots: slotsAsked(details), instances})
  if (reason === null) return null
  const place = parsePlace(text)
  return {kind: 'waiting', text: [reason, placeText(place)].filter(Boolean).join('; '), sooner: soonerRequest(details, instances), slow: (place?.seconds ?? 0) >= SLOW_SECONDS}
}

const SLOW_SECONDS = 2

function placeText(place: Place | null): string {
  if (place === null || place.at < 1 || place.of < 2) return ''
  const {at, of} = place
  return at === 1 ? `it is the first of ${of} jobs that wait` : `it is number ${at} of ${of} jobs that wait`
}

/** `11/20/2026 23:28:43 [1000:123]: error: can't open output file ...`: the time is the qmaster's, the numbers are its own. */
function errorReason(details: JobDetails): string {
  const reasons = details.values('error reason').map((line) => folded(line.replace(/^.*?\[\d+:\d+\]:\s*(error:\s*)?/, '').replace(/\s(KRB5CCNAME=|uid=\d).*$/, '')))
  return reasons.length > 0 ? `Grid Engine could not start the job: ${[...new Set(reasons)].join('; ')}` : 'Grid Engine could not start the job and does not say why'
}

const HOLDERS: Record<string, string> = {
  u: 'Held by hand: `qrls` on the head node releases it',
  o: 'Held by an operator of the cluster, who must release it',
  s: 'Held by an administrator of the cluster, who must release it',
}

function holdReason(text: string, details: JobDetails): string {
  const before = details.values('jid_predecessor_list')
  if (before.length > 0) return `Held until job ${before.join(', ')} has ended`
  const kinds = [...text.matchAll(new RegExp(`^${HOLD} ([uos])$`, 'gm'))].map(([, kind]) => HOLDERS[kind!]!)
  return kinds.join('; ') || 'Held by hand; `qrls` releases it if the hold is your own'
}

/** `smp range: 4`. */
function slotsAsked(details: JobDetails): string {
  return /range:\s*(\S+)/.exec(details.values('parallel environment')[0] ?? '')?.[1] ?? '1'
}
