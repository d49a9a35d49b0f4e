/**
 * What jnode relies on of a cluster: run against the real one (test/cluster) and against the fake (test/smoke), so that
 * what the fast suite shows holds for the real thing.
 */
import {readFileSync} from 'node:fs'
import {afterAll, beforeAll, describe, expect, test} from 'vitest'
import {ask, askAll} from '../../src/ask.ts'
import {gridEngine, type GridEngine} from '../../src/sge/client.ts'
import type {JobPhase} from '../../src/sge/job-state.ts'
import {qsubArguments, type JobRequest} from '../../src/sge/qsub.ts'
import type {Job} from '../../src/sge/qstat.ts'
import {discoverSite, type Site} from '../../src/sge/site.ts'
import {quote} from '../../src/shell.ts'
import type {RunCommand, RunResult} from '../../src/ssh/remote.ts'

export interface World {
  user: string
  /** On the head node, as the user. */
  run: RunCommand
  /** A bash line on the user's computer, where `ssh head` logs in. */
  onLaptop(line: string): Promise<RunResult>
  /** Path of node as laptop and jobs see it. */
  node: {laptop: string; job: string}
  close(): Promise<void>
}

export function contract(name: string, makeWorld: () => Promise<World>): void {
  describe(name, () => {
    let world: World
    let site: Site
    let engine: GridEngine
    /** On the head node. */
    let directory: string

    beforeAll(async () => {
      world = await makeWorld()
      site = await ask(world.run, discoverSite({setup: null, learn: {parallelEnvironments: true, resources: true, account: false}}))
      engine = gridEngine(site)
      directory = `${site.home}/contract`
      await head(`mkdir ${quote(directory)}`)
    })
    afterAll(async () => {
      await head(`qstat -u ${quote(site.user)} | awk 'NR > 2 {print $1}' | xargs -r -n 1 qdel`)
      await until(async () => (await jobs()).length === 0)
      await head(`rm -rf ${quote(directory)}`)
      await world.close()
    })

    const head = async (script: string): Promise<RunResult> => (await world.run([script]))[0]!
    const jobs = async (): Promise<Job[]> => {
      const list = await ask(world.run, engine.list(site.user, {prefix: '', ids: []}))
      if (list.kind === 'unknown') throw new Error(list.why)
      return list.jobs
    }
    const phaseOf = async (id: string): Promise<JobPhase | undefined> => (await jobs()).find((job) => job.id === id)?.phase
    const logOf = async (name: string): Promise<string> => (await head(`cat ${quote(`${directory}/${name}.log`)} 2>/dev/null`)).stdout

    /** Submits a script as jnode does, and answers with the job's number. */
    const submit = async (name: string, script: string, request: Partial<JobRequest> = {}): Promise<string> => {
      const args = qsubArguments(
        {
          ...{name, slots: 1, parallelEnvironment: null, memoryBytes: null, gpus: 0, runSeconds: null, queue: null, node: null, project: null, account: null},
          ...{extraArgs: [], logPath: `${directory}/${name}.log`, shell: '/bin/sh'},
          ...request,
        },
        {memory: [{resource: 'mem_free', per: 'slot'}], gpu: {resource: 'gpu', per: 'slot'}},
      )
      const path = `${directory}/${name}.sh`
      await head(`printf '%s' ${quote(`#!/bin/sh\n${script}`)} >${quote(path)}`)
      const submission = await ask(world.run, engine.submit(args, path))
      if (submission.kind !== 'submitted') throw new Error(JSON.stringify(submission))
      return submission.jobId
    }

    test('is found with its queue, its environments and its resources', () => {
      expect(site).toMatchObject({found: 'PATH', engine: 'SGE 8.1.9', user: world.user, hostname: expect.stringMatching(/^head/) as string})
      // qconf is asked for several at once.
      expect(site.parallelEnvironments?.map(({name}) => name).sort()).toEqual(['make', 'mpi', 'smp'])
      expect(site.queues?.map((queue) => queue.name)).toEqual(['all.q'])
      expect(site.resources?.map((resource) => resource.name)).toEqual(expect.arrayContaining(['gpu', 'mem_free', 'h_rt']))
    })

    test('runs a job on one node with what was asked for, and ends it with notice', async () => {
      const script = `
for name in JOB_ID JOB_NAME NSLOTS PE QUEUE HOSTNAME TMPDIR HOME USER RESTARTED; do eval "echo $name=\\$$name"; done
[ -d "$TMPDIR" ] && [ -w "$TMPDIR" ] && echo own tmpdir
read -r line || echo no input
trap 'echo told; trap - USR2; sleep 0.3; exit 3' USR2
echo ready
while :; do sleep 0.05; done
`
      const id = await submit('life', script, {slots: 2, parallelEnvironment: 'smp', memoryBytes: 1024 ** 3, runSeconds: 3600})
      const seen = new Set<JobPhase | undefined>()
      await until(async () => seen.add(await phaseOf(id)).has('running'))
      expect([...seen].filter((phase) => phase !== 'pending' && phase !== 'starting')).toEqual(['running'])
      const [job] = await jobs()
      expect(job).toMatchObject({id, name: 'life', owner: site.user, letters: 'r', queue: 'all.q', node: expect.stringMatching(/^node[12]\.local$/) as string, slots: 2, taskId: null})
      expect(await ask(world.run, engine.exists(id))).toBe('yes')
      await until(async () => (await logOf('life')).includes('ready'))
      const log = (await logOf('life')).split('\n')
      const tmpdir = log.find((line) => line.startsWith('TMPDIR='))
      expect(log.filter((line) => line !== tmpdir)).toEqual([
        ...[`JOB_ID=${id}`, 'JOB_NAME=life', 'NSLOTS=2', 'PE=smp', 'QUEUE=all.q', `HOSTNAME=${job!.node}`, `HOME=${site.home}`, `USER=${site.user}`, 'RESTARTED=0'],
        ...['own tmpdir', 'no input', 'ready', ''],
      ])
      expect(tmpdir).toMatch(new RegExp(`/${id}\\.1\\.all\\.q$`))

      // In one round trip: on a busy machine the job may have ended before a second one.
      const removals = (await askAll(world.run, [engine.remove(id), engine.remove(id)])).map(({kind}) => kind)
      expect(removals).toEqual(['registered', 'already'])
      expect(await phaseOf(id)).toBe('deleting')
      await until(async () => (await phaseOf(id)) === undefined)
      expect(await logOf('life')).toContain('told')
      // qstat -j knows a job for a moment after it has left the list.
      await until(async () => (await ask(world.run, engine.exists(id))) === 'no')
      expect((await ask(world.run, engine.remove(id))).kind).toBe('missing')
    })

    test('says why a job waits, and forgets one removed while it waited', async () => {
      const id = await submit('waits', 'true', {gpus: 3, runSeconds: 3600, slots: 1, extraArgs: ['-w', 'n']})
      await until(async () => (await ask(world.run, engine.why(id, 'pending'))) !== null)
      expect(await phaseOf(id)).toBe('pending')
      expect(await ask(world.run, engine.why(id, 'pending'))).toMatchObject({kind: 'waiting', text: expect.stringContaining('gpu') as string})
      expect((await ask(world.run, engine.remove(id))).kind).toBe('deleted')
      expect(await phaseOf(id)).toBeUndefined()
    })

    test('refuses at once what can never run', async () => {
      await expect(submit('never', 'true', {slots: 64, parallelEnvironment: 'smp'})).rejects.toThrow('never-runs')
      expect(await jobs()).toEqual([])
    })

    test('holds a job, and says so', async () => {
      const id = await submit('held', 'true', {extraArgs: ['-h']})
      expect(await phaseOf(id)).toBe('held')
      expect(await ask(world.run, engine.why(id, 'held'))).toMatchObject({kind: 'held'})
      await ask(world.run, engine.remove(id))
    })

    test('keeps a job whose log cannot be opened, and says so', async () => {
      const id = await submit('nolog', 'true', {logPath: '/nonexistent/dir/log'})
      await until(async () => (await phaseOf(id)) === 'error')
      expect(await ask(world.run, engine.why(id, 'error'))).toMatchObject({kind: 'error', text: expect.stringContaining('can\'t open output file "/nonexistent/dir/log": No such file or directory') as string})
      expect((await ask(world.run, engine.remove(id))).kind).toBe('deleted')
    })

    test.each([
      ['exit 3', 'fails', {}, {failed: 0, exitStatus: 3}],
      ['kill -TERM $$', 'dies', {}, {failed: 100, exitStatus: 143}],
      // With -notify the limit ends it by SIGUSR2.
      ['while :; do sleep 0.1; done', 'late', {runSeconds: 1}, {failed: 37, exitStatus: 140}],
    ])('accounts for a job that ended by %s', async (script, name, request, ending) => {
      const id = await submit(name, script, {...request, extraArgs: ['-notify']})
      await until(async () => (await ask(world.run, engine.account(id, name))) !== null)
      const account = await ask(world.run, engine.account(id, name))
      expect(account).toMatchObject({name, owner: site.user, queue: 'all.q', slots: 1, failed: ending.failed})
      expect(account!.exitStatus).toBe(ending.exitStatus)
    })

    test('carries streams from the laptop to a socket and a port of the job’s node', async () => {
      const server = `const net = require('net'); const echo = () => net.createServer((socket) => socket.pipe(socket))
echo().listen(process.env.TMPDIR + '/s', () => { const tcp = echo().listen(0, '127.0.0.1', () => console.log('at', process.env.HOSTNAME, process.env.TMPDIR + '/s', tcp.address().port)) })`
      const id = await submit('echo', `exec ${quote(world.node.job)} -e ${quote(server)}`)
      await until(async () => /^at .*\n/m.test(await logOf('echo')))
      const [, host, socket, port] = /^at (\S+) (\S+) (\d+)$/m.exec(await logOf('echo'))!
      const ssh = 'ssh -o BatchMode=yes -o StrictHostKeyChecking=accept-new -o LogLevel=ERROR -o ConnectTimeout=10 -o ProxyJump=head'
      expect(await world.onLaptop(`echo through the port | ${ssh} -W 127.0.0.1:${port} ${host}`)).toMatchObject({stdout: 'through the port\n', exitCode: 0})

      const client = `const net = require('net'); const socket = net.connect(process.argv[1]).on('error', () => process.exit(1)); socket.end('through the socket\\n'); socket.pipe(process.stdout)`
      const viaSocket = (path: string) => `
d=$(mktemp -d); trap 'kill $tunnel; rm -rf "$d"' EXIT
${ssh} -N -L "$d/s:${path}" ${host} </dev/null >/dev/null 2>&1 & tunnel=$!
until [ -S "$d/s" ]; do kill -0 $tunnel || exit; sleep 0.05; done
${quote(world.node.laptop)} -e ${quote(client)} "$d/s"`
      expect((await world.onLaptop(viaSocket(socket!))).stdout).toBe('through the socket\n')
      expect((await world.onLaptop(viaSocket(`${socket}-none`))).stdout).toBe('')
      await ask(world.run, engine.remove(id))
    })

    // Last, as there is no accounting file before the first job has ended.
    describe('answers as it did when its answers were captured', () => {
      // A job that an earlier test removed may still be on its way out.
      beforeAll(() => until(async () => (await head(`qstat -u ${site.user}`)).stdout.trim() === ''), 60_000)

      test.each(capturedCommands())('$command', async ({command, file, stream, exitCode}) => {
        await head(`printf '#!/bin/sh\\n' >${quote(`${directory}/work.sh`)}`)
        const answer = await head(`cd ${quote(directory)} && ${command.replaceAll('alice', site.user)}`)
        expect({text: comparable(answer[stream]), exitCode: answer.exitCode}).toEqual({text: comparable(capturedAnswer(file)), exitCode})
      })
    })
  })
}

/** Waits as long as the test may. */
async function until(isTrue: () => Promise<boolean>): Promise<void> {
  while (!(await isTrue())) await new Promise((resolve) => setTimeout(resolve, 100))
}

interface CapturedCommand {
  command: string
  file: string
  stream: 'stdout' | 'stderr'
  exitCode: number
}

const FIXTURES = new URL('../fixtures/sge/', import.meta.url)

/** Captured answers that need no job and no broken network, from the table in the fixtures' README. */
function capturedCommands(): CapturedCommand[] {
  const rows = readFileSync(new URL('README.md', FIXTURES), 'utf8').matchAll(/^\| (\S+) \| `(.*?)` \| (stdout|stderr) \| (\d+) \|/gm)
  return [...rows]
    .map(([, file, command, stream, exitCode]) => ({file: file!, command: command!, stream: stream as 'stdout' | 'stderr', exitCode: Number(exitCode)}))
    .filter(({file}) => /^(qsub-refused|qsub-w-v|qconf-s[cpq]|qconf-sel|qselect|qdel-unknown|qstat-j-unknown|qstat-empty|qstat-bad|qacct-unknown)/.test(file))
    .filter(({file}) => !/not-submit-host/.test(file))
}

function capturedAnswer(file: string): string {
  return readFileSync(new URL(file, FIXTURES), 'utf8')
}

/** A failing check may use up a job number. */
function comparable(text: string): string {
  return text.replaceAll(/\bJob \d+/g, 'Job N')
}
