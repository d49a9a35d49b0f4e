/** What the world refuses: each with its own sentence, hint and exit code, and nothing left behind. */
import {afterEach, describe, expect, onTestFinished, test} from 'vitest'
import type {SessionView} from '../../src/flows/session-view.ts'
import {answers, jnodeIn, nothingLeft, OPEN, sweep} from './jnode.ts'
import {until} from './run.ts'
import {useLab} from './use-lab.ts'

const lab = await useLab()
const jnode = jnodeIn(lab)

afterEach(async ({task}) => {
  if (task.result?.state === 'fail') await sweep(lab)
})

/** alice's file of this name may be changed: it is as before when the test is over. */
async function changeSsh(file: 'config' | 'known_hosts'): Promise<void> {
  onTestFinished(async () => void (await lab.exec('laptop', 'alice', `cd ~/.ssh && mv ${file}.before ${file}`)))
  await lab.exec('laptop', 'alice', `cd ~/.ssh && cp ${file} ${file}.before`)
}

const matching = (text: string | RegExp) => expect.stringMatching(text) as string

describe('the way', () => {
  test.each([
    ['an unknown host', '--host nosuch.example', 3, 'unreachable', /No host is called nosuch\.example/, /name/],
    ['an unknown host behind the gateway', '--host nosuch.example --jump gateway', 3, 'unreachable', /nosuch\.example/, /./],
    ['a refused connection', '--host gateway:2222', 3, 'unreachable', /gateway.* refused the connection on port 2222/, /port/],
    ['a refused connection behind the gateway', '--host head:2222', 3, 'unreachable', /head.* refused the connection on port 2222 from gateway/, /port/],
    ['a host that the gateway cannot reach', '--host node1 --jump gateway', 3, 'unreachable', /node1/, /./],
    ['another user', '--host bob@head', 3, 'login-failed', /bob@head refused the login/, /key/],
    ['a user who does not exist', '--host nobody9@gateway', 3, 'login-failed', /nobody9@gateway refused the login/, /key/],
    ['a host without Grid Engine', '--host gateway', 5, 'no-grid-engine', /qsub/, /sge_setup|--host/],
  ] as const)('%s', async (_, where, exitCode, code, message, hint) => {
    expect(await jnode.fails(`start x ${where}`)).toEqual({exitCode, code, message: matching(message), hint: matching(hint)})
    await nothingLeft(lab)
  })

  test('a host key that has changed, and one never seen: nobody logs in', async () => {
    await changeSsh('known_hosts')
    const other = (await lab.hostKey('node2')).split(' ').slice(0, 2).join(' ')
    const changed = (await lab.exec('laptop', 'alice', 'cat ~/.ssh/known_hosts')).stdout.replace(/^(head\S*) .*$/m, `$1 ${other}`)
    await lab.exec('laptop', 'alice', 'cat >~/.ssh/known_hosts', {input: changed})
    const logins = await lab.accepted('head')
    const refused = await jnode.fails('start x --host head')
    await lab.exec('laptop', 'alice', 'sed -i /^head/d ~/.ssh/known_hosts')
    const unknown = await jnode.fails('start x --host head')
    const written = (await lab.exec('laptop', 'alice', 'cat ~/.ssh/known_hosts')).stdout
    expect(refused).toMatchObject({exitCode: 4, code: 'host-key', message: matching(/head/), hint: matching(/./)})
    expect(refused.message).toMatch(/changed|another|differ/)
    expect(unknown).toMatchObject({exitCode: 4, code: 'host-key', message: matching(/head/)})
    expect(unknown.message).not.toBe(refused.message)
    expect(written).not.toMatch(/^head/m)
    expect(await lab.accepted('head', logins)).toBe(0)
    await nothingLeft(lab)
  })

  test('a key that the server does not know', async () => {
    await changeSsh('config')
    await lab.exec('laptop', 'alice', 'cd ~/.ssh && rm -f stray* && ssh-keygen -q -t ed25519 -N "" -f stray && printf "Host gateway\\n  IdentityFile ~/.ssh/stray\\n  IdentitiesOnly yes\\n" | cat - config.before >config')
    const refused = await jnode.fails('start x --host head')
    expect(refused).toMatchObject({exitCode: 3, code: 'login-failed', message: matching(/gateway refused the login/)})
    await nothingLeft(lab)
  })
})

