/** The text of `qstat -j ID`: steadier between engines than its XML, whose tags are names of internal lists. */
import {folded} from './said.ts'

export interface JobDetails {
  /** Values of a key such as `scheduling info` or `hard_queue_list`, one per line; empty when the key is not there. */
  values(key: string): string[]
}

/** Reads `key: value` lines; lines that begin with a blank continue the key above, a task number before the colon is dropped. */
export function parseJobDetails(text: string): JobDetails {
  const found = new Map<string, string[]>()
  let current: string[] = []
  for (const line of text.split('\n')) {
    const start = /^([A-Za-z][\w ()-]{0,60}?)(?:\s{1,40}\d{1,10})?\s{0,40}:(.*)$/s.exec(line)
    if (start) {
      const key = spelt(start[1]!)
      current = found.get(key) ?? []
      found.set(key, current)
    }
    // Further messages of one task repeat the task number: `            1:      text`.
    const value = folded(start ? start[2]! : /^\s/.test(line) ? line.trimStart().replace(/^\d+:\s+/, '') : '')
    if (value !== '') current.push(value)
  }
  return {values: (key) => found.get(spelt(key)) ?? []}
}

/** Open Cluster Scheduler writes `hard_resource_list` where all others write `hard resource_list`. */
function spelt(key: string): string {
  return key.replaceAll('_', ' ')
}

/** What says that Grid Engine does not know a job (any more): old engines and Univa's, in a text that may be wrapped. */
const NO_SUCH_JOB = /following jobs do not exist(?: or permissions are not sufficient)?:/i

/** Whether Grid Engine knows the job, from the exit status and both outputs of `qstat -j ID`. */
export function readExistence(jobId: string, said: {exitCode: number; stdout: string; stderr: string}): 'yes' | 'no' | 'unknown' {
  if (said.exitCode === 0 && parseJobDetails(said.stdout).values('job_number').includes(jobId)) return 'yes'
  const complaint = NO_SUCH_JOB.exec(folded(`${said.stdout}\n${said.stderr}`))
  // The sentence must name our job: another text around it would be about something else.
  if (complaint && complaint.input.slice(complaint.index).split(/[\s,]+/).includes(jobId)) return 'no'
  return 'unknown'
}
