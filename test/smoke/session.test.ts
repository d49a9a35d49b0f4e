import {expect, test} from 'vitest'
import {documentOf, makeWorld, usePackage} from './world.ts'

usePackage()

test('a session from start to stop', async () => {
  const world = await makeWorld()
  const t = performance.now()
  const lap = (w: string) => console.log(w, Math.round(performance.now() - t))
  const r = await world.jnode('start', 'nb', '--json'); lap('start')
  console.log(r)
  const started = documentOf(r)
  expect(started).toMatchObject({state: 'ready', tunnel: 'connected'})
  console.log(await world.jnode('list')); lap('list')
  console.log(await world.jnode('status', 'nb')); lap('status')
  console.log(await world.jnode('logs', 'nb')); lap('logs')
  console.log(await world.jnode('disconnect', 'nb')); lap('disconnect')
  console.log(await world.jnode('connect', 'nb', '--json')); lap('connect')
  console.log(await world.jnode('stop', 'nb')); lap('stop')
  await world.expectNothingLeft()
})