describe('Grid Engine', () => {
  test.each([
    ['an unknown parallel environment', '--cores 2 --pe nosuch', /nosuch/, /--pe/],
    ['an unknown queue', '--queue nosuch', /nosuch/, /--queue/],
    ['an unknown resource', '--sge-arg=-l --sge-arg=nosuch=1', /nosuch/, /--sge-arg|qconf/],
    ['an unknown node', '--node nosuch', /nosuch/, /--node/],
    ['an unknown project', '--project nosuch', /nosuch/, /--project/],
  ] as const)('%s is rejected', async (_, flags, message, hint) => {
    const failure = await jnode.fails(`start x --host head ${flags}`)
    expect(failure).toMatchObject({exitCode: 5, message: matching(message), hint: matching(hint)})
    await nothingLeft(lab)
  })

  test('a dry run tells of what would be refused, and shows the line all the same', async () => {
    const {exitCode, stdout, stderr} = await jnode.run('start x --host head --queue nosuch --dry-run')
    expect({exitCode, stdout}).toMatchObject({exitCode: 0, stdout: matching(/^qsub .*-q nosuch /)})
    expect(stderr).toMatch(/Warning: Grid Engine rejected the job: .*nosuch[^]*--queue/)
    await nothingLeft(lab)
  })

  test.each([
    ['more slots than a node has', '--cores 64', /can never run/, /--cores/],
    ['more memory than a node has', '--mem 900G', /can never run/, /--mem/],
    ['more GPUs than a node has', '--gpus 9', /can never run/, /--gpus/],
  ] as const)('%s can never run', async (_, flags, message, hint) => {
    expect(await jnode.fails(`start x --host head ${flags}`)).toMatchObject({exitCode: 5, code: 'never-runs', message: matching(message), hint: matching(hint)})
    await nothingLeft(lab)
  })

  test('somebody else’s job and session cannot be stopped', async () => {
    const theirs = await jnode.ok('start theirs --host head --no-wait', {user: 'bob'})
    expect(await jnode.fails(`stop ${theirs.jobId} --host head`)).toMatchObject({exitCode: 5, code: 'not-yours', message: matching(`Job ${theirs.jobId} belongs to bob`)})
    expect(await jnode.fails('stop theirs --host head')).toMatchObject({exitCode: 8, code: 'no-session'})
    expect(await jnode.ok<{stopped: unknown[]}>('stop --all --host head')).toEqual({stopped: []})
    expect(await lab.jobs('bob')).toMatchObject([{id: theirs.jobId}])
    await jnode.ok('stop theirs', {user: 'bob'})
    await nothingLeft(lab)
  })
})

test('a local port that is taken costs no job', async () => {
  const listener = lab.spawn('laptop', 'bob', ['node', '-e', `require('net').createServer().listen(8888, '0.0.0.0', () => console.log('listening'))`])
  onTestFinished(() => void listener.kill())
  await new Promise((resolve) => listener.stdout!.once('data', resolve))
  const logins = await lab.accepted('gateway')
  expect(await jnode.fails('start x --host head --port 8888')).toMatchObject({exitCode: 2, code: 'port-taken', message: matching('8888')})
  expect(await lab.accepted('gateway', logins)).toBe(0)
  const session = await jnode.ok('start x --host head')
  expect(session.localPort).toBe(8889)
  expect(await answers(lab, session.url!)).toEqual(OPEN)
  await jnode.ok('stop')
  listener.kill()
  await nothingLeft(lab)
})

test('while Grid Engine is down a session is unknown, never ended; its tunnel goes on; nothing is stopped or started', async () => {
  const session = await jnode.ok('start up --host head')
  await lab.stopDaemon('head', 'sge_qmaster', 'KILL')
  expect(await jnode.ok<{sessions: SessionView[]}>('list')).toMatchObject({sessions: [{name: 'up', state: 'unknown', tunnel: 'connected', url: session.url, reason: matching(/Grid Engine/)}]})
  expect(await jnode.ok('status')).toMatchObject({state: 'unknown', jobId: session.jobId})
  expect(await answers(lab, session.url!)).toEqual(OPEN)
  expect(await jnode.fails('start x --host head')).toMatchObject({exitCode: 5, code: 'no-grid-engine'})
  await lab.startDaemon('head', 'sge_qmaster')
  await until('the session is ready again', async () => (await jnode.ok('status')).state === 'ready', 60_000)
  expect(await answers(lab, session.url!)).toEqual(OPEN)
  await lab.nodesReady()
  await jnode.ok('stop')
  await nothingLeft(lab)
})
