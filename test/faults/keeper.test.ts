/** What happens to the process that holds the tunnel, and to the laptop it runs on. */
import {afterEach, describe, expect, onTestFinished, test} from 'vitest'
import type {SessionView} from '../../src/flows/session-view.ts'
import {answers, countLogins, jnodeIn, nothingLeft, OPEN, pageOf, statusOf, sweep} from '../cluster/jnode.ts'
import {openKernel} from '../cluster/kernel.ts'
import {ensurePackages} from '../cluster/packages.ts'
import {run, until} from '../cluster/run.ts'
import {useLab} from '../cluster/use-lab.ts'
import {figure, seconds, through} from './scene.ts'

const lab = await useLab()
const jnode = jnodeIn(lab)

afterEach(async ({task}) => {
  if (task.result?.state === 'fail') await sweep(lab)
})

const signal = async (name: 'STOP' | 'CONT' | 'KILL', pid: number) => void (await lab.exec('laptop', 'alice', ['kill', `-${name}`, String(pid)]))
const matching = (text: string | RegExp) => expect.stringMatching(text) as string

test('stopped for 2 min and continued', async () => {
  await through(lab, 'stopped', async ({session, tunnelIs}) => {
    await signal('STOP', session.keeperPid)
    await seconds(120)
    await signal('CONT', session.keeperPid)
    await tunnelIs('connected')
  })
})

test('stopped: every command says so within seconds, and so it can be ended by force', async () => {
  await through(lab, 'hangs', async ({session}) => {
    await signal('STOP', session.keeperPid)
    const from = Date.now()
    const failure = {exitCode: 2, code: 'session-exists', message: `The tunnel of hangs is held by a process that does not answer (${session.keeperPid})`, hint: matching(`kill -9 ${session.keeperPid}`)}
    expect(await jnode.fails('disconnect --all')).toMatchObject(failure)
    await figure('disconnect --all with a keeper that hangs', `${((Date.now() - from) / 1000).toFixed(1)} s`)
    expect(await jnode.fails('connect hangs')).toMatchObject(failure)
    expect((await jnode.ok<{sessions: SessionView[]}>('list')).sessions).toMatchObject([{name: 'hangs', state: 'ready'}])
    await signal('KILL', session.keeperPid)
    expect(await jnode.ok('connect hangs')).toMatchObject({url: session.url, tunnel: 'connected'})
  })
})

test('killed: `connect` goes on by the same URL', async () => {
  await through(lab, 'killed', async ({session, kernel}) => {
    await signal('KILL', session.keeperPid)
    await until('the port is free', async () => (await statusOf(lab, pageOf(session.url, 'api/status'))) === 'ECONNREFUSED')
    expect((await jnode.ok<{sessions: SessionView[]}>('list')).sessions).toMatchObject([{name: 'killed', state: 'ready', tunnel: 'closed'}])
    expect(await jnode.ok('connect killed')).toMatchObject({url: session.url, tunnel: 'connected'})
    await until('the websocket is back', () => kernel.history().at(-1) === 'opened')
  })
})

describe('its clock jumps by an hour', () => {
  test.each([['forward', 1], ['back', -1]])('%s: nothing is lost, and nobody logs in anew', async (_, hours) => {
    await ensurePackages(['libfaketime'])
    const files = await run(['dpkg-query', '-L', 'libfaketime'])
    const library = files.split('\n').find((line) => line.endsWith('/libfaketime.so.1'))!
    const set = (offset: number) => lab.exec('laptop', 'alice', `echo ${offset < 0 ? '' : '+'}${offset}h >~/clock.new && mv ~/clock.new ~/clock`)
    // Where the library keeps what its processes share.
    await lab.exec('laptop', 'root', 'chmod 1777 /dev/shm', {cwd: '/'})
    onTestFinished(async () => void (await lab.exec('laptop', 'alice', 'rm -f ~/clock /dev/shm/*faketime*')))
    await set(0)
    // Of all processes only the keeper has this clock; the time that timers go by stays as it is, as on a real computer.
    const clock = `LD_PRELOAD=${library} FAKETIME_TIMESTAMP_FILE=/home/alice/clock FAKETIME_NO_CACHE=1 FAKETIME_DONT_FAKE_MONOTONIC=1`
    const {stdout} = await lab.exec('laptop', 'alice', `${clock} exec /srv/jnode/bin/run.js start clock --host head --json`)
    const session = JSON.parse(stdout) as SessionView & {url: string; keeperPid: number}
    const kernel = await openKernel(lab, session.url)
    const logins = await countLogins(lab)
    await set(hours)
    // It looks once a second, and gives the connection 4 s to answer.
    await seconds(10)
    await kernel.survives()
    expect(kernel.history()).toEqual(['opened'])
    expect(await logins()).toEqual({gateway: 0, head: 0, node1: 0, node2: 0})
    await jnode.ok('disconnect clock')
    const time = await until('the keeper’s last word', async () => (await lab.exec('laptop', 'alice', `grep "${session.keeperPid} clock: disconnected" ~/.local/state/jnode/keeper.log | tail -n 1`)).stdout.split(' ')[0] || false)
    expect(Math.round((Date.parse(time) - Date.now()) / 3_600_000)).toBe(hours)
    expect(await jnode.ok('connect clock')).toMatchObject({url: session.url, tunnel: 'connected'})
    await kernel.survives()
    kernel.close()
    await jnode.ok('stop clock')
    await lab.exec('laptop', 'alice', 'rm -f /dev/shm/*faketime*')
    await nothingLeft(lab)
  })
})

