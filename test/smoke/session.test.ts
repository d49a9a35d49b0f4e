import {existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync} from 'node:fs'
import {createServer, type AddressInfo} from 'node:net'
import {expect, test} from 'vitest'
import {documentOf, killHard, makeWorld, usePackage, type World} from './world.ts'

usePackage()

const matching = (pattern: RegExp) => expect.stringMatching(pattern) as string

async function statusThrough(url: string, withToken = true): Promise<number> {
  const api = new URL('/api/status', url)
  const token = new URL(url).searchParams.get('token')!
  return (await fetch(api, {headers: withToken ? {authorization: `token ${token}`} : {}})).status
}

async function json(world: World, ...args: string[]): Promise<Record<string, unknown>> {
  const ended = await world.jnode(...args, '--json')
  expect(ended).toMatchObject({exitCode: 0, stderr: ''})
  return documentOf(ended)
}

/** Not the usual one, so that it is seen to be remembered. */
async function freePort(): Promise<string> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const {port} = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return String(port)
}

const KEYS = ['name', 'cluster', 'host', 'jobId', 'state', 'reason', 'node', 'slots', 'gpus', 'kernelTransport', 'route', 'routes', 'localPort', 'url', 'tunnel', 'submittedAt', 'startedAt', 'endsAt', 'app', 'log', 'keeperPid', 'lastActivityAt', 'busy']

test('a session from its start in the background to its end', async () => {
  const world = await makeWorld()
  const {cluster} = world
  const started = await json(world, 'start', 'nb', '--detach', '--cores', '2', '--time', '1h', '--port', await freePort())
  expect(Object.keys(started)).toEqual(KEYS)
  expect(started).toMatchObject({name: 'nb', cluster: 'fake', jobId: '1', state: 'ready', slots: 2, route: 'socket', tunnel: 'connected', app: 'lab'})
  const url = started['url'] as string
  expect(url).toMatch(/^http:\/\/127(?:\.\d+){3}:\d+\/lab\?token=\w+$/)
  expect(await statusThrough(url)).toBe(200)
  expect(await statusThrough(url, false)).toBe(403)
  // One login per hop, the node included.
  expect((['gateway', 'head', 'node1', 'node2'] as const).map((hop) => cluster.accepted(hop))).toEqual([1, 1, ...(started['node'] === 'node1.local' ? [1, 0] : [0, 1])])

  // What only this computer is asked needs no login.
  expect((await world.jnode('url')).stdout).toBe(`${url}\n`)
  expect(await json(world, 'url', 'nb')).toEqual({name: 'nb', url})
  expect(cluster.accepted('gateway')).toBe(1)
  expect(await json(world, 'list')).toEqual({sessions: [started], warnings: []})
  expect(await json(world, 'status')).toEqual(started)
  expect((await world.jnode('list')).stdout).toMatch(/^NAME +JOB +STATE .*\nnb +1 +ready +node\d +2 +\d+s +(1h|59m) +- +0\.0h +connected\n {2}http:.*\n$/)
  expect((await world.jnode('status', 'nb')).stdout).toMatch(/^session +nb\n(.*\n)*state +ready\n/)
  expect((await world.jnode('logs', 'nb', '-n', '2')).stdout.trimEnd().split('\n')).toHaveLength(2)
  const logs = await world.jnode('logs')
  expect(logs.stdout).toContain('is running at')
  expect(logs.stdout).not.toContain(new URL(url).searchParams.get('token'))

  expect(await world.jnode('disconnect', 'nb')).toMatchObject({exitCode: 0, stdout: 'nb is disconnected; its job goes on. Come back with `jnode connect nb`.\n'})
  expect(await statusThrough(url)).toBe(503)
  expect(await json(world, 'status', 'nb')).toMatchObject({state: 'ready', tunnel: 'closed', url: null})
  expect(await json(world, 'connect', 'nb')).toMatchObject({url, tunnel: 'connected', jobId: '1', startedAt: started['startedAt']})
  expect(await statusThrough(url)).toBe(200)
  expect(await world.jnode('connect', 'nb', '--no-browser')).toMatchObject({exitCode: 0, stdout: matching(/already/)})

  expect(await world.jnode('stop', 'nb')).toMatchObject({exitCode: 0, stdout: 'nb is stopped; job 1 is gone.\n'})
  await world.expectNothingLeft()
  expect((await world.jnode('list')).stdout).toBe('No sessions. `jnode start` starts one.\n')
})

