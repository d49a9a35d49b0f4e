/** Grid Engine's commands as questions: one per thing a flow wants to know or to have done. */
import type {Ask} from '../ask.ts'
import {LONG_ANSWER_BYTES} from '../bounds.ts'
import {command, quote} from '../shell.ts'
import {counted} from './calls.ts'
import {readExistence} from './job-details.ts'
import {readJobFiles, type JobFiles} from './job-files.ts'
import {jobListScript, sieved, type WantedJobs} from './job-sieve.ts'
import type {JobPhase} from './job-state.ts'
import {runLimit} from './limits.ts'
import {neverReason, type Never} from './never-runs.ts'
import {parseAccounting, type Accounting} from './qacct.ts'
import {isSilent, largestHost} from './queue-instances.ts'
import {readRemoval, type Removal} from './qdel.ts'
import {readJobList, type Job, type JobList} from './qstat.ts'
import {readSubmission, type Submission} from './qsub.ts'
import {readRefusal} from './refusal.ts'
import {quoted} from './said.ts'
import type {Site} from './site.ts'
import {couldStart, type SoonerRequest} from './sooner.ts'
import {whyAsk, type Why, type WhyOptions} from './why.ts'

export interface GridEngine {
  /** Those of a user's jobs that are wanted, in one call. What is not in it, in a list that is known, is not there. */
  list(user: string, wanted: WantedJobs): Ask<JobList>
  /** Checks with `qsub -w v` that the request can ever run, then submits it. `args` come from `qsubArguments`. */
  submit(args: readonly string[], scriptPath: string): Ask<Submission>
  /** Whether the request can ever run, by the same check. Submits nothing. */
  check(args: readonly string[]): Ask<Verdict>
  /** Why a job in this phase does not run; null when Grid Engine does not say. Costs more than `list`: once a minute at most. */
  why(jobId: string, phase: JobPhase, options?: WhyOptions): Ask<Why | null>
  /** Whether a smaller request would start at once. */
  couldStart(request: SoonerRequest): Ask<boolean>
  /** Whether Grid Engine has not heard for some time from the node on which this job runs. */
  isNodeSilent(job: Pick<Job, 'queue' | 'node'>): Ask<boolean>
  /** Whether Grid Engine knows the job, waiting or running. */
  exists(jobId: string): Ask<'yes' | 'no' | 'unknown'>
  /** Whose job it is and where it writes; null when Grid Engine does not know it. */
  files(jobId: string): Ask<JobFiles | null>
  /** For how many seconds the job may run, asked for or not; null where there is no limit, or none is told. */
  limit(jobId: string, queue: string | null): Ask<number | null>
  remove(jobId: string): Ask<Removal>
  /** Takes the job out of its error state, so that it is tried again; null when that is done, else why not. Its user may. */
  clearError(jobId: string): Ask<string | null>
  /** The accounting record of an ended job called `name`; null while there is none. A job removed before it ran never has one. */
  account(jobId: string, name: string | null): Ask<Accounting | null>
  /** How often each program has been called, as far as the answers have been read. */
  readonly calls: ReadonlyMap<string, number>
}

/** `unknown`: the check itself failed, which says nothing about the request. */
export type Verdict = {kind: 'runs'} | ({kind: 'refused' | 'unknown'} & Never)

