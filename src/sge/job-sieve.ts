/**
 * A user may have 100,000 jobs, 25 to 50 MB of XML, of which a session is one. So the list is read in a stream where it is made, on the
 * head node: jobs that nobody asked for are dropped one by one, and all that stands around jobs comes through, for by
 * it the reader knows that the list is whole.
 */
import {command, quote} from '../shell.ts'
import {XML_BYTES} from './qstat.ts'

/** Which jobs of a list are wanted: those whose name begins with `prefix`, and those with these numbers. */
export interface WantedJobs {
  prefix: string
  ids: readonly string[]
}

const STATUS = '@@jnode status'

/** More than a user with 100,000 jobs has. The sieve keeps a record until its end comes, and some record may have none. */
const UNSIEVED_BYTES = 200_000_000

/**
 * Each record ends before a `>`, which is put back before the next one: a pipe that ends early must not look complete, and
 * the status behind the document is always the last record. A job without a number is kept, since the reader must see it,
 * and one that has no end is given up as it is.
 */
const SIEVE = `
BEGIN { RS = ">"; for (n = split(ids, list, " "); n > 0; n--) wanted[list[n]] }
dropped { sub(/^[ \\t\\r\\n]+/, ""); dropped = 0 }
{ text = mark $0; mark = ">" }
/<job_list([ \\t\\r\\n][^<]*)?$/ {
  from = index(text, "<job_list")
  printf "%s%s", job, substr(text, 1, from - 1)
  job = substr(text, from); id = name = ""; inside = 1
  next
}
!inside { printf "%s", text; next }
{ job = job text }
/<\\/JB_job_number$/ { id = $0; sub(/<[^<]*$/, "", id) }
/<\\/JB_name$/ { name = $0; sub(/<[^<]*$/, "", name) }
/<\\/job_list[ \\t\\r\\n]*$/ {
  if (id !~ /^[0-9]+$/ || id in wanted || substr(name, 1, length(prefix)) == prefix) printf "%s>", job
  else dropped = 1
  job = mark = ""; inside = 0
  next
}
length(job) > 100000 { printf "%s", job; job = ""; inside = 0 }
END { printf "%s", job }`

/** Shell text that prints the list of a user's jobs without those that nobody wants, then how qstat ended. */
export function jobListScript(user: string, {prefix, ids}: WantedJobs): string {
  const sieve = `awk -v prefix=${quote(prefix)} -v ids=${quote(ids.join(' '))} ${quote(SIEVE)}`
  // With -u, because old engines list everybody without; and without any -s, so that what is missing has ended.
  return `{ ge ${command(['qstat', '-u', user, '-xml'])}; echo "${STATUS} $?"; } | head -c ${UNSIEVED_BYTES} | ${sieve} | head -c ${XML_BYTES}`
}

/** What qstat itself printed and how it ended; -1 where its end is missing. */
export function sieved(answer: {exitCode: number; stdout: string; stderr: string}): {exitCode: number; stdout: string; stderr: string} {
  const [, stdout, status] = new RegExp(`^([^]*)${STATUS} (\\d+)\\n$`).exec(answer.stdout) ?? []
  return status === undefined ? {...answer, exitCode: -1} : {...answer, stdout: stdout!, exitCode: Number(status)}
}
