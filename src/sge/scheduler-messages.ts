/**
 * The scheduler's sentences, as `qstat -j` ("scheduling info"), `qalter -w p` and `qsub -w v` print them: one per
 * queue, host and environment, in hundreds. They are the same since 6.2, but for a word here and there.
 */
import {folded} from './said.ts'

export type MessageKind =
  | 'hold' | 'dependency' | 'start-time' | 'user-limit' | 'quota' | 'filter'
  | 'resource' | 'fixed-resource' | 'other-host' | 'unknown-resource' | 'queue-limit' | 'exclusive' | 'environment-slots' | 'more-slots'
  | 'full' | 'all-full' | 'disabled' | 'suspended' | 'unavailable' | 'silent-node' | 'queue-error' | 'overloaded' | 'alarm' | 'cleanup' | 'too-long' | 'reserved'
  | 'permission' | 'project' | 'forced' | 'not-asked-queue' | 'not-in-queue' | 'no-environment' | 'wrong-type'

export interface SchedulerMessage {
  kind: MessageKind
  /** Queue, host, environment or rule that the sentence is about; empty when it names none. */
  place: string
  /** Resource or limit, e.g. `gpu`; empty when it names none. */
  what: string
  /** What there is of it, in Grid Engine's notation; empty when it names none. */
  offered: string
  /** What was asked for, `gpu=1,h_rt=3600`; empty when the sentence does not say. */
  request: string
  /** The sentence itself. */
  text: string
}

// Named groups fill the fields of a message. `PE` is `pe` on some engines, hence the i flag.
// CANNOT stands before the three kinds of reason that follow a `-l` list.
const CANNOT = '\\(-l (?<request>(?:(?!\\(-l ).)*?)\\) cannot run (?:at host|in queue|globally)(?: "(?<place>[^"]*)")? because '

const SENTENCES: readonly (readonly [MessageKind, RegExp])[] = [
  ['full', /\(-l slots=\d+\) cannot run in queue "(?<place>[^"]*)" because it offers only \w*:?slots=\S+/gi],
  ['other-host', new RegExp(`${CANNOT}it offers only (?:\\w\\w:)?hostname=\\S+`, 'gi')],
  // A second letter f: a value that the administrator has set and no job uses up.
  ['fixed-resource', new RegExp(`${CANNOT}it offers only \\wf:(?!hostname=)(?<what>[^\\s=:]+)=(?<offered>\\S+)`, 'gi')],
  ['resource', new RegExp(`${CANNOT}it offers only (?!\\wf:)(?:\\w\\w:)?(?!slots=|hostname=)(?<what>[^\\s=:]+)=(?<offered>\\S+)`, 'gi')],
  ['exclusive', new RegExp(`${CANNOT}exclusive resource \\((?<what>[^)]*)\\) is already in use`, 'gi')],
  ['unknown-resource', new RegExp(`${CANNOT}job requests unknown resource \\((?<what>[^)]*)\\)`, 'gi')],
  ['queue-limit', new RegExp(`${CANNOT}of cluster queue`, 'gi')],
  ['full', /queue instance "(?<place>[^"]*)" dropped because it is full/gi],
  ['disabled', /queue instance "(?<place>[^"]*)" dropped because it is disabled/gi],
  ['suspended', /queue instance "(?<place>[^"]*)" dropped because it is suspended/gi],
  ['unavailable', /queue instance "(?<place>[^"]*)" dropped because it is temporarily not available/gi],
  ['overloaded', /queue instance "(?<place>[^"]*)" dropped because it is overloaded/gi],
  ['alarm', /queue instance "(?<place>[^"]*)" is in suspend alarm/gi],
  ['alarm', /\(\d+ slots\) would (?:put|set) queue instance "(?<place>[^"]*)" in(?:to)? load alarm state/gi],
  // Comes with disabled and overloaded queues as well.
  ['all-full', /all queues dropped because of overload or full/gi],
  ['environment-slots', /cannot run in PE "(?<place>[^"]*)" because it only offers (?<offered>\d+) slots/gi],
  ['more-slots', /parallel job requires more slots than available|cannot run because (?:resources requested are not available for parallel job|total slots of PE "(?<place>[^"]*)" not in range of job)/gi],
  ['no-environment', /no matching PE found|PE "(?<place>[^"]*)" dropped because allocation rule is not suitable/gi],
  ['not-in-queue', /cannot run in queue "(?<place>[^"]*)" because PE "(?<what>[^"]*)" is not in PE list/gi],
  ['not-asked-queue', /cannot run in queue "(?<place>[^"]*)" because it is not contained in its hard queue list/gi],
  ['permission', /has no permission for (?:cluster queue|queue|host)(?: instance)? "(?<place>[^"]*)"/gi],
  ['permission', /cannot run because no access to PE "(?<place>[^"]*)"/gi],
  ['project', /\((?:no project|project (?<what>[^()]*))\) (?:does not have the correct project to run|is not allowed to run) in [\w ]+? "(?<place>[^"]*)"/gi],
  ['forced', /does not request (?:globally )?'forced' resource "(?<what>[^"]*)"(?: of (?:queue instance|host) "?(?<place>[^\s"]*)"?)?/gi],
  ['too-long', /cannot run in queue instance "(?<place>[^"]*)" because the job runtime of (?<what>\d+) sec\. is too long/gi],
  ['wrong-type', /cannot run in queue(?: instance)? "(?<place>[^"]*)" because (?:it has "0" slots|it is not of|the job is not parallel|queues are non requestable)/gi],
  ['reserved', /cannot run (?:in|on) (?:queue instance|queue|host) "(?<place>[^"]*)" because it was not reserved by advance reservation/gi],
  ['cleanup', /cannot run on host "(?<place>[^"]*)" until clean up of a previous run has finished/gi],
  ['quota', /cannot run because it exceeds limit "(?<what>[^"]*)" in rule "(?<place>[^"]*)"/gi],
  ['quota', /cannot run in queue instance "[^"]*" because (?:it )?exceeds limit in rule (?<place>\S+)/gi],
  ['hold', /job is in hold state/gi],
  ['dependency', /job dropped because of job dependencies/gi],
  ['user-limit', /job dropped because of user limitations/gi],
  ['start-time', /execution time not reached/gi],
  ['filter', /this job got ignored in the last scheduling run/gi],
]

/** All sentences known from the text, in the order of the table. Sentences may be wrapped and carry `Job 7` before them. */
export function parseSchedulerMessages(text: string): SchedulerMessage[] {
  const line = folded(text)
  return SENTENCES.flatMap(([kind, pattern]) =>
    [...line.matchAll(pattern)].map((match) => {
      const {place = '', what = '', offered = '', request = ''} = match.groups ?? {}
      return {kind, place, what, offered, request, text: match[0]}
    }),
  )
}