export function gridEngine(site: Pick<Site, 'setup'>): GridEngine {
  // Messages are translated, and numbers written, after the locale.
  const prelude = `${site.setup}\nLC_ALL=C; export LC_ALL\n`
  const calls = new Map<string, number>()
  const asking = <T>(question: Ask<T>) => counted({...question, script: prelude + question.script}, calls)
  return {
    list: (user, wanted) => asking({script: jobListScript(user, wanted), maxBytes: LONG_ANSWER_BYTES, read: (answer) => readJobList(sieved(answer))}),
    submit: (args, scriptPath) => asking({script: submitScript(args, scriptPath), read: (answer) => readVerifiedSubmission(args, answer)}),
    // The job's script is not there yet: one is read from stdin.
    check: (args) => asking({script: args.includes('-w') ? '' : checkScript(args, []), read: ({stdout}) => readVerdict(args, stdout)}),
    why: (jobId, phase, options) => asking(whyAsk(jobId, phase, options)),
    couldStart: (request) => asking(couldStart(request)),
    isNodeSilent: ({queue, node}) => asking(isSilent(`${queue}@${node}`)),
    exists: (jobId) => asking({script: details(jobId), read: (answer) => readExistence(jobId, answer)}),
    files: (jobId) => asking({script: details(jobId), read: ({stdout}) => readJobFiles(jobId, stdout)}),
    limit: (jobId, queue) => asking(runLimit(jobId, queue)),
    remove: (jobId) => asking({script: `ge ${command(['qdel', jobId])}`, read: readRemoval}),
    // 8.1.9 ends with 1 all the same.
    clearError: (jobId) => asking({script: `ge ${command(['qmod', '-cj', jobId])} 2>&1`, read: ({stdout}) => (/cleared error state/i.test(stdout) ? null : quoted(stdout))}),
    account: (jobId, name) => asking({script: accountScript(jobId), read: ({stdout}) => parseAccounting(stdout, name)}),
    calls,
  }
}

function details(jobId: string): string {
  return `ge ${command(['qstat', '-j', jobId])}`
}

const SUBMITTED = '@@jnode submitted'

/**
 * Only the verdict that no queue fits stops the submission: whatever else the check complains of, the submission itself
 * would too. The check leaves out load values (virtual_free, at many sites mem_free), calls a request for one unknown, and
 * for a parallel job does not even say so. So a bad verdict is looked into once more: if the same job with one slot asks
 * for an "unknown resource", the verdict without such requests counts, for what cannot run even so never will.
 */
function submitScript(args: readonly string[], scriptPath: string): string {
  const submission = `echo '${SUBMITTED}'\nge qsub ${command([...args, scriptPath])}`
  // The user's own -w has its own say about the check.
  return args.includes('-w') ? submission : `${checkScript(args, [scriptPath])}\n${submission}`
}

/** Ends the script when no queue can ever run the request; prints what the check complained of. */
function checkScript(args: readonly string[], program: readonly string[]): string {
  const check = (options: readonly string[]) => `$(echo : | ge qsub -w v ${command([...options, ...program])} 2>&1)`
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
case $said in *'no suitable queues'*)${args.includes('-pe') ? `\n${largestHost(args[args.indexOf('-pe') + 1]!)}` : ''}
  exit $status;;
esac`
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
  const never = readCheck(args, check)
  if (never) return {kind: 'rejected', code: 'never-runs', ...never}
  return {kind: 'uncertain', said: quoted(`${check}\n${answer.stderr}`)}
}

function readCheck(args: readonly string[], said: string): Never | null {
  return /no suitable queues/.test(said) ? neverReason(said, args) : null
}

/** The submission itself would be refused with the same words; nothing is submitted here, so they are told at once. */
function readVerdict(args: readonly string[], said: string): Verdict {
  if (said.trim() === '') return {kind: 'runs'}
  const never = readCheck(args, said)
  if (never) return {kind: 'refused', ...never}
  const refusal = readRefusal(said)
  if (refusal !== 'maybe-submitted' && refusal.code !== 'no-grid-engine') return {kind: 'refused', message: refusal.message, hint: refusal.hint}
  return {kind: 'unknown', message: `Whether this request can ever run could not be checked: ${quoted(said)}`, hint: 'Try again in a minute.'}
}

/** qacct reads the whole accounting file, which takes minutes at some sites; without a limit nothing else could be asked meanwhile. */
function accountScript(jobId: string): string {
  return `limit=; if command -v timeout >/dev/null 2>&1; then limit='timeout 15'; fi; called qacct; $limit qacct -j ${quote(jobId)}`
}
