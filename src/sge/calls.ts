/** How often Grid Engine's programs are called: each call leaves a line on stderr, taken out again before the answer is read. */
import type {Ask} from '../ask.ts'

/** A cluster that names programs without end must not fill the memory of a keeper that lives for weeks. */
const MOST_PROGRAMS = 50

const MARK = '@@jnode called'

/** Shell text that defines `ge PROGRAM ARG...`, which runs a program of Grid Engine; also inside of `$(... 2>&1)`. */
export const CALLING = `exec 3>&2
called() { echo "${MARK} $*" >&3; }
ge() {
  case $1$2 in qstat-j | qsub-w | qalter-w) called "$1 $2" ;; *) called "$1" ;; esac
  "$@"
}`

/** The same question, whose calls are counted when its answer is read. */
export function counted<T>({script, read, ...limits}: Ask<T>, calls: Map<string, number>): Ask<T> {
  return {
    ...limits,
    script: `${CALLING}\n${script}`,
    read(answer) {
      const stderr = answer.stderr.replace(new RegExp(`${MARK} ([^\\n]{1,40})\\n`, 'g'), (_, call: string) => {
        if (!answer.reused && (calls.has(call) || calls.size < MOST_PROGRAMS)) calls.set(call, (calls.get(call) ?? 0) + 1)
        return ''
      })
      return read({...answer, stderr})
    },
  }
}

/** `qstat 12, qstat -j 2, qsub 1`: for `-v`. */
export function callsText(calls: ReadonlyMap<string, number>): string {
  return [...calls].map(([call, times]) => `${call} ${times}`).join(', ') || 'nothing'
}
