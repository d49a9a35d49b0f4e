import {existsSync, readFileSync, writeFileSync} from 'node:fs'
import {join} from 'node:path'
import {describe, expect, onTestFinished, test, vi} from 'vitest'
import type {Faults} from '../../fake-cluster/faults.ts'
import {startFakeCluster, type FakeCluster, type FakeClusterOptions} from '../../fake-cluster/cluster.ts'
import {JnodeError} from '../../../src/errors.ts'
import {emptySecrets, makeAuth} from '../../../src/ssh/auth.ts'
import {sshDoor} from '../../../src/ssh/door.ts'
import {noPrompter, type Prompter} from '../../../src/ssh/prompt.ts'
import {keyTools, openSsh, type DoorKeeper, type SshRemote} from '../../../src/ssh/transport.ts'
import {rejectionOf} from '../expect-error.ts'
import {hopTo} from './login-peer.ts'

const interrupted = () => new JnodeError('interrupted', 'Interrupted')

const HEAD = [{user: null, host: 'head', port: null}]

async function makeCluster(options: FakeClusterOptions = {}): Promise<FakeCluster> {
  const cluster = await startFakeCluster(options)
  onTestFinished(() => cluster.close())
  return cluster
}

function doorOf(cluster: FakeCluster, prompter: Prompter = noPrompter) {
  return sshDoor({env: cluster.laptop.env, prompter, secrets: emptySecrets(), tell: () => {}, machines: new Map(), knownHosts: null, nodesFile: join(cluster.laptop.home, 'nodes')})
}

async function logIn(cluster: FakeCluster): Promise<SshRemote> {
  const remote = await doorOf(cluster).open(HEAD)
  onTestFinished(() => remote.close())
  return remote
}

const noConnections = async (cluster: FakeCluster) => expect.poll(() => cluster.connections('gateway') + cluster.connections('head')).toBe(0)

test('one login per hop, whatever is run; closing leaves no connection', async () => {
  const cluster = await makeCluster()
  const remote = await logIn(cluster)
  const answers = await remote.run(['hostname', 'echo error >&2; exit 3', 'cat', 'printf %s "no line end"'])
  expect(answers).toEqual([
    {exitCode: 0, stdout: 'head.local\n', stderr: ''},
    {exitCode: 3, stdout: '', stderr: 'error\n'},
    {exitCode: 0, stdout: '', stderr: ''},
    {exitCode: 0, stdout: 'no line end', stderr: ''},
  ])
  await Promise.all(Array.from({length: 8}, () => remote.run(['true'])))
  const node = await doorOf(cluster).nodeThrough(remote, {name: 'node1.local', hostKeys: []})
  expect((await node.run(['hostname']))[0]!.stdout).toBe('node1.local\n')
  expect([cluster.accepted('gateway'), cluster.accepted('head'), cluster.accepted('node1')]).toEqual([1, 1, 1])
  await node.close()
  await remote.close()
  expect(await remote.closed).toBe('the connection was closed')
  await noConnections(cluster)
  expect(await rejectionOf(remote.run(['true']))).toMatchObject({code: 'connection-lost', message: 'The connection to ada@head.local is gone'})
})

const SHELLS: NonNullable<Faults['login-shell']>[] = ['sh', 'bash', 'csh', 'tcsh', 'fish', 'zsh']

test.each(SHELLS.filter((shell) => existsSync(`/bin/${shell}`) || existsSync(`/usr/bin/${shell}`)))('answers are clean with %s as login shell and a banner of noise', async (shell) => {
  const cluster = await makeCluster({faults: {'login-shell': shell, banner: true}})
  const remote = await logIn(cluster)
  const text = `a'b"c\\d $HOME \`x\` !! \u00e9 \u{1F600}`
  expect(await remote.run([`printf '%s' '${text.replaceAll("'", "'\\''")}'`, 'exit 5'])).toEqual([
    {exitCode: 0, stdout: text, stderr: ''},
    {exitCode: 5, stdout: '', stderr: ''},
  ])
  const lines: string[] = []
  await remote.follow('echo one; echo two', (line) => lines.push(line), new AbortController().signal)
  expect(lines).toEqual(['one', 'two'])
})

test('a long answer arrives whole; one without end is refused', async () => {
  const remote = await logIn(await makeCluster())
  const [long] = await remote.run(["yes 'a line of the long answer' | head -c 8000000"])
  expect(long!.stdout.length).toBe(8_000_000)
  expect(new Set(long!.stdout.split('\n').slice(0, -1))).toEqual(new Set(['a line of the long answer']))
  expect(await rejectionOf(remote.run(['yes | head -c 20000000'], {maxBytes: 9_000_000}))).toMatchObject({message: 'A command on ada@head.local sent more than 9 MB, far more than the answer needs'})
  expect((await remote.run(['echo still here']))[0]!.stdout).toBe('still here\n')
})

