/** Queue instances and a job's place among those that wait, as plain `qstat` tells, made short on the head node: a site has thousands. */
import type {Ask} from '../ask.ts'
import {command, quote} from '../shell.ts'

export interface QueueInstance {
  /** `all.q@node1`. */
  name: string
  /** Slots free now; 0 where a state keeps jobs away. */
  free: number
  /** Letters of qstat(1), case kept: u unknown, d disabled, s suspended, E error, a load alarm; empty when all is well. */
  states: string
}

const INSTANCE = '@@jnode instance'

/**
 * Shell text that prints the instance with most free slots, and those with a state, then the job's place among all that could start,
 * by priority, and how many seconds both took. Columns of `qstat -f`: name, type, [reserved/]used/total, load, architecture,
 * states. Names are whole with SGE_LONG_QNAMES, with which the plain list of 8.1.9 dies. Needs `$details` of the job for its parallel environment.
 */
export function lookAround(jobId: string): string {
  return `user=$(id -un)
pe=$(printf '%s\\n' "$details" | sed -n 's/^parallel[ _]environment: *\\([^ ]*\\) .*/\\1/p')
from=$(date +%s)
(SGE_LONG_QNAMES=-1; export SGE_LONG_QNAMES; ge qstat -f -u "$user" -U "$user" \${pe:+-pe "$pe"}) 2>/dev/null | awk '
  $1 ~ /@/ && $3 ~ /^[0-9]+\\/[0-9]/ {
    n = split($3, slots, "/"); free = slots[n] - slots[n - 1] - (n > 2 ? slots[1] : 0)
    if ($6 != "") { if (++bad <= 200) print "${INSTANCE}", $1, 0, $6 }
    else if (free > best) { best = free; name = $1 }
  }
  END { if (best > 0) print "${INSTANCE}", name, best }'
ge qstat -s p -u '*' 2>/dev/null | awk -v id=${quote(jobId)} '
  $1 ~ /^[0-9]+$/ {
    state = ""
    for (i = 5; i <= NF; i++) if ($i ~ /^[0-9]+[\\/-][0-9]+[\\/-][0-9]+$/) { state = $(i - 1); break }
    if (state ~ /^[qwR]+$/) { all++; if ($1 == id) at = all }
  }
  END { printf "@@jnode place %d %d ", at, all }'
echo $(($(date +%s) - from))`
}

export interface Place {
  /** 0 where the job is not in the list. */
  at: number
  of: number
  /** What looking around took Grid Engine. */
  seconds: number
}

/** Null where nobody looked. */
export function parsePlace(text: string): Place | null {
  const [, at, of, seconds] = /^@@jnode place (\d+) (\d+) (\d+)$/m.exec(text) ?? []
  return at === undefined ? null : {at: Number(at), of: Number(of), seconds: Number(seconds)}
}

export function parseQueueInstances(text: string): QueueInstance[] {
  return [...text.matchAll(new RegExp(`^${INSTANCE} (\\S+) (\\d+)(?: (\\S*))?$`, 'gm'))].map(([, name, free, states]) => ({name: name!, free: Number(free), states: states ?? ''}))
}

/** Whether an instance has the state `u`: its host has not been heard of for some time (`max_unheard`). */
export function isSilent(instance: string): Ask<boolean> {
  return {
    script: `(SGE_LONG_QNAMES=-1; export SGE_LONG_QNAMES; ge ${command(['qstat', '-f', '-q', instance])})`,
    read: ({stdout}) => stdout.split('\n').map((line) => line.trim().split(/\s+/)).some(([name, , , , , states]) => name === instance && states?.includes('u') === true),
  }
}

const LARGEST = '@@jnode largest'

/** Shell text that prints the host with most slots in a parallel environment, and the quotas that may keep a job from them. */
export function largestHost(environment: string): string {
  return `(SGE_LONG_QNAMES=-1; export SGE_LONG_QNAMES; ge qstat -f -u "$(id -un)" -pe ${quote(environment)}) 2>/dev/null | awk '
  $1 ~ /@/ && $3 ~ /^[0-9]+\\/[0-9]/ { n = split($3, slots, "/"); sub(/^.*@/, "", $1); all[$1] += slots[n]; if (all[$1] > most) { most = all[$1]; host = $1 } }
  END { if (most > 0) printf "${LARGEST} %s %d", host, most }'
ge qconf -srqsl 2>/dev/null | awk 'NF == 1 { printf " %s", $1 } END { print "" }'`
}

export interface LargestHost {
  host: string
  slots: number
  /** Names of the site's resource quota sets. */
  quotas: string[]
}

/** Null where nobody looked, or the host is not known. */
export function parseLargestHost(text: string): LargestHost | null {
  const [, host, slots, quotas] = new RegExp(`^${LARGEST} (\\S+) (\\d+)(?: (.*))?$`, 'm').exec(text) ?? []
  return host === undefined ? null : {host, slots: Number(slots), quotas: (quotas ?? '').split(' ').filter(Boolean)}
}