test('in the foreground, Ctrl-C closes the tunnel and keeps the job', async () => {
  const world = await makeWorld()
  const run = world.launch(['start', '--no-browser', '--port', await freePort()])
  await run.prints(/^http:.*\n/)
  const url = run.stdout().trim()
  expect(await statusThrough(url)).toBe(200)
  const [session] = (await json(world, 'list'))['sessions'] as {name: string; keeperPid: number}[]
  expect(session).toMatchObject({name: matching(/^[a-z]+-[a-z]+$/), state: 'ready', tunnel: 'connected', keeperPid: run.child.pid})
  run.child.kill('SIGINT')
  expect(await run.ended).toMatchObject({exitCode: 130, stdout: `${url}\n`, stderr: matching(new RegExp(`The tunnel is closed; job 1 goes on\n {2}Come back with \`jnode connect ${session!.name}\`, end the job with \`jnode stop ${session!.name}\`\\.\n$`))})
  expect(world.cluster.grid.jobs()).toHaveLength(1)

  const again = world.launch(['connect', '--no-browser'])
  await again.prints(/^http:.*\n/)
  expect(again.stdout().trim()).toBe(url)
  expect(await world.jnode('stop')).toMatchObject({exitCode: 0, stdout: `${session!.name} is stopped; job 1 is gone.\n`})
  expect(await again.ended).toMatchObject({exitCode: 0, stderr: matching(/Session \S+ was stopped; job 1 is gone\.\n$/)})
  await world.expectNothingLeft()
})

test('the progress of a start is on stderr, in whole lines, and the URL alone on stdout', async () => {
  const world = await makeWorld()
  const {stdout, stderr} = await world.jnode('start', 'nb', '-d', '--no-browser')
  expect(stdout).toMatch(/^http:\S+\nThe tunnel stays open in the background\. /)
  expect(stderr).toMatch(/^Log in to ada@head\.local \.\.\.\nSubmit the job \.\.\.\nJob 1 submitted\nWait for a node \(job 1\) \.\.\.\nJob 1 runs on node\d\.local \(waited .*\)\nStart Jupyter on node\d\.local \.\.\.\nJupyter answers \(route socket\)\n$/)
  expect(stdout + stderr).not.toMatch(/\u001B|\r/)
  expect(stderr).not.toContain('token')
})

test('a session started elsewhere is found, taken over on the same port, and ended', async () => {
  const world = await makeWorld()
  const other = world.cluster.anotherLaptop()
  const started = await json(world, 'start', 'nb', '--port', await freePort())
  await world.jnode('disconnect')
  // Both laptops are this computer.
  killHard(world, /guard\.js/)
  const there = async (...args: string[]) => documentOf(await world.launch([...args, '--json'], {laptop: other}).ended)
  expect(await there('list')).toMatchObject({sessions: [{name: 'nb', state: 'ready', tunnel: 'closed', url: null}]})
  expect(await there('connect')).toMatchObject({name: 'nb', url: started['url'], tunnel: 'connected'})
  expect(await statusThrough(started['url'] as string)).toBe(200)
  expect(await there('stop', 'nb')).toEqual({stopped: [{name: 'nb', jobId: '1', was: 'running'}]})
  expect((await json(world, 'list'))['sessions']).toMatchObject([{name: 'nb', state: 'ended'}])
  expect(await world.jnode('stop')).toMatchObject({exitCode: 0, stdout: matching(/had ended already/)})
  await world.expectNothingLeft()
})

