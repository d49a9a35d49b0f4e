/** How long a job may run, whoever says so: its own request, a default of the site's, or its queue. */
import type {Ask} from '../ask.ts'
import {command, quote} from '../shell.ts'
import {parseJobDetails} from './job-details.ts'

/** Three hundred years: what is more is no limit, and no moment that a calendar has. */
const MOST_SECONDS = 10_000_000_000

const MARK = '@@jnode-queue'

/** The shortest of all limits of wall-clock time (`h_rt`, `s_rt`) in seconds; null where there is none, or none is told. */
export function runLimit(jobId: string, queue: string | null): Ask<number | null> {
  const ofQueue = queue === null ? '' : `; ge ${command(['qconf', '-sq', queue])} 2>/dev/null`
  return {
    script: `ge ${command(['qstat', '-j', jobId])} 2>/dev/null; printf '\n%s\n' ${quote(MARK)}${ofQueue}; exit 0`,
    read({stdout}) {
      const [job = '', settings = ''] = stdout.split(`\n${MARK}\n`)
      const limits = [...requestedLimits(job), ...queueLimits(settings)].filter((limit) => limit !== null)
      return limits.reduce<number | null>((least, limit) => Math.min(least ?? limit, limit), null)
    },
  }
}

/** `hard resource_list: h_rt=3600,mem_free=1G`; soft requests are wishes and limit nothing. */
function requestedLimits(details: string): (number | null)[] {
  const requests = parseJobDetails(details).values('hard resource_list').flatMap((line) => line.split(','))
  return requests.map((request) => /^\s*[hs]_rt=(\S+)/.exec(request)?.[1]).map((value) => (value === undefined ? null : seconds(value)))
}

/** `h_rt    24:00:00,[node1=1:00:00]`: what holds on single hosts only is left out. */
function queueLimits(settings: string): (number | null)[] {
  return [...settings.matchAll(/^[hs]_rt\s+([^\s,]+)/gm)].map(([, value]) => seconds(value!))
}

/** `3600`, `1:00:00`, `INFINITY`; null for no limit. */
export function seconds(value: string): number | null {
  const [, hours, minutes, rest] = /^(\d*):(\d*):(\d*)$/.exec(value) ?? []
  const limit = hours === undefined ? (/^\d+$/.test(value) ? Number(value) : null) : Number(hours) * 3600 + Number(minutes) * 60 + Number(rest)
  return limit === null || limit > MOST_SECONDS ? null : limit
}
