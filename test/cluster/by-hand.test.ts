/** A Jupyter job that somebody started without jnode. */
import {afterEach, expect, test} from 'vitest'
import {answers, jnodeIn, nothingLeft, OPEN, sweep} from './jnode.ts'
import {until} from './run.ts'
import {useLab} from './use-lab.ts'

const lab = await useLab()
const jnode = jnodeIn(lab)

afterEach(async ({task}) => {
  if (task.result?.state === 'fail') await sweep(lab)
})

test('by qsub: its node from qstat, its server from its own log; its job is nobody’s to end but its user’s', async () => {
  const script = '#!/bin/bash\nexec jupyter-notebook --no-browser --ip 127.0.0.1 --port 9123\n'
  const {stdout} = await lab.exec('head', 'alice', 'cat >~/hand.sh && qsub -terse -l h=node2 -o ~/hand.log -j y ~/hand.sh', {input: script})
  const jobId = stdout.trim()
  await until('its server says where it is', async () => (await lab.exec('head', 'alice', 'cat ~/hand.log')).stdout.includes('token='))
  const session = await jnode.ok(`connect ${jobId} --host head`)
  expect(session).toMatchObject({name: `job-${jobId}`, jobId, state: 'ready', node: 'node2.local', tunnel: 'connected'})
  expect(await answers(lab, session.url!)).toEqual(OPEN)
  expect(await jnode.fails(`connect ${jobId} --host head`, {user: 'bob'})).toMatchObject({exitCode: 5, code: 'not-yours'})
  expect(await jnode.fails(`stop job-${jobId}`)).toMatchObject({exitCode: 8, message: `Job ${jobId} was not started by jnode`})
  await jnode.ok('disconnect')
  expect(await lab.jobs('alice')).toMatchObject([{id: jobId, state: 'r'}])
  await lab.exec('head', 'alice', `qdel ${jobId}`)
  // `qstat -j` may know it for a moment longer than the list, and as long as it does, nothing is sure.
  await until('the job is gone', async () => (await lab.exec('head', 'alice', `qstat -j ${jobId}`)).exitCode !== 0)
  // Of such a job nothing is remembered once it is over.
  expect(await jnode.ok('list')).toMatchObject({sessions: []})
  await lab.exec('head', 'alice', 'rm -f ~/hand.sh ~/hand.log')
  // No job of ours has told the node's key, so it was remembered when it was first seen.
  await lab.exec('laptop', 'alice', 'rm -r ~/.local/state/jnode/known_nodes')
  await nothingLeft(lab)
})
