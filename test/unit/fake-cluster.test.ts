import {execFile} from 'node:child_process'
import {existsSync, readFileSync, readdirSync} from 'node:fs'
import {connect} from 'node:net'
import {dirname, join} from 'node:path'
import ssh2 from 'ssh2'
import {afterEach, expect, test} from 'vitest'
import {startFakeCluster, type FakeCluster, type FakeClusterOptions} from '../fake-cluster/cluster.ts'
import {makeKeyPair} from '../fake-cluster/keys.ts'

let cluster: FakeCluster
afterEach(() => cluster.close())

async function up(options: FakeClusterOptions = {}): Promise<FakeCluster> {
  cluster = await startFakeCluster(options)
  return cluster
}

interface LoginWay {
  port: number
  password?: string
  key?: string
}

async function login({port, password, key}: LoginWay): Promise<ssh2.Client> {
  const client = new ssh2.Client()
  await new Promise<void>((resolve, reject) => {
    client.on('ready', () => resolve()).on('error', reject)
    client.connect({
      host: '127.0.0.1',
      port,
      username: cluster.user,
      ...(password === undefined ? {} : {password}),
      ...(key === undefined ? {} : {privateKey: key}),
      authHandler: [...(key === undefined ? [] : ['publickey' as const]), ...(password === undefined ? [] : ['password' as const])],
    })
  })
  client.removeAllListeners('error').on('error', () => {})
  return client
}

async function run(client: ssh2.Client, command: string): Promise<{stdout: string; stderr: string; code: number}> {
  return new Promise((resolve, reject) => {
    client.exec(command, (error, channel) => {
      if (error) return reject(error)
      let [stdout, stderr] = ['', '']
      channel.on('data', (chunk: Buffer) => (stdout += chunk.toString()))
      channel.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()))
      channel.on('close', (code: number) => resolve({stdout, stderr, code}))
    })
  })
}

/** Runs a command on the head over a connection of one hop. */
async function onHead(command: string) {
  const client = await login({port: cluster.headPort, key: cluster.privateKey})
  try {
    return await run(client, command)
  } finally {
    client.end()
  }
}

/** The ssh program on the user's computer. */
function sshTo(host: string, command: string): Promise<{stdout: string; stderr: string}> {
  return new Promise((resolve) => {
    execFile('ssh', [host, command], {env: cluster.laptop.env}, (_error, stdout, stderr) => resolve({stdout, stderr}))
  })
}

/** Waits as long as the test may. */
async function until(isTrue: () => boolean): Promise<void> {
  while (!isTrue()) await new Promise((resolve) => setTimeout(resolve, 10))
}

/** A killed process whose parent has died stays in the table until the system's first process takes note. */
function groupIsGone(group: number): boolean {
  try {
    process.kill(-group, 0)
    return false
  } catch {
    return true
  }
}

test('the ssh program reaches head and node through the gateway with the laptop’s configuration', async () => {
  await up()
  expect((await sshTo('head', 'hostname; id -un; pwd')).stdout).toBe(`head.local\nada\n${cluster.home}\n`)
  expect(cluster.accepted('gateway')).toBe(1)
  expect(cluster.accepted('head')).toBe(1)
})

test('a wrong key is refused, and the record shows it', async () => {
  await up()
  const {private: key} = makeKeyPair()
  await expect(login({port: cluster.headPort, key})).rejects.toThrow('authentication')
  expect(cluster.accepted('head')).toBe(0)
  expect(cluster.attempts('head')).toContainEqual({method: 'publickey', user: 'ada', detail: 'ssh-ed25519 unknown', ok: false})
})

test('a login of two steps needs both', async () => {
  await up({logins: {head: {methods: ['publickey,password']}}})
  await expect(login({port: cluster.headPort, key: cluster.privateKey})).rejects.toThrow('authentication')
  const client = await login({port: cluster.headPort, key: cluster.privateKey, password: cluster.password})
  expect((await run(client, 'echo in')).stdout).toBe('in\n')
  client.end()
})

test('a job runs with its slots and log, is seen by qstat, and leaves nothing when deleted', async () => {
  await up()
  const script = `#!/bin/sh\necho "$JOB_ID $NSLOTS $PE $HOSTNAME"\ntouch "$TMPDIR/mine"\necho "$TMPDIR"\nsleep 60 &\nsleep 60\n`
  const {stdout} = await onHead(`cat >job.sh <<'EOF'\n${script}EOF\nqsub -terse -N nb -pe smp 3 -o $HOME/log -j y job.sh`)
  expect(stdout).toBe('1\n')
  const log = join(cluster.home, 'log')
  await until(() => existsSync(log) && readFileSync(log, 'utf8').split('\n').length > 2)
  const [first, tmp] = readFileSync(log, 'utf8').split('\n')
  expect(first).toBe('1 3 smp node1.local')
  expect((await onHead('qstat -u ada -xml')).stdout).toMatch(/<state>r<\/state>[^]*all\.q@node1\.local[^]*<slots>3</)
  const group = cluster.grid.find(1)!.run!.group
  expect((await onHead('qdel 1')).stdout).toBe('ada has registered the job 1 for deletion\n')
  await until(() => cluster.grid.jobs().length === 0)
  await until(() => groupIsGone(group))
  expect(existsSync(tmp!)).toBe(false)
})

