/** Grid Engine's commands as questions: one per thing a flow wants to know or to have done. */
import type {Ask} from '../ask.ts'
import {command, quote} from '../shell.ts'
import {parseJobDetails, readExistence, type JobDetails} from './job-details.ts'
import {readJobFiles, type JobFiles} from './job-files.ts'
import type {JobPhase} from './job-state.ts'
import {runLimit} from './limits.ts'
import {neverReason} from './never-runs.ts'
import {parseAccounting, type Accounting} from './qacct.ts'
import {readRemoval, type Removal} from './qdel.ts'
import {readJobList, type JobList} from './qstat.ts'
import {readSubmission, type Submission} from './qsub.ts'
import {folded, quoted} from './said.ts'
import type {Site} from './site.ts'
import {waitingReason} from './waiting.ts'

/** Why a job does not run: it waits, somebody must release it, or it never starts. */
export interface Why {
  kind: 'waiting' | 'held' | 'error'
  text: string
}

export interface GridEngine {
  /** All jobs of a user, in one call. */
  list(user: string): Ask<JobList>
  /** Checks with `qsub -w v` that the request can ever run, then submits it. `args` come from `qsubArguments`. */
  submit(args: readonly string[], scriptPath: string): Ask<Submission>
  /** Why a job in this phase does not run; null when Grid Engine does not say. Costs more than `list`: once a minute at most. */
  why(jobId: string, phase: JobPhase): Ask<Why | null>
  /** Whether Grid Engine knows the job, waiting or running. */
  exists(jobId: string): Ask<'yes' | 'no' | 'unknown'>
  /** Whose job it is and where it writes; null when Grid Engine does not know it. */
  files(jobId: string): Ask<JobFiles | null>
  /** For how many seconds the job may run, asked for or not; null where there is no limit, or none is told. */
  limit(jobId: string, queue: string | null): Ask<number | null>
  remove(jobId: string): Ask<Removal>
  /** The accounting record of an ended job called `name`; null while there is none. A job removed before it ran never has one. */
  account(jobId: string, name: string | null): Ask<Accounting | null>
}

export function gridEngine(site: Pick<Site, 'setup'>): GridEngine {
  // Messages are translated, and numbers written, after the locale.
  const prelude = `${site.setup}\nLC_ALL=C; export LC_ALL\n`
  return {
    // With -u, because old engines list everybody without; and without any -s, so that what is missing has ended.
    list: (user) => ({script: `${prelude}${command(['qstat', '-u', user, '-xml'])}`, read: readJobList}),
    submit: (args, scriptPath) => ({script: prelude + submitScript(args, scriptPath), read: (answer) => readVerifiedSubmission(args, answer)}),
    why: (jobId, phase) => ({script: prelude + whyScript(jobId, phase), read: ({stdout}) => readWhy(stdout, phase)}),
    exists: (jobId) => ({script: `${prelude}${command(['qstat', '-j', jobId])}`, read: (answer) => readExistence(jobId, answer)}),
    files: (jobId) => ({script: `${prelude}${command(['qstat', '-j', jobId])}`, read: ({stdout}) => readJobFiles(jobId, stdout)}),
    limit: (jobId, queue) => runLimit(prelude, jobId, queue),
    remove: (jobId) => ({script: `${prelude}${command(['qdel', jobId])}`, read: readRemoval}),
    account: (jobId, name) => ({script: prelude + accountScript(jobId), read: ({stdout}) => parseAccounting(stdout, name)}),
  }
}

const SUBMITTED = '@@jnode submitted'

/**
 * Only the verdict that no queue fits stops the submission: whatever else the check complains of, the submission itself
 * would too. The check leaves out load values (virtual_free, at many sites mem_free), calls a request for one unknown, and
 * for a parallel job does not even say so. So a bad verdict is looked into once more: if the same job with one slot asks
 * for an "unknown resource", the verdict without such requests counts, for what cannot run even so never will.
 */
