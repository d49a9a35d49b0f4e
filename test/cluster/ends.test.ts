/** Sessions that end by themselves. */
import {afterEach, expect, test} from 'vitest'
import type {SessionView} from '../../src/flows/session-view.ts'
import {jnodeIn, nothingLeft, sweep} from './jnode.ts'
import {openKernel} from './kernel.ts'
import {until} from './run.ts'
import {useLab} from './use-lab.ts'

const lab = await useLab()
const jnode = jnodeIn(lab)

afterEach(async ({task}) => {
  if (task.result?.state === 'fail') await sweep(lab)
})

test('--idle ends the job with the laptop off, although a tab is open, and not before the cell has run', async () => {
  const session = await jnode.ok('start tired --host head --idle 12s')
  const kernel = await openKernel(lab, session.url!)
  expect(await kernel.run('import time\ntime.sleep(20)\nprint("done")')).toBe('done\n')
  expect(await lab.jobs('alice')).toMatchObject([{id: session.jobId}])
  const listed = await jnode.ok<{sessions: SessionView[]}>('list')
  expect(listed.sessions).toMatchObject([{name: 'tired', lastActivityAt: expect.stringMatching(/^20\d\d-/) as string, busy: expect.any(Boolean) as boolean}])
  // Nobody of this computer is there any more; the tab still tries to connect.
  await jnode.ok('disconnect')
  await until('the job has ended', async () => (await lab.jobs()).length === 0, 60_000)
  kernel.close()
  expect(await jnode.ok('status')).toMatchObject({state: 'ended', reason: 'no activity for 12 s'})
  expect(await jnode.fails('connect')).toMatchObject({exitCode: 6, code: 'job-ended', message: expect.stringContaining('no activity for 12 s') as string})
  await jnode.ok('stop')
  await nothingLeft(lab)
})