test('-notify gives the job SIGUSR2 before it is killed', async () => {
  await up()
  await onHead(`qsub -N nb -notify -o $HOME/log -j y <<'EOF'\n#!/bin/bash\ntrap 'echo told; exit 3' USR2\necho up\nwhile :; do sleep 0.02; done\nEOF`)
  const log = () => readFileSync(join(cluster.home, 'log'), 'utf8')
  await until(() => existsSync(join(cluster.home, 'log')) && log() !== '')
  await onHead('qdel 1')
  await until(() => cluster.grid.jobs().length === 0)
  expect(log()).toContain('told')
})

test('streams reach a Unix socket and a port of the job; a forbidden one is refused', async () => {
  await up()
  await onHead(`qsub -N nb -o $HOME/log -j y <<'EOF'\n#!/bin/sh\nJUPYTER_TOKEN=s3cret exec jupyter server --sock="$TMPDIR/s" --no-browser\nEOF`)
  await until(() => existsSync(join(dirname(cluster.home), 't', '1.1.all.q', 's')))
  const socketPath = join(dirname(cluster.home), 't', '1.1.all.q', 's')
  const client = await login({port: cluster.headPort, key: cluster.privateKey})
  const open = () => new Promise<ssh2.ClientChannel>((resolve, reject) => client.openssh_forwardOutStreamLocal(socketPath, (error, stream) => (error ? reject(error) : resolve(stream))))
  const get = async (query: string) => {
    const stream = await open()
    let text = ''
    stream.on('data', (chunk: Buffer) => (text += chunk.toString()))
    stream.write(`GET /api/status${query} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`)
    await new Promise((resolve) => stream.once('close', resolve))
    return text
  }
  expect(await get('')).toMatch(/^HTTP\/1.1 403/)
  expect(await get('?token=s3cret')).toMatch(/^HTTP\/1.1 200/)
  cluster.set('no-streamlocal', ['head'])
  await expect(open()).rejects.toThrow('open failed')
  client.end()
})

test('a cut link ends the client’s connection, and the next one works', async () => {
  await up()
  const client = await login({port: cluster.gatewayPort, key: cluster.privateKey})
  const closed = new Promise<void>((resolve) => client.once('close', () => resolve()))
  cluster.cut('gateway')
  await closed
  ;(await login({port: cluster.gatewayPort, key: cluster.privateKey})).end()
  expect(cluster.accepted('gateway')).toBe(2)
})

test('each fault shows', async () => {
  await up()
  const known = cluster.knownHosts

  cluster.set('banner', true)
  const noisy = await onHead('echo answer')
  expect(noisy.stdout.split('\n').length).toBeGreaterThan(100)
  expect(noisy.stdout.endsWith('answer\n')).toBe(true)
  cluster.clear('banner')

  cluster.set('home-not-writable', true)
  expect(await onHead('mkdir -p ~/.jnode')).toMatchObject({code: 1, stderr: expect.stringContaining('Permission denied') as string})
  cluster.clear('home-not-writable')
  expect((await onHead('mkdir -p ~/.jnode')).code).toBe(0)

  cluster.set('home-full', true)
  expect((await onHead('printf text >~/.jnode/file')).code).not.toBe(0)
  expect((await onHead('qstat')).code).toBe(0)
  cluster.clear('home-full')
  expect((await onHead('printf text >~/.jnode/file')).code).toBe(0)

  cluster.set('no-qsub', true)
  expect((await onHead('command -v qsub')).code).not.toBe(0)
  cluster.clear('no-qsub')

  cluster.set('drop-connection-after', {exec: 2})
  expect((await onHead('echo first')).stdout).toBe('first\n')
  const lost = onHead(`echo done >~/second`)
  await expect(lost).resolves.toMatchObject({code: undefined})
  await until(() => existsSync(join(cluster.home, 'second')))
  expect((await onHead('echo third')).stdout).toBe('third\n')

  cluster.set('hostkey-changed', ['gateway'])
  const {stderr} = await sshTo('gateway', 'true')
  expect(stderr).toContain('HOST IDENTIFICATION HAS CHANGED')
  cluster.clear('hostkey-changed')
  expect(cluster.knownHosts).toBe(known)

  cluster.set('no-tcp-forwarding', ['gateway'])
  expect((await sshTo('head', 'true')).stderr).toContain('administratively prohibited')
  cluster.clear('no-tcp-forwarding')
  cluster.set('unreachable', ['head'])
  expect((await sshTo('head', 'true')).stderr).toContain('Connection refused')
})

test('nothing is left when it closes: no process, no file, no port', async () => {
  const {gatewayPort} = await up()
  const root = dirname(cluster.home)
  await onHead(`qsub -N nb <<'EOF'\n#!/bin/sh\nsleep 60 & sleep 60\nEOF`)
  await until(() => cluster.grid.find(1)?.state === 'r')
  const group = cluster.grid.find(1)!.run!.group
  await cluster.close()
  await until(() => groupIsGone(group))
  expect(existsSync(root) ? readdirSync(root) : []).toEqual([])
  const knock = new Promise((_, reject) => {
    connect(gatewayPort, '127.0.0.1').once('error', reject)
  })
  await expect(knock).rejects.toThrow('ECONNREFUSED')
})