function submitScript(args: readonly string[], scriptPath: string): string {
  const check = (options: readonly string[]) => `$(qsub -w v ${command([...options, scriptPath])} 2>&1)`
  const submission = `echo '${SUBMITTED}'\nqsub ${command([...args, scriptPath])}`
  // The user's own -w has its own say about the check.
  if (args.includes('-w')) return submission
  return `
said=${check(args)}
status=$?
case $said in *'no suitable queues'*)
  case ${check(without(args, '-pe', 2))} in *'unknown resource'*)
    said=${check(without(args, '-l', 1, /^(h_rt|hostname)=[^,]*$/))}
    status=$?;;
  esac;;
esac
[ $status -eq 0 ] || printf '%s\n' "$said"
case $said in *'no suitable queues'*) exit $status;; esac
${submission}`
}

/** The options without those called `name`, which take so many words, unless the first word fits `keep`. */
function without(args: readonly string[], name: string, words: number, keep?: RegExp): string[] {
  const at = args.findIndex((arg, i) => arg === name && !keep?.test(args[i + 1] ?? ''))
  return at < 0 ? [...args] : without([...args.slice(0, at), ...args.slice(at + 1 + words)], name, words, keep)
}

function readVerifiedSubmission(args: readonly string[], answer: {exitCode: number; stdout: string; stderr: string}): Submission {
  const [check = '', ...submitted] = answer.stdout.split(`${SUBMITTED}\n`)
  if (submitted.length > 0) {
    const submission = readSubmission({...answer, stdout: submitted.join('')})
    if (submission.kind !== 'submitted' || check.trim() === '') return submission
    return {...submission, warning: submission.warning ?? `Whether this job can ever run could not be checked: ${quoted(check)}`}
  }
  if (/no suitable queues/.test(check)) return {kind: 'rejected', code: 'never-runs', ...neverReason(check, args)}
  return {kind: 'uncertain', said: quoted(`${check}\n${answer.stderr}`)}
}

/** Where the scheduler keeps no notes for `qstat -j` (`schedd_job_info`, Univa's `-rdi`), qalter asks it anew; both change nothing. */
function whyScript(jobId: string, phase: JobPhase): string {
  const details = `details=$(${command(['qstat', '-j', jobId])} 2>&1); printf '%s\\n' "$details"`
  if (phase !== 'pending') return details
  return `${details}
case $details in *'job information is turned off'*|*'info:            -'*) ${command(['qalter', '-w', 'p', jobId])} 2>&1;; esac`
}

function readWhy(text: string, phase: JobPhase): Why | null {
  const details = parseJobDetails(text)
  if (details.values('job_number').length === 0) return null
  if (phase === 'error') return {kind: 'error', text: errorReason(details)}
  if (phase === 'held') return {kind: 'held', text: holdReason(details)}
  // The scheduler's notes about a job that has started since are stale.
  if (phase !== 'pending') return null
  const waiting = waitingReason(text, slotsAsked(details))
  return waiting === null ? null : {kind: 'waiting', text: waiting}
}

/** `11/20/2026 23:28:43 [1000:123]: error: can't open output file ...`: the time is the qmaster's, the numbers are its own. */
function errorReason(details: JobDetails): string {
  const reasons = details.values('error reason').map((line) => folded(line.replace(/^.*?\[\d+:\d+\]:\s*(error:\s*)?/, '')))
  return reasons.length > 0 ? `Grid Engine could not start the job: ${[...new Set(reasons)].join('; ')}` : 'Grid Engine could not start the job and does not say why'
}

function holdReason(details: JobDetails): string {
  const before = details.values('jid_predecessor_list')
  if (before.length > 0) return `Held until job ${before.join(', ')} has ended`
  return 'Held by hand; "qrls" releases it if the hold is your own'
}

/** `smp range: 4`. */
function slotsAsked(details: JobDetails): string {
  return /range:\s*(\S+)/.exec(details.values('parallel environment')[0] ?? '')?.[1] ?? '1'
}

/** qacct reads the whole accounting file, which takes minutes at some sites; without a limit nothing else could be asked meanwhile. */
function accountScript(jobId: string): string {
  return `limit=; if command -v timeout >/dev/null 2>&1; then limit='timeout 15'; fi; $limit qacct -j ${quote(jobId)}`
}