test('a script that takes too long, and one that is given up, end alone', async () => {
  const remote = await logIn(await makeCluster())
  expect(await rejectionOf(remote.run(['sleep 60'], {timeoutMs: 300}))).toMatchObject({code: 'connection-lost', message: 'ada@head.local did not answer within 0 s'})
  const abort = new AbortController()
  const given = rejectionOf(remote.run(['sleep 60'], {signal: abort.signal}))
  abort.abort(interrupted())
  expect(await given).toMatchObject({code: 'interrupted'})
  expect((await remote.run(['echo still here']))[0]!.stdout).toBe('still here\n')
})

describe('a link that dies', () => {
  test('by a reset: what is under way fails at once, and closed tells', async () => {
    const cluster = await makeCluster()
    const remote = await logIn(cluster)
    const [running, following] = [rejectionOf(remote.run(['sleep 60'])), rejectionOf(remote.follow('sleep 60', () => {}, new AbortController().signal))]
    await expect.poll(() => cluster.connections('head')).toBe(1)
    await remote.run(['true'])
    cluster.cut('gateway')
    expect(await running).toMatchObject({code: 'connection-lost'})
    expect(await following).toMatchObject({code: 'connection-lost', message: 'The connection to ada@head.local broke off'})
    expect(await remote.closed).not.toBe('')
  })

  test('without a word: its silence is noticed', async () => {
    const cluster = await makeCluster()
    const config = join(cluster.laptop.home, '.ssh', 'config')
    writeFileSync(config, `${readFileSync(config, 'utf8')}  ServerAliveInterval 1\n  ServerAliveCountMax 1\n`)
    const remote = await logIn(cluster)
    cluster.cut('gateway', 'silent')
    expect(await remote.closed).toMatch(/ada@127\.0\.0\.1\S* has not answered for 2 s/)
    expect(await rejectionOf(remote.run(['true']))).toMatchObject({code: 'connection-lost'})
  })

  test('the next one works', async () => {
    const cluster = await makeCluster()
    const remote = await logIn(cluster)
    cluster.cut('gateway')
    await remote.closed
    expect((await (await logIn(cluster)).run(['echo again']))[0]!.stdout).toBe('again\n')
  })
})

describe('giving up while logging in', () => {
  test.each([[0], [100], [400]])('after %i ms of a slow link leaves no connection', async (ms) => {
    const cluster = await makeCluster({faults: {'slow-link': 60}})
    const abort = new AbortController()
    const opening = rejectionOf(doorOf(cluster).open(HEAD, abort.signal).then((remote) => remote.close()))
    setTimeout(() => abort.abort(interrupted()), ms)
    expect(await opening).toMatchObject({code: 'interrupted'})
    cluster.clear('slow-link')
    await noConnections(cluster)
  })

  test('while a host key is judged leaves no timer that keeps the program alive', async () => {
    const cluster = await makeCluster()
    vi.useFakeTimers({toFake: ['setTimeout', 'clearTimeout']})
    onTestFinished(() => void vi.useRealTimers())
    const abort = new AbortController()
    let judge!: () => void
    const judged = new Promise<void>((resolve) => {
      judge = resolve
    })
    const door: DoorKeeper = {
      witness: () => {}, quiet: true,
    acceptHostKey: () => {
        abort.abort(interrupted())
        return judged
      },
      hostKeyAlgorithms: () => ['ssh-ed25519'],
      logIn: (hop) => makeAuth(hop, {tools: keyTools, prompter: noPrompter, secrets: emptySecrets()}),
    }
    expect(await rejectionOf(openSsh([hopTo({port: cluster.headPort})], door, abort.signal).then(() => {}))).toMatchObject({code: 'interrupted'})
    const before = vi.getTimerCount()
    judge()
    await new Promise((turn) => setImmediate(turn))
    expect(vi.getTimerCount()).toBe(before)
  })

  test('while a password is asked for leaves no connection', async () => {
    const cluster = await makeCluster({logins: {head: {methods: ['password']}}})
    const abort = new AbortController()
    const person: Prompter = {
      canAsk: true,
      ask: () => {
        abort.abort(interrupted())
        return new Promise(() => {})
      },
    }
    expect(await rejectionOf(doorOf(cluster, person).open(HEAD, abort.signal))).toMatchObject({code: 'interrupted'})
    await noConnections(cluster)
  })
})