test('reconnecting, and a `connect` that gets no further: it goes on by itself', async () => {
  onTestFinished(() => lab.link('laptop').up())
  await through(lab, 'tries', async ({tunnelIs}) => {
    await lab.link('laptop').down()
    await tunnelIs('reconnecting')
    expect((await jnode.run('connect tries')).exitCode).toBe(3)
    await lab.link('laptop').up()
    await tunnelIs('connected')
  }, {cut: true})
})

test('in a terminal and taken over by another one, which it says', async () => {
  const held = jnode.spawn('start taken --host head -v')
  await held.says('Ctrl-C closes the tunnel')
  await lab.stopDaemon('gateway', 'sshd')
  onTestFinished(async () => void (await lab.startDaemon('gateway', 'sshd').catch(() => {})))
  await lab.exec('gateway', 'root', 'pkill -KILL -x sshd; true', {cwd: '/'})
  await held.says('reconnect 5 failed') // the next try is 16 s away at least
  await lab.startDaemon('gateway', 'sshd')
  expect(await jnode.ok('connect taken')).toMatchObject({tunnel: 'connected', localPort: 8888})
  expect((await held.ended).stderr).toContain('The tunnel was taken over by `jnode connect` in another place')
  await jnode.ok('stop taken')
})

test('Ctrl-C during a stop that takes its time ends the command, and the keeper goes on with it', async () => {
  const session = await jnode.ok('start slow --host head --node node1')
  onTestFinished(async () => void (await lab.startDaemon('node1', 'sge_execd').catch(() => {})))
  await lab.stopDaemon('node1', 'sge_execd')
  const stop = jnode.spawn('stop slow')
  await until('the job is being deleted', async () => (await lab.jobs('alice')).some(({state}) => state.includes('d')))
  stop.signal('SIGINT')
  expect(await stop.ended).toMatchObject({exitCode: 130, stderr: matching(`Interrupted; process ${session.keeperPid} goes on with ending slow`)})
  await lab.startDaemon('node1', 'sge_execd')
  await until('the keeper has ended the session', async () => (await lab.processes('laptop', 'alice')).length === 0, 240_000)
  await lab.nodesReady()
  await nothingLeft(lab)
})

test('an older one whose program is gone: it reconnects, and newer commands get along with it', async () => {
  const older = `rm -rf ~/older && mkdir ~/older && cd /srv/jnode && cp -r bin dist package.json ~/older && ln -s /srv/jnode/node_modules ~/older/ && sed -i 's/"0\\.1\\.0"/"0.0.9"/g' ~/older/package.json ~/older/dist/*.js`
  onTestFinished(async () => void (await lab.exec('laptop', 'alice', 'rm -rf ~/older')))
  await lab.exec('laptop', 'alice', older)
  const {stdout} = await lab.exec('laptop', 'alice', '~/older/bin/run.js start upgraded --host head --json', {env: {JNODE_NO_BROWSER: 'true'}})
  const session = JSON.parse(stdout) as {url: string; keeperPid: number; name: string}
  await lab.exec('laptop', 'alice', 'rm -rf ~/older')
  const kernel = await openKernel(lab, session.url)
  await lab.endSessions('gateway')
  await kernel.survives()
  expect((await jnode.ok<{sessions: SessionView[]}>('list')).sessions).toMatchObject([{name: 'upgraded', state: 'ready', keeperPid: session.keeperPid}])
  expect(await jnode.ok('connect upgraded')).toMatchObject({url: session.url, keeperPid: session.keeperPid})
  await jnode.ok('disconnect upgraded')
  expect(await jnode.ok('connect upgraded')).toMatchObject({url: session.url, tunnel: 'connected'})
  await kernel.survives()
  kernel.close()
  await jnode.ok('stop upgraded')
})

test('the laptop loses its power', async () => {
  await through(lab, 'dark', async ({session, kernel}) => {
    await lab.powerCut('laptop')
    kernel.close()
    await lab.boot('laptop')
    expect((await jnode.ok<{sessions: SessionView[]}>('list')).sessions).toMatchObject([{name: 'dark', state: 'ready', tunnel: 'closed', jobId: session.jobId}])
    expect(await jnode.ok('connect dark')).toMatchObject({url: session.url, tunnel: 'connected'})
  })
})

describe('`disconnect --all`, as before sleep', () => {
  test('is quick, and nothing of it is left on the servers', async () => {
    await through(lab, 'sleeps', async ({session, kernel}) => {
      kernel.close()
      const from = Date.now()
      expect(await jnode.ok('disconnect --all')).toEqual({disconnected: ['sleeps']})
      await figure('disconnect --all', `${((Date.now() - from) / 1000).toFixed(1)} s`)
      for (const host of ['gateway', 'head', 'node1', 'node2'] as const) {
        await until(`no session of alice's on ${host}`, async () => !(await lab.processes(host, 'alice')).some(({command}) => command === 'sshd'))
      }
      expect(await jnode.ok('connect sleeps')).toMatchObject({url: session.url})
    })
  })

  test('is as quick when the network is gone already', async () => {
    onTestFinished(() => lab.link('laptop').up())
    await through(lab, 'sleeps', async ({session, kernel}) => {
      kernel.close()
      await lab.link('laptop').down()
      const from = Date.now()
      expect(await jnode.ok('disconnect --all')).toEqual({disconnected: ['sleeps']})
      await figure('disconnect --all without a network', `${((Date.now() - from) / 1000).toFixed(1)} s`)
      await until('the keeper is gone', async () => !(await lab.processes('laptop', 'alice')).some(({args}) => args.includes('keeper.js')))
      await lab.link('laptop').up()
      expect(await jnode.ok('connect sleeps')).toMatchObject({url: session.url})
      expect(await answers(lab, session.url)).toEqual(OPEN)
    })
  })
})