test('each session has an origin of its own, the same one the next day, and no cluster gets it for another', async () => {
  const world = await makeWorld()
  const originOf = async (name: string) => new URL((await json(world, 'start', name))['url'] as string).origin
  const first = await originOf('nb')
  expect(first).toMatch(/^http:\/\/127(\.\d+){3}:8888$/)
  await world.jnode('stop', 'nb')
  expect(await originOf('nb')).toBe(first)
  const second = await originOf('nb2')
  expect(second).toMatch(/:8888$/)
  expect(second).not.toBe(first)
  // The cluster says that it is the other one's.
  await world.jnode('disconnect', 'nb2')
  const facts = (name: string) => world.cluster.home + `/.jnode/sessions/${name}/session.json`
  const labelOf = (name: string) => (JSON.parse(readFileSync(facts(name), 'utf8')) as {origin: string}).origin
  writeFileSync(facts('nb2'), readFileSync(facts('nb2'), 'utf8').replace(labelOf('nb2'), labelOf('nb')))
  const again = await world.jnode('connect', 'nb2', '--json')
  expect(new URL(documentOf(again)['url'] as string).origin).toBe(second)
  expect(again.stderr).toContain('URLs saved there do not work here')
  await world.jnode('stop', '--all')
  await world.expectNothingLeft()
})

test('`stop --all` ends what it can reach, and says of the rest why not', async () => {
  const world = await makeWorld()
  await json(world, 'start', 'nb', '--port', await freePort())
  await world.jnode('disconnect')
  // Two sessions of another cluster, whose head node is not there. Its name stands before the one that answers.
  const sessions = `${world.laptop.home}/.local/state/jnode/sessions`
  const facts = JSON.parse(readFileSync(`${sessions}/fake/nb.json`, 'utf8')) as {remoteDir: string}
  const nowhere = {user: 'ada', host: '127.0.0.1', port: Number(await freePort())}
  mkdirSync(`${sessions}/elsewhere`)
  for (const name of ['far', 'off']) writeFileSync(`${sessions}/elsewhere/${name}.json`, JSON.stringify({...facts, name, jobName: `jnode-${name}`, remoteDir: facts.remoteDir.replace(/nb$/, name), cluster: 'elsewhere', hops: [nowhere], submittedAt: '2020-01-01T00:00:00.000Z'}))

  const ended = await world.jnode('stop', '--all')
  expect(ended).toMatchObject({exitCode: 3, stdout: ''})
  expect(ended.stderr).toMatch(/^nb is stopped; job 1 is gone\.$/m)
  expect(ended.stderr).toMatch(/^Error: far, off: .*127\.0\.0\.1/m)
  expect(world.cluster.grid.jobs()).toEqual([])
  // Not known to be gone, so not forgotten.
  expect(readdirSync(`${sessions}/elsewhere`).sort()).toEqual(['far.json', 'off.json'])
})

test('another port and a word when the session’s own is taken', async () => {
  const world = await makeWorld()
  const {localPort, url} = (await json(world, 'start', 'nb', '--port', await freePort())) as {localPort: number; url: string}
  const {hostname} = new URL(url)
  await world.jnode('disconnect')
  killHard(world, /guard\.js/)
  const thief = createServer()
  await expect.poll(() => new Promise((resolve) => thief.once('error', () => resolve(false)).listen(localPort, hostname, () => resolve(true)))).toBe(true)
  const moved = await world.jnode('connect', '--json')
  thief.close()
  expect(documentOf(moved)).toMatchObject({localPort: expect.not.toBeOneOf([localPort]) as number, url: expect.not.toBeOneOf([url]) as string})
  expect(moved.stderr).toMatch(new RegExp(`^Warning: Port ${localPort} cannot be had at ${hostname}, so the URL has changed: its port is now \\d+\\. Saved URLs do not fit\n$`))
})

