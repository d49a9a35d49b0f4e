import {describe, expect, test} from 'vitest'
import {documentOf, makeWorld, usePackage} from './world.ts'

usePackage()

const matching = (pattern: RegExp) => expect.stringMatching(pattern) as string

describe.each(['qstat-nonsense', 'qstat-empty', 'qstat-truncated', 'qstat-fails'] as const)('%s', (fault) => {
  test('start waits, and is ready when Grid Engine has found its words again; list says unknown meanwhile', async () => {
    const world = await makeWorld({faults: {'never-schedules': true}})
    const {cluster} = world
    const run = world.launch(['start', 'nb', '-d', '--no-browser'])
    await run.prints(/Job 1 submitted/)
    cluster.set(fault, true)
    await run.prints(/Grid Engine gives no answer/)
    const list = documentOf(await world.jnode('list', '--json'))
    expect(list).toMatchObject({sessions: [{name: 'nb', state: 'unknown', reason: matching(/^Grid Engine gives no answer: /)}]})
    cluster.clear('never-schedules')
    cluster.clear(fault)
    expect(await run.ended).toMatchObject({exitCode: 0, stdout: matching(/^http:\/\/127(?:\.\d+){3}:\d+\//)})
    expect(documentOf(await world.jnode('list', '--json'))).toMatchObject({sessions: [{state: 'ready'}]})
    await world.jnode('stop', 'nb')
    await world.expectNothingLeft()
  })
})

test('stop while Grid Engine talks nonsense changes nothing, and says so', async () => {
  const world = await makeWorld()
  documentOf(await world.jnode('start', 'nb', '--no-wait', '--json'))
  await expect.poll(() => world.cluster.grid.jobs()[0]?.state).toBe('r')
  world.cluster.set('qstat-nonsense', true)
  const ended = await world.jnode('stop', 'nb', '--json')
  expect(documentOf(ended)).toEqual({error: {code: 'no-grid-engine', message: matching(/^Grid Engine on ada@head\.local gives no answer: /), hint: 'Nothing was removed. Try again in a minute.'}})
  expect(ended.exitCode).toBe(5)
  expect(world.cluster.grid.jobs()).toHaveLength(1)
  world.cluster.clear('qstat-nonsense')
  expect(await world.jnode('stop', 'nb')).toMatchObject({exitCode: 0})
  await world.expectNothingLeft()
})

test('a start that gives up while Grid Engine talks nonsense still ends its job, and stop finds the rest', async () => {
  const world = await makeWorld()
  const run = world.launch(['start', 'nb', '--json', '-v', '--setup', 'sleep 60', '--wait', '3s'])
  await run.prints(/Start Jupyter on/)
  world.cluster.set('qstat-nonsense', true)
  const ended = await run.ended
  expect(ended.exitCode).toBe(7)
  expect(ended.stderr).toMatch(/Could not clean up: .*\n.*jnode stop nb/)
  await expect.poll(() => world.cluster.grid.jobs(), {timeout: 5000}).toEqual([])
  world.cluster.clear('qstat-nonsense')
  expect(await world.jnode('stop', 'nb')).toMatchObject({exitCode: 0})
  await world.expectNothingLeft()
})

test('an answer of qsub that is lost on the way costs no second job', async () => {
  const world = await makeWorld({faults: {'qsub-answer-lost': true}})
  expect(documentOf(await world.jnode('start', 'nb', '--json'))).toMatchObject({state: 'ready', jobId: '1'})
  expect(world.cluster.grid.jobs()).toHaveLength(1)
  await world.jnode('stop')
  await world.expectNothingLeft()
})
