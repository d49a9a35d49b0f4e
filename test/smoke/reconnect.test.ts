import {existsSync, readFileSync, rmSync, statSync} from 'node:fs'
import {join} from 'node:path'
import {describe, expect, test} from 'vitest'
import {processesOf, stateFiles} from './leftovers.ts'
import {documentOf, killHard, makeWorld, usePackage, type World} from './world.ts'

usePackage()

const matching = (pattern: RegExp) => expect.stringMatching(pattern) as string

const keeperLog = ({laptop}: World) => join(laptop.home, '.local/state/jnode/keeper.log')

test('the keeper killed when all is ready: the tunnel is told closed, connect opens it again, stop works', async () => {
  const world = await makeWorld()
  const started = documentOf(await world.jnode('start', 'nb', '--json'))
  killHard(world, /keeper\.js/)
  await expect.poll(() => processesOf(world.laptop)).toEqual([])
  expect(documentOf(await world.jnode('list', '--json'))).toMatchObject({sessions: [{state: 'ready', tunnel: 'closed', url: null, keeperPid: null}]})
  expect((await world.jnode('url')).exitCode).toBe(8)
  expect(documentOf(await world.jnode('connect', '--json'))).toMatchObject({tunnel: 'connected', jobId: started['jobId']})
  expect(await world.jnode('stop')).toMatchObject({exitCode: 0})
  await world.expectNothingLeft()
})

test('a killed keeper’s socket is no obstacle to stop', async () => {
  const world = await makeWorld()
  await world.jnode('start', 'nb', '--json')
  killHard(world, /keeper\.js/)
  expect(await world.jnode('stop')).toMatchObject({exitCode: 0})
  await world.expectNothingLeft()
})

describe('a connection cut when all is ready', () => {
  const status = async (world: World) => documentOf(await world.jnode('list', '--json'))['sessions']

  test('comes back by itself with a key, on the same port', async () => {
    const world = await makeWorld()
    const {localPort, keeperPid} = documentOf(await world.jnode('start', 'nb', '--json'))
    world.cluster.cut('gateway')
    await expect.poll(() => world.cluster.accepted('node1') + world.cluster.accepted('node2'), {timeout: 15_000}).toBe(2)
    await expect.poll(() => status(world), {timeout: 15_000, interval: 300}).toMatchObject([{state: 'ready', tunnel: 'connected', localPort, keeperPid}])
    await world.jnode('stop')
    await world.expectNothingLeft()
  })

  test('comes back with a password that was given once, and asks nobody', async () => {
    const world = await makeWorld({logins: {gateway: {methods: ['password']}, head: {methods: ['password']}}})
    const {url} = documentOf(await world.jnode('start', 'nb', '--json'))
    rmSync(world.laptop.env['SSH_ASKPASS']!)
    world.cluster.cut('gateway')
    await expect.poll(() => readFileSync(keeperLog(world), 'utf8'), {timeout: 15_000}).toMatch(/reconnecting\n.*Connected again\n/)
    expect((await fetch(new URL('/api', String(url)))).status).toBe(200)
  })

  test('with a second factor: waits for its user, and spends none meanwhile', async () => {
    const code = {prompt: 'Verification code: ', answer: 'correct horse', echo: false} // what askpass says
    const world = await makeWorld({logins: {gateway: {methods: ['publickey,keyboard-interactive'], questions: [[code]]}}})
    const {url} = documentOf(await world.jnode('start', 'nb', '--json'))
    const codes = () => world.cluster.attempts('gateway').filter(({method}) => method === 'keyboard-interactive').length
    expect(codes()).toBe(1)
    const attempts = world.cluster.attempts('gateway').length
    world.cluster.cut('gateway')
    await expect.poll(() => readFileSync(keeperLog(world), 'utf8'), {timeout: 15_000}).toMatch(/reconnecting\n.*ada@127\.0\.0\.1:\d+ asks for more than a key to log in, and nobody is here to answer\n/)
    expect(world.cluster.attempts('gateway'), 'not even a key is tried').toHaveLength(attempts)
    const page = await fetch(new URL('/lab', String(url)), {headers: {accept: 'text/html'}})
    expect([page.status, await page.text()]).toEqual([503, expect.stringContaining('`jnode connect nb`') as string])
    expect((await world.jnode('url')).stderr).toContain('The tunnel of nb is not open')
    expect(documentOf(await world.jnode('connect', '--json'))).toMatchObject({tunnel: 'connected'})
    expect(codes()).toBe(2)
    expect(await world.jnode('stop')).toMatchObject({exitCode: 0})
    await world.expectNothingLeft()
  })

  test('in the foreground: says so, and that it is connected again', async () => {
    const world = await makeWorld()
    const run = world.launch(['start', 'nb', '--no-browser'])
    await run.prints(/^http:/)
    world.cluster.cut('gateway')
    await run.prints(/Connected again/)
    expect(run.stderr()).toMatch(/Warning: The connection was lost \(.*\); reconnecting\n/)
    run.child.kill('SIGTERM')
    expect((await run.ended).exitCode).toBe(130)
  })
})

test('a job deleted by somebody brings the tunnel down, says so, and is cleaned up', async () => {
  const world = await makeWorld()
  const run = world.launch(['start', 'nb', '--no-browser'])
  await run.prints(/^http:/)
  world.cluster.grid.remove(world.cluster.grid.jobs()[0]!)
  expect(await run.ended).toMatchObject({exitCode: 0, stderr: matching(/Job 1 ended: (.*\n)*The tunnel is closed and nothing is left of session nb\.\n$/)})
  await world.expectNothingLeft()
  // How it ended is still known, without its token, until the name is used again.
  const kept = join(world.laptop.home, '.local/state/jnode/ended/fake/nb.json')
  expect(statSync(kept).mode & 0o777).toBe(0o600)
  expect(readFileSync(kept, 'utf8')).not.toContain('token')
  for (const name of [[], ['nb'], ['1']]) expect(documentOf(await world.jnode('status', ...name, '--json'))).toMatchObject({name: 'nb', jobId: '1', state: 'ended', reason: matching(/^Job 1 ended: /), tunnel: 'closed', url: null})
  expect((await world.jnode('status', 'nb')).stdout).toMatch(/^state {6}ended\nreason {5}Job 1 ended: .*\n[^]*^ended {6}20/m)
  expect((await world.jnode('status', 'other')).exitCode).toBe(8)
  await world.jnode('start', 'nb', '--json')
  expect(existsSync(kept)).toBe(false)
  await world.jnode('stop', 'nb')
  expect((await world.jnode('status', 'nb')).exitCode).toBe(8)
})

test('two starts at the same moment get along, and stop --all ends both', async () => {
  const world = await makeWorld()
  const both = await Promise.all([world.jnode('start', 'a', '--json'), world.jnode('start', 'b', '--json')])
  const [a, b] = both.map(documentOf)
  expect([a!['state'], b!['state']]).toEqual(['ready', 'ready'])
  expect(new URL(String(a!['url'])).host).not.toBe(new URL(String(b!['url'])).host)
  expect((await world.jnode('stop')).exitCode).toBe(2)
  expect(documentOf(await world.jnode('stop', '--all', '--json'))).toMatchObject({stopped: [{was: 'running'}, {was: 'running'}]})
  await world.expectNothingLeft()
  expect(stateFiles(world.laptop)).toEqual([])
})