test('--dry-run prints qsub’s line and the script, and submits nothing', async () => {
  const world = await makeWorld()
  const {qsub, jobScript} = (await json(world, 'start', 'nb', '--dry-run', '--cores', '2', '--mem', '1G', '--time', '1h')) as {qsub: string; jobScript: string}
  expect(qsub).toMatch(/^qsub .*-N jnode-nb .*-pe smp 2 -l h_rt=01:00:00 -l mem_free=512M .*\/\.jnode\/sessions\/nb\/job\.sh$/)
  expect(jobScript).toMatch(/^#!\/bin\/sh\n/)
  expect((await world.jnode('start', 'nb', '--dry-run')).stdout).toMatch(/^qsub .*\n\n#!\/bin\/sh\n/)
  await world.expectNothingLeft()
})

test('--no-wait submits and returns; connect waits for it', async () => {
  const world = await makeWorld({faults: {'never-schedules': true}})
  expect(await json(world, 'start', 'nb', '--no-wait')).toMatchObject({name: 'nb', jobId: '1', state: 'queued', tunnel: 'closed', url: null, keeperPid: null})
  const run = world.launch(['connect', 'nb', '-d', '--no-browser'])
  await run.prints(/Wait for a node/)
  world.cluster.clear('never-schedules')
  expect(await run.ended).toMatchObject({exitCode: 0, stdout: matching(/^http:/)})
})

test('a profile stands for its flags, and a flag for more than a profile', async () => {
  const world = await makeWorld()
  writeFileSync(world.laptop.configFile, `${readFileSync(world.laptop.configFile, 'utf8')}\n[profiles.big]\ncores = 3\nmem = "3G"\napp = "notebook"\n`)
  const {qsub, jobScript} = (await json(world, 'start', '--profile', 'big', '--mem', '6G', '--dry-run')) as {qsub: string; jobScript: string}
  expect(qsub).toMatch(/-pe smp 3 .*mem_free=2G/)
  expect(jobScript).toContain('app=notebook')
  expect(documentOf(await world.jnode('start', '--profile', 'bug', '--json'))).toMatchObject({error: {code: 'config', hint: matching(/Did you mean "big"/)}})
})

test('a name that is taken on the cluster costs nothing, and leaves the one who has it alone', async () => {
  const world = await makeWorld()
  const started = await json(world, 'start', 'nb')
  const again = await world.jnode('start', 'nb', '--json')
  expect(again.exitCode).toBe(2)
  expect(documentOf(again)).toMatchObject({error: {code: 'session-exists', hint: matching(/`jnode connect nb`/)}})
  expect(await json(world, 'status', 'nb')).toEqual(started)
  expect(await statusThrough(started['url'] as string)).toBe(200)
})

/** A browser that writes down what it is given, and where that leads. */
function browserOf({laptop}: World): {path: string; given(): string; ledTo(): string} {
  const path = `${laptop.home}/browser`
  writeFileSync(path, `#!${process.execPath}\nconst fs = require('fs'); fs.appendFileSync(${JSON.stringify(`${path}.seen`)}, process.argv.at(-1) + '\\n'); fetch(process.argv.at(-1), {redirect: 'manual'}).then((answer) => fs.writeFileSync(${JSON.stringify(`${path}.led`)}, answer.headers.get('location') ?? ''))\n`, {mode: 0o755})
  const read = (file: string) => (existsSync(file) ? readFileSync(file, 'utf8') : '')
  return {path, given: () => read(`${path}.seen`), ledTo: () => read(`${path}.led`)}
}

test('the browser opens on a page of this computer, not with the token on its command line', async () => {
  const world = await makeWorld()
  const browser = browserOf(world)
  const {stdout} = await world.jnode('start', 'nb', '-d', '--browser', browser.path)
  const [url] = stdout.split('\n')
  expect(browser.given()).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/[0-9a-f]+\n$/)
  await expect.poll(browser.ledTo).toBe(url)
})

test('with --detach the browser opens while the job waits, once, on a page that becomes the server’s', async () => {
  const world = await makeWorld({faults: {'never-schedules': true}})
  const browser = browserOf(world)
  const run = world.launch(['start', 'nb', '-d', '--browser', browser.path])
  await expect.poll(browser.ledTo, {timeout: 30_000}).toMatch(/^http:\/\/127(?:\.\d+){3}:\d+\/\?token=\w+$/)
  const early = browser.ledTo()
  const waiting = await fetch(early, {headers: {accept: 'text/html'}})
  // `fetch` calls itself no navigation, so it gets the words without the page.
  expect([waiting.status, await waiting.json()]).toEqual([503, {message: expect.stringMatching(/^Session nb waits for a compute node\./) as string, reason: 'jnode: no connection'}])
  world.cluster.clear('never-schedules')
  const {stdout} = await run.ended
  const [url] = stdout.split('\n')
  expect(new URL(url!).host).toBe(new URL(early).host)
  expect(new URL(url!).search).toBe(new URL(early).search)
  expect((await fetch(early)).status).toBe(200)
  expect(browser.given().match(/\n/g)).toHaveLength(1)
  await world.jnode('stop', 'nb')
  await world.expectNothingLeft()
})
