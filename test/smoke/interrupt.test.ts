import {describe, expect, test} from 'vitest'
import type {FaultName, Faults} from '../fake-cluster/faults.ts'
import {documentOf, killHard, makeWorld, usePackage} from './world.ts'

usePackage()

const matching = (pattern: RegExp) => expect.stringMatching(pattern) as string

/** Moments before a server is ready, and how to stay in them. */
const MOMENTS: {moment: string; faults: Partial<Faults>; flags: string[]; seen: RegExp}[] = [
  {moment: 'the login', faults: {'slow-link': 150}, flags: [], seen: /Log in to/},
  {moment: 'the submission', faults: {'slow-link': 60}, flags: [], seen: /Submit the job/},
  {moment: 'the wait', faults: {'never-schedules': true}, flags: [], seen: /Wait for a node/},
  {moment: 'the start of Jupyter', faults: {}, flags: ['--setup', 'sleep 60'], seen: /Start Jupyter on/},
]

describe.each(MOMENTS)('Ctrl-C in $moment', ({faults, flags, seen}) => {
  test.each([
    ['in the foreground', ['--no-browser']],
    ['of a start that goes into the background', ['--no-browser', '-d']],
    ['under --json', ['--json', '-v']],
  ])('%s leaves nothing', async (_, more) => {
    const world = await makeWorld({faults: faults as never, timing: {notify: 50}})
    const run = world.launch(['start', 'nb', ...flags, ...more])
    await run.prints(seen)
    run.child.kill('SIGINT')
    const ended = await run.ended
    expect(ended.exitCode).toBe(130)
    if (more.includes('--json')) expect(documentOf(ended)).toMatchObject({error: {code: 'interrupted', message: matching(/^Interrupted before the server was ready/)}})
    else expect(ended).toMatchObject({stdout: '', stderr: matching(/\nInterrupted before the server was ready; nothing is left of the session\n$/)})
    for (const fault of Object.keys(faults)) world.cluster.clear(fault as FaultName)
    await world.expectNothingLeft()
  })
})

test('a second Ctrl-C ends at once; what is left is found by stop', async () => {
  const world = await makeWorld({faults: {'never-schedules': true}})
  const run = world.launch(['start', 'nb', '--no-browser'])
  await run.prints(/Wait for a node/)
  world.cluster.set('slow-link', 1000)
  run.child.kill('SIGINT')
  await run.prints(/Clean up/)
  run.child.kill('SIGINT')
  await run.ended
  expect(run.child.signalCode).toBe('SIGINT')
  expect(world.cluster.grid.jobs()).toHaveLength(1)
  world.cluster.clear('slow-link')
  expect(await world.jnode('stop')).toMatchObject({exitCode: 0})
  await world.expectNothingLeft()
})

test('the command of a start in the background killed before it is ready: its keeper takes all back', async () => {
  const world = await makeWorld({faults: {'never-schedules': true}})
  const run = world.launch(['start', 'nb', '-d', '--no-browser'])
  await run.prints(/Wait for a node/)
  run.child.kill('SIGKILL')
  await run.ended
  await world.expectNothingLeft()
})

test('the keeper killed before it is ready: the command says so, and stop finds what is left', async () => {
  const world = await makeWorld({faults: {'never-schedules': true}})
  const run = world.launch(['start', 'nb', '--json', '-v'])
  await run.prints(/Wait for a node/)
  killHard(world, /keeper\.js/)
  const ended = await run.ended
  expect(ended.exitCode).toBe(1)
  expect(documentOf(ended)).toMatchObject({error: {code: 'unexpected', message: 'The background process ended unexpectedly (SIGKILL)', hint: matching(/keeper\.log/)}})
  expect(await world.jnode('stop', 'nb')).toMatchObject({exitCode: 0})
  await world.expectNothingLeft()
})

describe('a connection lost while the job waits', () => {
  test.each([
    ['in the foreground', ['--no-browser']],
    ['of a start that goes into the background', ['--json', '-v']],
  ])('%s is made again, and the start goes on', async (_, flags) => {
    const world = await makeWorld({faults: {'never-schedules': true}})
    const run = world.launch(['start', 'nb', ...flags])
    await run.prints(/Wait for a node/)
    world.cluster.cut('gateway')
    await run.prints(/Warning: The connection to .* was lost: .*; connecting again, job 1 goes on\n/)
    world.cluster.clear('never-schedules')
    await run.prints(/Jupyter answers/)
    expect(world.cluster.grid.jobs()).toHaveLength(1)
    const {url} = documentOf(await world.jnode('connect', '--json'))
    expect((await fetch(String(url))).status).toBe(200)
    expect(await world.jnode('stop')).toMatchObject({exitCode: 0})
    await run.ended
    await world.expectNothingLeft()
  })

  test('Ctrl-C takes all back as ever', async () => {
    const world = await makeWorld({faults: {'never-schedules': true}})
    const run = world.launch(['start', 'nb', '--no-browser'])
    await run.prints(/Wait for a node/)
    world.cluster.cut('gateway')
    await run.prints(/connecting again/)
    run.child.kill('SIGINT')
    expect(await run.ended).toMatchObject({exitCode: 130, stderr: matching(/nothing is left of the session\n$/)})
    await world.expectNothingLeft()
  })

  test('that needs a second factor: the job stays, and connect waits for it', async () => {
    const code = {prompt: 'Verification code: ', answer: 'correct horse', echo: false} // what askpass says
    const world = await makeWorld({faults: {'never-schedules': true}, logins: {gateway: {methods: ['publickey,keyboard-interactive'], questions: [[code]]}}})
    const run = world.launch(['start', 'nb', '--no-browser'])
    await run.prints(/Wait for a node/)
    const attempts = world.cluster.attempts('gateway').length
    world.cluster.cut('gateway')
    expect(await run.ended).toMatchObject({exitCode: 3, stderr: matching(/Error: The connection was lost, and you are needed to log in again: .*\n +Job 1 goes on; wait for it with `jnode connect nb`\.\n$/)})
    expect(world.cluster.attempts('gateway')).toHaveLength(attempts)
    world.cluster.clear('never-schedules')
    expect(documentOf(await world.jnode('connect', 'nb', '--json'))).toMatchObject({jobId: '1', tunnel: 'connected'})
    await world.jnode('stop')
    await world.expectNothingLeft()
  })
})
