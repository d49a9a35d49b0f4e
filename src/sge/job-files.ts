/** Where a job that somebody else's script started writes what it prints, as `qstat -j` tells. */
import {parseJobDetails} from './job-details.ts'
import {isLine} from '../rules.ts'

export interface JobFiles {
  owner: string
  name: string
  /** Path of the script as it was submitted. */
  script: string | null
  /** Paths on the shared file system to look at, stderr first since Jupyter logs there; a directory stands for Grid Engine's default name in it. */
  logs: string[]
}

/** Paths that are looked at, and characters of each: `$HOME` and the like make a text longer. */
const MOST_PATHS = 20
const PATH_CHARS = 4096

/** Null when the text is not about a job. `NONE:NONE:/path` is `[host]:[type]:path`; without a path the job's directory takes NAME.oID. */
export function readJobFiles(jobId: string, text: string): JobFiles | null {
  const details = parseJobDetails(text)
  const one = (key: string) => details.values(key)[0]?.slice(0, PATH_CHARS) ?? null
  const owner = one('owner')
  const name = one('job_name')
  if (owner === null || name === null || !isLine(name)) return null
  const home = one('sge_o_home') ?? '.'
  const expand = (path: string) => {
    const values: Record<string, string> = {HOME: home, USER: owner, JOB_ID: jobId, JOB_NAME: name, TASK_ID: 'undefined'}
    return path.replace(/\$([A-Z_]+)/g, (whole, key: string) => values[key] ?? whole)
  }
  const paths = ['stderr_path_list', 'stdout_path_list'].flatMap((key) => details.values(key)).flatMap((list) => list.split(',', MOST_PATHS)).slice(0, MOST_PATHS).map((entry) => expand(entry.slice(0, PATH_CHARS).replace(/^[^/$]*:(?=[/$])/, '')))
  const folder = one('cwd') ?? home
  const logs = [...paths, folder].flatMap((path) => [path, `${path}/${name}.e${jobId}`, `${path}/${name}.o${jobId}`])
  return {owner, name, script: one('script_file'), logs: [...new Set(logs)].filter(isLine)}
}
