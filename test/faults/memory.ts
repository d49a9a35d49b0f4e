/** A job that has less memory than it wants, as on a site that gives each job a control group: the kernel's own killer ends a process of it. */
import {existsSync} from 'node:fs'
import {mkdir, readFile, rmdir, writeFile} from 'node:fs/promises'
import {onTestFinished} from 'vitest'
import type {Lab} from '../cluster/lab.ts'
import {netns} from '../cluster/paths.ts'
import {run, until} from '../cluster/run.ts'
import type {HostName} from '../cluster/topology.ts'

const V1 = '/sys/fs/cgroup/memory'

/** All processes that the job has now, and their children to come, get no more than so many bytes on top of what they have. Goes with the test. */
export async function limitMemory(lab: Lab, host: HostName, jobId: string, bytes: number): Promise<void> {
  const [root, limit] = existsSync(V1) ? [V1, 'memory.limit_in_bytes'] : ['/sys/fs/cgroup', 'memory.max']
  const group = `${root}/jnode-lab-${lab.name}-${jobId}`
  await mkdir(group)
  onTestFinished(() => until('the control group is empty', () => rmdir(group).then(() => true, () => false)).then(() => {}))
  await writeFile(`${group}/${limit}`, String(bytes))
  const pids = await run(['ip', 'netns', 'pids', netns(lab.name, host)])
  for (const pid of pids.split('\n').filter(Boolean)) {
    const environment = await readFile(`/proc/${pid}/environ`, 'latin1').catch(() => '')
    if (environment.split('\0').includes(`JOB_ID=${jobId}`)) await writeFile(`${group}/cgroup.procs`, pid)
  }
}
