import {existsSync} from 'node:fs'
import {afterAll, describe, expect, test} from 'vitest'
import {downLab, upLab} from './lab.ts'
import {run, until} from './run.ts'
import {HOST_NAMES, NODES, SSH_SERVERS} from './topology.ts'
import {useLab} from './use-lab.ts'

const lab = await useLab()
const ssh = (target: string, command: string) => ['ssh', '-o', 'BatchMode=yes', '-o', 'ConnectTimeout=5', target, command]

describe('the way to the head', () => {
  test('leads through the gateway, with one login on each', async () => {
    const before = {gateway: await lab.accepted('gateway'), head: await lab.accepted('head')}
    const {exitCode, stdout} = await lab.exec('laptop', 'alice', ssh('head', 'hostname; id -un; qstat -help | head -1'))
    expect({exitCode, lines: stdout.trim().split('\n')}).toEqual({exitCode: 0, lines: ['head.local', 'alice', 'SGE 8.1.9']})
    expect(await lab.accepted('gateway', before.gateway)).toBe(1)
    expect(await lab.accepted('head', before.head)).toBe(1)
  })

  test.each([
    ['laptop2', 'alice'],
    ['laptop', 'bob'],
    ['laptop', 'carol'],
    ['laptop', 'dave'],
  ] as const)('is open from %s to %s', async (host, user) => {
    expect((await lab.exec(host, user, ssh('head', 'hostname'))).stdout).toBe('head.local\n')
  })

  test('is the only one: a laptop reaches no host behind the gateway, the gateway no node', async () => {
    const connect = (host: string) => ['timeout', '3', 'bash', '-c', `: </dev/tcp/${host}/22`]
    expect((await lab.exec('laptop', 'alice', connect('gateway'))).exitCode).toBe(0)
    for (const host of ['head', 'head-lan', 'node1']) expect((await lab.exec('laptop', 'alice', connect(host))).exitCode, host).not.toBe(0)
    expect((await lab.exec('gateway', 'alice', connect('head'))).exitCode).toBe(0)
    expect((await lab.exec('gateway', 'alice', connect('node1'))).exitCode).not.toBe(0)
    expect((await lab.exec('head', 'alice', connect('node1'))).exitCode).toBe(0)
  })

  test('shows a different host key at every server', async () => {
    const keys = await Promise.all(SSH_SERVERS.map((host) => lab.hostKey(host)))
    expect(new Set(keys.map((line) => line.split(' ')[1])).size).toBe(SSH_SERVERS.length)
  })
})

describe('hosts', () => {
  test('share /home inside the cluster, and nothing else', async () => {
    await lab.exec('head', 'alice', 'echo shared >~/note; echo mine >/tmp/note')
    expect((await lab.exec('node1', 'alice', 'cat ~/note')).stdout).toBe('shared\n')
    expect(await lab.files('node1', '/tmp')).not.toContain('/tmp/note')
    expect(await lab.files('laptop', '/home/alice')).not.toContain('/home/alice/note')
    await lab.exec('head', 'alice', 'rm ~/note /tmp/note')
  })

  test('keep one user out of the other one’s home', async () => {
    const {exitCode, stderr} = await lab.exec('head', 'bob', ['ls', '/home/alice'])
    expect(exitCode).not.toBe(0)
    expect(stderr).toContain('Permission denied')
  })

  test('have no Grid Engine on laptops and gateway', async () => {
    for (const host of ['laptop', 'gateway'] as const) {
      expect((await lab.exec(host, 'alice', 'command -v qsub')).exitCode, host).not.toBe(0)
    }
  })

  test('can run this project', async () => {
    const {stdout} = await lab.exec('laptop', 'alice', ['node', '-p', 'require("/srv/jnode/package.json").name'])
    expect(stdout).toBe('jnode\n')
  })

  test('pass exit codes, input and signals on to a program', async () => {
    expect((await lab.exec('laptop', 'alice', 'cat; exit 7', {input: 'given'}))).toMatchObject({exitCode: 7, stdout: 'given'})
    const child = lab.spawn('laptop', 'alice', `trap 'exit 9' INT; echo ready; while :; do sleep 0.05; done`)
    await new Promise((ready) => child.stdout?.once('data', ready))
    child.kill('SIGINT')
    expect(await new Promise((closed) => child.on('close', closed))).toBe(9)
    expect(await lab.processes('laptop', 'alice')).toEqual([])
  })
})

