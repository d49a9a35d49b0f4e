/** jnode killed without a word at each step of a start: what is there is told truly, and `stop` leaves nothing of it. */
import {expect, test} from 'vitest'
import {documentOf, makeWorld, usePackage} from './world.ts'

usePackage()

const STEPS: [string, RegExp][] = [
  ['logging in', /Log in to/],
  ['submitting', /Submit the job/],
  ['submitted', /Job 1 submitted/],
  ['waiting', /Wait for a node/],
  ['starting Jupyter', /Start Jupyter on/],
]

test.each(STEPS)('%s', async (_, step) => {
  const world = await makeWorld()
  const start = world.launch(['start', 'nb', '--no-browser'])
  await start.prints(step)
  start.child.kill('SIGKILL')
  await start.ended
  const list = await world.jnode('list', '--json')
  expect(list).toMatchObject({exitCode: 0})
  const {sessions} = documentOf(list) as {sessions: {name: string; jobId: string | null; state: string; tunnel: string}[]}
  const jobs = world.cluster.grid.jobs().map(({id}) => String(id))
  for (const session of sessions) {
    expect(session).toMatchObject({name: 'nb', tunnel: 'closed'})
    // No job is made up, and none is hidden.
    expect(session.jobId === null ? [] : [session.jobId]).toEqual(jobs)
  }
  // A qsub that was under way when its connection died may come through a moment later.
  await expect.poll(async () => (await world.jnode('stop', 'nb')).exitCode).toBeOneOf([0, 8])
  await expect.poll(async () => ((await world.jnode('stop', 'nb', '--json')).exitCode === 8 ? world.cluster.grid.jobs().length : 'again'), {timeout: 10_000}).toBe(0)
  await world.expectNothingLeft()
})
