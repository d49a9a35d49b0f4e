/** Whatever ends a `start` before its server is ready: nothing is left, and the words say why. */
import {afterEach, describe, expect, onTestFinished, test} from 'vitest'
import {fillSlots, jnodeIn, leftovers, nothingLeft, sweep} from './jnode.ts'
import {until} from './run.ts'
import {fqdn} from './topology.ts'
import {useLab} from './use-lab.ts'

const lab = await useLab()
const jnode = jnodeIn(lab)

afterEach(async ({task}) => {
  if (task.result?.state === 'fail') await sweep(lab)
})

/** Until the test is over, this sshd lets callers wait. */
async function freeze(host: 'gateway' | 'node1'): Promise<void> {
  const signal = (name: 'STOP' | 'CONT') => lab.exec(host, 'root', `kill -${name} $(cat /run/sshd.pid)`, {cwd: '/'})
  onTestFinished(async () => void (await signal('CONT')))
  await signal('STOP')
}

/** Runs a command now, and another one when the test is over. */
async function meanwhile({host, user}: {host: 'head' | 'laptop'; user: string}, now: string, after: string): Promise<void> {
  onTestFinished(async () => void (await lab.exec(host, user, after, {cwd: '/'})))
  await lab.exec(host, user, now, {cwd: '/'})
}

describe('Ctrl-C', () => {
  test('while logging in', async () => {
    await freeze('gateway')
    const start = jnode.spawn('start c1 --host head')
    await start.says('Log in to head')
    start.signal('SIGINT')
    expect(await start.ended).toMatchObject({exitCode: 130, stdout: '', stderr: expect.stringContaining('Interrupted') as string})
    await nothingLeft(lab)
  })

  test.each([
    ['while qsub is being asked', 'Submit the job'],
    ['right after qsub', /Job \d+ submitted/],
    ['while Jupyter starts', 'Start Jupyter on node'],
  ])('%s', async (_, moment) => {
    const start = jnode.spawn('start c2 --host head')
    await start.says(moment)
    start.signal('SIGINT')
    expect(await start.ended).toMatchObject({exitCode: 130, stdout: ''})
    await nothingLeft(lab)
  })

  test('while a set-up line runs on the node, in a terminal', async () => {
    const start = jnode.spawn('start c3 --host head --setup "sleep 300"', {terminal: true})
    await start.says('Start Jupyter on node')
    start.type('\x03')
    const {exitCode, stdout} = await start.ended
    expect({exitCode, stdout}).toEqual({exitCode: 130, stdout: expect.stringContaining('Interrupted') as string})
    await nothingLeft(lab)
  })

  test('while the job waits, in the foreground and for a keeper', async () => {
    const free = await fillSlots(lab)
    const starts = [jnode.spawn('start c4 --host head'), jnode.spawn('start c5 --host head --detach')]
    for (const start of starts) await start.says('queue instances are full')
    expect((await lab.jobs('alice')).map(({state}) => state)).toEqual(['qw', 'qw'])
    for (const start of starts) start.signal('SIGINT')
    for (const start of starts) expect(await start.ended).toMatchObject({exitCode: 130, stdout: ''})
    await free()
    await nothingLeft(lab)
  })

  test('twice ends at once; `stop` then removes what is left', async () => {
    const start = jnode.spawn('start c6 --host head --setup "sleep 300"')
    await start.says('Start Jupyter on node')
    start.signal('SIGINT')
    await start.says('Clean up')
    start.signal('SIGINT')
    expect((await start.ended).exitCode).not.toBe(0)
    const stop = await jnode.json('stop c6 --host head')
    // The first Ctrl-C may have got through by then.
    expect([0, 8]).toContain(stop.exitCode)
    await nothingLeft(lab)
  })

  test('is not needed: what a start killed in the queue leaves, `stop` removes', async () => {
    const start = jnode.spawn('start c7 --host head --sge-arg=-h')
    await start.says(/Job \d+ submitted/)
    start.signal('SIGKILL')
    await start.ended
    expect(await jnode.ok<{sessions: unknown[]}>('list')).toMatchObject({sessions: [{name: 'c7', state: 'held', tunnel: 'closed'}]})
    expect(await jnode.ok('stop c7')).toMatchObject({stopped: [{name: 'c7', was: 'waiting'}]})
    await nothingLeft(lab)
  })
})