describe('Grid Engine', () => {
  test('runs a job of several slots on one node and leaves nothing of it', async () => {
    const {stdout} = await lab.exec('head', 'alice', 'echo "hostname; echo \\$NSLOTS; sleep 600" | qsub -terse -S /bin/bash -N probe -o ~/probe.log -j y -pe smp 2 -l mem_free=1G')
    const id = stdout.trim()
    const job = await until('the job runs', async () => (await lab.jobs('alice')).find((each) => each.id === id && each.state === 'r'))
    expect(job).toMatchObject({name: 'probe', owner: 'alice', slots: 2, queue: expect.stringMatching(/^all\.q@node[12]\.local$/) as string})
    const node = job.queue.includes('node1') ? 'node1' : 'node2'
    await until('its output', async () => (await lab.exec('head', 'alice', 'cat ~/probe.log')).stdout === `${node}.local\n2\n`)
    expect((await lab.processes(node, 'alice')).map(({command}) => command)).toContain('sleep')
    await lab.exec('head', 'alice', ['qdel', id])
    await until('the job is gone', async () => (await lab.jobs('alice')).length === 0)
    await until('its processes are gone', async () => (await lab.processes(node, 'alice')).length === 0)
    expect(await lab.files(node, '/tmp')).toEqual([])
    await lab.exec('head', 'alice', 'rm ~/probe.log')
  })

  test('says that a request for too much memory or too many GPUs can never run', async () => {
    for (const request of ['mem_free=9G', 'gpu=3']) {
      const {exitCode, stderr} = await lab.exec('head', 'alice', ['qsub', '-w', 'v', '-b', 'y', '-l', request, 'true'])
      expect({exitCode, stderr}).toEqual({exitCode: 1, stderr: expect.stringContaining('no suitable queues') as string})
    }
  })
})

describe('faults', () => {
  test('a cut cable lets nothing through until it is mended', async () => {
    const probe = () => lab.exec('laptop', 'alice', ['timeout', '1', 'bash', '-c', ': </dev/tcp/gateway/22'])
    await lab.link('wan').down()
    expect((await probe()).exitCode).toBe(124)
    await lab.link('wan').up()
    await until('the cable carries again', async () => (await probe()).exitCode === 0)
  })

  test('a stopped daemon serves again after its start', async () => {
    await lab.stopDaemon('gateway', 'sshd')
    expect((await lab.exec('laptop', 'alice', ssh('gateway', 'true'))).stderr).toContain('Connection refused')
    await lab.startDaemon('gateway', 'sshd')
    await lab.stopDaemon('head', 'sge_qmaster', 'KILL')
    expect((await lab.exec('head', 'alice', ['qstat'])).exitCode).not.toBe(0)
    await lab.startDaemon('head', 'sge_qmaster')
    expect((await lab.exec('laptop', 'alice', ssh('head', 'qstat'))).exitCode).toBe(0)
    // Left alone, a node comes back to a restarted qmaster only after 30 s.
    for (const node of NODES) {
      await lab.stopDaemon(node, 'sge_execd')
      await lab.startDaemon(node, 'sge_execd')
    }
    await lab.nodesReady()
  })

  test('a node without power answers nobody, and takes jobs again once it has booted', async () => {
    await lab.powerCut('node1')
    await expect(lab.exec('node1', 'alice', ['true'])).rejects.toThrow('not running')
    expect((await lab.exec('head', 'alice', ['timeout', '1', 'bash', '-c', ': </dev/tcp/node1/22'])).exitCode).toBe(124)
    await lab.boot('node1')
    await lab.nodesReady()
    const {stdout} = await lab.exec('head', 'alice', ['qsub', '-sync', 'y', '-b', 'y', '-o', '/dev/null', '-j', 'y', '-l', 'hostname=node1', 'true'])
    expect(stdout).toContain('exited with exit code 0')
  })
})

describe('a second lab', () => {
  const other = `${lab.name}2`
  afterAll(() => downLab(other))

  test('stands beside the first, and leaves nothing when it is taken down', async () => {
    const second = await upLab(other)
    await second.exec('head', 'alice', 'touch ~/only-here')
    expect((await second.exec('laptop', 'alice', ssh('head', 'qsub -terse -b y sleep 600'))).stdout).toBe('1\n')
    expect(await lab.files('head', '/home/alice')).not.toContain('/home/alice/only-here')
    expect(await lab.jobs()).toEqual([])
    expect((await upLab(other)).facts).toEqual(second.facts)

    await second.down()
    const trace = `jnode-${other}-`
    expect(await run(['ip', 'netns', 'list'])).not.toContain(trace)
    expect(await run(['cat', '/proc/mounts'])).not.toContain(`jnode-lab-${other}`)
    expect((await run(['ps', '-e', '-o', 'args='])).split('\n').filter((line) => line.includes(`jnode-lab-${other}`) || line.includes(trace))).toEqual([])
    expect(existsSync(`/tmp/jnode-lab-${other}`)).toBe(false)
    await second.down()
    for (const host of HOST_NAMES) expect((await lab.exec(host, 'alice', ['true'])).exitCode, host).toBe(0)
  }, 60_000)
})
