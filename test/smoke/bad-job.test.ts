import {readFileSync, truncateSync} from 'node:fs'
import {join} from 'node:path'
import {describe, expect, test} from 'vitest'
import type {FakeClusterOptions} from '../fake-cluster/cluster.ts'
import {documentOf, makeWorld, refusalOf, usePackage} from './world.ts'

usePackage()

const matching = (pattern: RegExp) => expect.stringMatching(pattern) as string

describe('a job that dies at once is told of with the end of its log', () => {
  const told = async (flags: string[], faults: FakeClusterOptions['faults'] = {}) => refusalOf(await makeWorld({faults: faults ?? {}}), ['start', 'nb', ...flags])
  const failed = (message: RegExp, hint: string) => ({exitCode: 6, code: 'job-failed', message: matching(message), hint})

  test('no Jupyter', async () => {
    expect(await told([], {'no-jupyter': true})).toEqual(
      failed(/^Job \d ended: jupyter-lab is not on PATH\nThe last lines of its log:\n {2}jnode: no-jupyter: jupyter-lab is not on PATH$/, 'Say where it is with --module, --conda or --setup, or take another program with --app.'),
    )
  })

  test('a module that is not there', async () => {
    expect(await told(['--module', 'nope'])).toEqual(
      failed(/^Job \d ended: .*module.*\nThe last lines of its log:\n(.*\n)* {2}jnode: module-failed: /, 'Look up the name with `module avail` on the cluster; what it needs goes before it in another --module.'),
    )
  })

  test('a conda environment that is not there', async () => {
    expect(await told(['--conda', 'nope'])).toEqual(
      failed(/^Job \d ended: .*conda.*\nThe last lines of its log:\n(.*\n)* {2}jnode: conda-failed: /, 'Look up the name with `conda env list` on the cluster; the module that brings conda goes into --module.'),
    )
  })

  test('a set-up line that fails', async () => {
    expect(await told(['--setup', 'echo mine >&2; false'])).toEqual(
      failed(/^Job \d ended: this set-up line failed: echo mine >&2; false\nThe last lines of its log:\n {2}mine\n {2}jnode: setup-failed: /, 'Try the line in a shell on the cluster; the log shows what it said.'),
    )
  })

  test('a directory that is not there', async () => {
    expect(await told(['--dir', '/nope'])).toEqual(failed(/^Job \d ended: cannot enter the directory \/nope\n/, 'Give a directory that the compute nodes see, with --dir.'))
  })

  test('killed while it starts', async () => {
    expect(await told([], {'job-dies': true})).toEqual({exitCode: 6, code: 'job-ended', message: matching(/^Job \d ended: The job was ended by SIGKILL/), hint: matching(/^`qacct -j \d` on the head node tells more; /)})
  })

  test('in error before it ran', async () => {
    expect(await told([], {eqw: true})).toEqual(failed(/^Job \d cannot start\. Grid Engine could not start the job: can't open output file/, 'Mend that and start again; show it to the cluster’s support if it is not yours to mend.'))
  })
})

test('a job deleted by somebody while its server starts', async () => {
  const world = await makeWorld()
  const run = world.launch(['start', 'nb', '--json', '-v', '--setup', 'sleep 60'])
  await run.prints(/Start Jupyter on/)
  world.cluster.grid.remove(world.cluster.grid.jobs()[0]!)
  const ended = await run.ended
  expect(ended.exitCode).toBe(6)
  expect(documentOf(ended)).toMatchObject({error: {message: matching(/^Job 1 ended: /)}})
  await world.expectNothingLeft()
})

describe('--wait', () => {
  const hint = 'Allow more time with --wait, or ask for less.'

  test('ends a server that never gets ready', async () => {
    const world = await makeWorld({timing: {notify: 50}})
    expect(await refusalOf(world, ['start', 'nb', '--wait', '2s', '--setup', 'sleep 60'])).toEqual({exitCode: 7, code: 'gave-up', message: 'The server was not ready within 2 s', hint})
  })

  test('ends a job that never runs, and says why it waited', async () => {
    const world = await makeWorld({faults: {'never-schedules': true}})
    const ended = await world.jnode('start', 'nb', '--wait', '9s', '--json')
    expect(ended.exitCode).toBe(7)
    expect(documentOf(ended)).toEqual({error: {code: 'gave-up', message: 'The server was not ready within 9 s: 2 queue instances are full', hint}})
    await world.expectNothingLeft()
  })
})

describe('stop', () => {
  test.each(['nope', '77'])('of an unknown session: %s', async (name) => {
    expect(await refusalOf(await makeWorld(), ['stop', name])).toMatchObject({exitCode: 8, code: 'no-session', message: matching(/"nope"|77/), hint: '`jnode list` shows those there are.'})
  })

  test('of nothing at all', async () => {
    const world = await makeWorld()
    expect(await world.jnode('stop', '--all')).toMatchObject({exitCode: 0, stdout: 'There is nothing to stop.\n'})
    expect(await refusalOf(world, ['stop'])).toMatchObject({exitCode: 8, code: 'no-session', hint: 'Start one with `jnode start`.'})
  })

  test('of a session whose job has ended removes what is left, and once more is no session', async () => {
    const world = await makeWorld()
    await world.jnode('start', 'nb', '--no-wait')
    world.cluster.grid.remove(world.cluster.grid.jobs()[0]!)
    await expect.poll(() => world.cluster.grid.jobs(), {timeout: 5000}).toEqual([])
    expect(await world.jnode('stop', 'nb')).toMatchObject({exitCode: 0, stdout: 'nb had ended already; what was left of it is removed.\n'})
    expect(await refusalOf(world, ['stop', 'nb'])).toMatchObject({exitCode: 8, code: 'no-session'})
  })

  test('of somebody else’s job', async () => {
    const world = await makeWorld()
    const theirs = world.cluster.submit('sleep 60', ['-N', 'jnode-theirs'], 'bob')
    await expect.poll(() => theirs.state).toBe('r')
    const ended = await world.jnode('stop', String(theirs.id), '--json')
    expect(ended.exitCode).toBeGreaterThan(0)
    expect(documentOf(ended)).toMatchObject({error: {code: 'not-yours', message: matching(/bob/)}})
    expect(theirs.state).toBe('r')
  })
})

describe('a session’s file that is cut short', () => {
  test('here', async () => {
    const world = await makeWorld()
    await world.jnode('start', 'nb', '--no-wait')
    const file = join(world.laptop.home, '.local/state/jnode/sessions/fake/nb.json')
    truncateSync(file, 40)
    const list = await world.jnode('list', '--json')
    expect(documentOf(list)).toMatchObject({sessions: [{name: 'nb'}], warnings: [`${file} cannot be read: it is cut short or not JSON`]})
    expect(readFileSync(file, 'utf8')).toHaveLength(40)
    // The truth lies on the cluster: the session can be come back to and ended.
    expect(await world.jnode('stop', 'nb')).toMatchObject({exitCode: 0})
    await world.expectNothingLeft()
  })

  test('on the cluster', async () => {
    const world = await makeWorld()
    await world.jnode('start', 'nb', '--no-wait')
    truncateSync(join(world.cluster.home, '.jnode/sessions/nb/session.json'), 40)
    expect(documentOf(await world.jnode('list', '--json'))).toMatchObject({warnings: ['Session "nb" on fake cannot be read: session.json is cut short or not JSON']})
    expect(await world.jnode('stop', 'nb')).toMatchObject({exitCode: 0})
    await world.expectNothingLeft()
  })
})