describe('a job that fails', () => {
  test('says in which step, with the end of its log', async () => {
    const [module, conda, app, dir, setup] = await Promise.all([
      jnode.fails('start f1 --host head --module nothere/1.0'),
      jnode.fails('start f2 --host head --conda nothere'),
      jnode.fails('start f3 --host head --app lab'),
      jnode.fails('start f4 --host head --dir /nowhere/at/all'),
      jnode.fails('start f5 --host head --setup "echo the licence is gone; false"'),
    ])
    const failed = (message: RegExp, hint: string) => ({
      exitCode: 6, code: 'job-failed', message: expect.stringMatching(message) as string, hint: expect.stringContaining(hint) as string,
    })
    expect({module, conda, app, dir, setup}).toEqual({
      module: failed(/module/, '--module'),
      conda: failed(/there is no conda here/, '--module'),
      app: failed(/jupyter-lab is not on PATH \(there is: notebook server\)/, '--app'),
      dir: failed(/cannot enter the directory \/nowhere\/at\/all/, '--dir'),
      setup: failed(/this set-up line failed: echo the licence is gone; false[^]*last lines of its log:[^]*the licence is gone/, 'line'),
    })
    await nothingLeft(lab)
  })

  test('is told from one that was deleted while it started', async () => {
    const start = jnode.spawn('start f6 --host head --setup "sleep 300"')
    await start.says('Start Jupyter on node')
    const [job] = await lab.jobs('alice')
    await lab.exec('head', 'root', ['qdel', job!.id])
    expect(await start.ended).toMatchObject({exitCode: 6, stdout: '', stderr: expect.stringMatching(new RegExp(`Error: Job ${job!.id} ended: .*deleted`)) as string})
    await nothingLeft(lab)
  })

  test('is told from one killed without a warning', async () => {
    const start = jnode.spawn('start f7 --host head --node node1 --setup "sleep 300"')
    await start.says('Start Jupyter on node1')
    await lab.exec('node1', 'root', 'pkill -KILL -u alice', {cwd: '/'})
    const {exitCode, stderr} = await start.ended
    expect({exitCode, stderr}).toEqual({exitCode: 6, stderr: expect.stringMatching(/Error: Job \d+ ended: /) as string})
    await nothingLeft(lab)
  })

  test('in Grid Engine’s error state is removed, with the reason', async () => {
    const failure = await jnode.fails('start f8 --host head --sge-arg=-wd --sge-arg=/nowhere')
    expect(failure).toMatchObject({exitCode: 6, code: 'job-failed', message: expect.stringMatching(/Job \d+ cannot start\. .*\/nowhere/) as string})
    await nothingLeft(lab)
  })
})

test('--wait gives up on a job that does not start', async () => {
  const free = await fillSlots(lab)
  const failure = await jnode.fails('start w1 --host head --wait 6s')
  expect(failure).toMatchObject({exitCode: 7, code: 'gave-up', message: expect.stringContaining('not ready within 6 s') as string})
  await free()
  await nothingLeft(lab)
})

test('--wait gives up on a node that lets nobody in', async () => {
  await freeze('node1')
  const failure = await jnode.fails('start w2 --host head --node node1 --wait 8s')
  expect(failure).toMatchObject({exitCode: 7, code: 'gave-up'})
  await nothingLeft(lab)
})

test('a node that refuses the login is named, and the job removed', async () => {
  onTestFinished(() => lab.startDaemon('node2', 'sshd'))
  await lab.stopDaemon('node2', 'sshd')
  const failure = await jnode.fails('start w3 --host head --node node2 --route socket')
  expect(failure).toMatchObject({exitCode: 9, code: 'no-route', message: expect.stringContaining(fqdn('node2')) as string})
  await nothingLeft(lab)
})

describe('a home directory', () => {
  test('that is full is said to be so', async () => {
    const disk = '/home/alice/.jnode'
    await meanwhile({host: 'head', user: 'root'}, `mkdir -p ${disk} && mount -t tmpfs -o size=8k,uid=4001,gid=4001,mode=700 tmpfs ${disk}`, `umount ${disk} && rm -r ${disk}`)
    const failure = await jnode.fails('start h1 --host head')
    expect(failure).toMatchObject({exitCode: 5, code: 'remote-storage', message: expect.stringMatching(/Cannot store the session below \/home\/alice\/\.jnode\/sessions on alice@head: .*No space left on device/) as string})
    await nothingLeft(lab)
  })

  test('that cannot be written to is said to be so', async () => {
    await meanwhile({host: 'head', user: 'root'}, 'rm -rf /home/alice/.jnode && chmod 500 /home/alice', 'chmod 700 /home/alice')
    const failure = await jnode.fails('start h2 --host head')
    expect(failure).toMatchObject({exitCode: 5, code: 'remote-storage', message: expect.stringContaining('Permission denied') as string})
    await nothingLeft(lab)
  })

  test('of this computer that cannot be written to costs no job', async () => {
    const folder = '~/.local/state/jnode/sessions/head'
    await meanwhile({host: 'laptop', user: 'alice'}, `mkdir -p ${folder} && chmod 500 ${folder}`, `chmod 700 ${folder}`)
    const failure = await jnode.fails('start h3 --host head')
    expect(failure).toMatchObject({exitCode: 2, code: 'config', message: expect.stringContaining('permission denied') as string})
    await nothingLeft(lab)
  })
})

test('a start that is over leaves its name free', async () => {
  const first = await jnode.fails('start again --host head --setup false')
  expect(first.exitCode).toBe(6)
  await jnode.ok('start again --host head')
  expect(await jnode.fails('start again --host head')).toMatchObject({exitCode: 2, code: 'session-exists', hint: expect.stringContaining('jnode connect again') as string})
  await jnode.ok('stop again')
  await until('nothing is left', async () => (await leftovers(lab)).length === 0)
})