describe('a node that takes passwords only', () => {
  const passwordOnly = {methods: ['password']}
  const tried = (cluster: FakeCluster) => cluster.attempts('node1').filter(({method}) => method === 'password').map(({ok}) => ok)

  /** A person who types this for the head and the nodes; the head is logged in to. */
  async function behindTheHead(logins: FakeClusterOptions['logins'], {typed, ...options}: {typed: (text: string) => string; nodePassword?: 'same'}) {
    const cluster = await makeCluster({logins: {head: passwordOnly, node1: passwordOnly, ...logins}})
    const asked: string[] = []
    const secrets = emptySecrets()
    const person: Prompter = {
      canAsk: true,
      async ask({text}) {
        asked.push(text)
        return typed(text)
      },
    }
    const door = (prompter: Prompter) => sshDoor({env: cluster.laptop.env, prompter, secrets, tell: () => {}, machines: new Map(), knownHosts: null, nodesFile: join(cluster.laptop.home, 'nodes'), ...options})
    const head = await door(person).open(HEAD)
    onTestFinished(() => head.close())
    const [, key] = /^node1,node1\.local (.*)$/m.exec(cluster.knownHosts)!
    const toNode = (prompter: Prompter, hostKeys = [key!], granted = 'node1') => door(prompter).nodeThrough(head, {name: 'node1.local', hostKeys, granted})
    return {cluster, asked, secrets, unattended: (hostKeys?: string[]) => rejectionOf(toNode(noPrompter, hostKeys)), attended: () => toNode(person), toNode}
  }

  test('is not sent the head’s: the question names the node, and the answer serves it alone, until it is refused', async () => {
    const {cluster, asked, secrets, unattended, attended, toNode} = await behindTheHead({node1: {...passwordOnly, password: 'of the node'}}, {typed: (text) => (text.includes('node1') ? 'of the node' : 'correct horse')})
    expect(await unattended()).toMatchObject({code: 'login-failed'})
    expect(tried(cluster)).toEqual([])
    await (await attended()).close()
    expect(asked).toEqual(["ada@head.local's password: ", "ada@node1.local's password: "])
    await (await toNode(noPrompter)).close()
    expect(tried(cluster)).toEqual([true, true])
    expect(secrets.passwords).toEqual(new Map([['ada@head.local', 'correct horse'], ['ada@node1.local', 'of the node']]))
    cluster.setLogin('node1', {password: 'changed'})
    for (let again = 0; again < 3; again++) expect(await unattended()).toMatchObject({code: 'login-failed'})
    expect(tried(cluster)).toEqual([true, true, false])
    expect(secrets.passwords.get('ada@head.local')).toBe('correct horse')
  })

  test('is sent the head’s with node_password = "same", once its key is known, and not again where it is refused', async () => {
    const {cluster, asked, unattended, toNode} = await behindTheHead({}, {typed: () => 'correct horse', nodePassword: 'same'})
    expect(await unattended([])).toMatchObject({code: 'login-failed'})
    // A host that the job names and Grid Engine does not.
    expect(await rejectionOf(toNode(noPrompter, undefined, 'node2'))).toMatchObject({code: 'login-failed'})
    expect(tried(cluster)).toEqual([])
    await (await toNode(noPrompter)).close()
    await (await toNode(noPrompter)).close()
    expect(tried(cluster)).toEqual([true, true])
    cluster.setLogin('node1', {password: 'changed'})
    for (let again = 0; again < 3; again++) expect(await unattended()).toMatchObject({code: 'login-failed'})
    expect(tried(cluster)).toEqual([true, true, false])
    expect(asked).toHaveLength(1)
  })

  test('is not even connected to where what was typed for it was refused and nobody is there', async () => {
    const {cluster, unattended, toNode} = await behindTheHead({}, {typed: (text) => (text.includes('node1') ? 'wrong' : 'correct horse')})
    const person: Prompter = {canAsk: true, ask: async () => 'wrong'}
    expect(await rejectionOf(toNode(person))).toMatchObject({code: 'login-failed'})
    expect(tried(cluster)).toEqual([false, false, false])
    const before = cluster.attempts('node1').length
    expect(await unattended()).toMatchObject({code: 'login-failed'})
    expect(cluster.attempts('node1')).toHaveLength(before)
  })
})

test('a stream to where nobody listens is refused in words, and the link stands', async () => {
  const remote = await logIn(await makeCluster())
  expect(await rejectionOf(remote.open({kind: 'socket', path: '/nowhere/sock'}))).toMatchObject({code: 'no-route', message: expect.stringMatching(/^ada@head\.local did not open a stream to \/nowhere\/sock: /) as string})
  expect(await rejectionOf(remote.open({kind: 'tcp', host: '127.0.0.1', port: 1}))).toMatchObject({code: 'no-route'})
  expect((await remote.run(['echo still here']))[0]!.stdout).toBe('still here\n')
})
