/** Why qsub refused a job, in Grid Engine's own words, and what of the request is at fault. */
import type {ErrorCode} from '../errors.ts'
import {oneLine} from '../printable.ts'
import {folded} from './said.ts'

export interface Refusal {
  code: ErrorCode
  message: string
  hint: string
}

/** The request was taken and the answer lost on the way: a job may stand in the list. */
const MAYBE_SUBMITTED = /failed receiving gdi request|syncron message receive timeout|error reading answer list/i

/** Nothing was submitted, and not for anything the user asked for. */
const CANNOT_ASK: readonly (readonly [RegExp, string])[] = [
  [/access denied \(client ip resolved/i, 'The name of the head node does not fit its address: tell its administrators.'],
  [/environment variable sge_root|cell directory|error without diagnosis/i, 'Say how Grid Engine is set up with sge_setup in the cluster\'s section of config.toml, e.g. ". /opt/sge/default/common/settings.sh".'],
  [/commlib error|select error|unable to (send message to|contact) qmaster|can't (connect to service|resolve host name)|no route to host/i, 'Grid Engine itself is down or out of reach: try again later, or tell the administrators.'],
]

/** Texts of the engines and of sites' submission scripts, and the flag they are about. The first match wins. */
const HINTS: readonly (readonly [RegExp, string])[] = [
  [/no suitable queues/i, 'Ask for less, or leave out --queue and --node.'],
  [/parallel environment "[^"]*" does not exist/i, 'Name one that exists with --pe; "qconf -spl" lists them.'],
  [/unknown queue|no cluster queue or queue instance matches/i, 'Name one that exists with --queue, or leave it out; "qconf -sql" lists them.'],
  [/project/i, 'Name a project that you may use with --project, or leave it out.'],
  [/can't resolve hostname|unknown host/i, 'Name a node that exists with --node; "qhost" lists them.'],
  [/unknown resource|not a complex attribute|non[- ]requestable|"[^"]*" is not a (memory|time) value/i,
    'Name the site\'s resources for memory and GPUs with memory and gpu in the cluster\'s section of config.toml, or correct --sge-arg; "qconf -sc" lists them.'],
  [/objectname|valid object name/i, 'Leave slashes, colons, blanks and leading digits out of --account, --project, --pe and the name.'],
  [/(submit|admin) host/i, 'Log in to a host that may submit jobs: --host.'],
  [/only \d+ jobs are allowed/i, 'End another job first: "jnode list", "qstat".'],
  [/requesting slots/i, 'Ask for slots with --cores, not with --sge-arg.'],
  [/pe (job )?range|-pe option|numerical value invalid/i, 'Correct --cores or --sge-arg.'],
  [/invalid option|option argument|error! /i, 'Correct --sge-arg; each word of it is an argument of its own.'],
  [/h_rt|s_rt|run ?time|wall ?clock|time limit/i, 'Give the time that the site asks for with --time.'],
  [/h_vmem|mem_free|memory/i, 'Give the memory that the site asks for with --mem.'],
]

/** What qsub complained of, with both outputs in `text`; `maybe-submitted` when its answer may have been lost. */
export function readRefusal(text: string): Refusal | 'maybe-submitted' {
  const all = folded(text).replace(/ ?Exiting\.?$/, '')
  const cannotAsk = CANNOT_ASK.find(([pattern]) => pattern.test(all))
  if (cannotAsk) return {code: 'no-grid-engine', message: `Grid Engine took no job: ${oneLine(all, 1000)}`, hint: cannotAsk[1]}
  if (MAYBE_SUBMITTED.test(all)) return 'maybe-submitted'
  // Warnings and the site's own notes may come before.
  const said = /(?:unable to run job|because of error|qsub): ?(.*)$/i.exec(all)?.[1] || all
  const hint = HINTS.find(([pattern]) => pattern.test(said))?.[1]
  return {
    // The verdict of a -w e of the site's or the user's own.
    code: /no suitable queues/i.test(said) ? 'never-runs' : 'rejected',
    message: `Grid Engine rejected the job: ${oneLine(said, 1000)}`,
    hint: hint ?? 'What the site asks for beyond this can be passed with --sge-arg.',
  }
}
