/** Servers on a port of their node: a Jupyter that knows no sockets, and jobs by hand. No help comes from the job there. */
import {afterEach, expect, onTestFinished, test} from 'vitest'
import {jnodeIn, nothingLeft, sweep} from '../cluster/jnode.ts'
import {runCell} from '../cluster/kernel.ts'
import {until} from '../cluster/run.ts'
import {siteIn} from '../cluster/site.ts'
import {useLab} from '../cluster/use-lab.ts'

const lab = await useLab()
const jnode = jnodeIn(lab)
const site = siteIn(lab)
const INSIDE = {internalKey: ['nodes'], onlyInternal: true} as const

afterEach(async ({task}) => {
  await site.asBefore()
  if (task.result?.state === 'fail') await sweep(lab)
  await lab.exec('laptop', 'alice', 'rm -rf ~/.local/state/jnode/{routes,known_nodes,sessions}')
})

const answer = async (url: string) => (await runCell(lab, url, {kernel: null, code: 'import os; print(os.environ["JOB_ID"])'})).output.trim()

/** As a Jupyter that knows no sockets: it takes the next free port. */
async function oldJupyter(): Promise<string> {
  await lab.exec('head', 'alice', 'mkdir -p ~/old && cat >~/old/jupyter-notebook && chmod 755 ~/old/jupyter-notebook', {input: '#!/bin/sh\nexec /usr/bin/jupyter-notebook --NotebookApp.sock= "$@"\n'})
  onTestFinished(async () => void (await lab.exec('head', 'alice', 'rm -r ~/old')))
  return `--host head --node node1 --app notebook --setup 'PATH=$HOME/old:$PATH'`
}

test('a Jupyter too old for sockets: two on one node, by route node and by route head', async () => {
  const flags = await oldJupyter()
  const one = await jnode.ok(`start one ${flags}`)
  expect(one.route).toBe('node')
  await site.set(INSIDE)
  const two = await jnode.ok(`start two ${flags} --route head`)
  expect(two.route).toBe('head')
  expect([await answer(one.url!), await answer(two.url!)]).toEqual([one.jobId, two.jobId])
  await jnode.ok('stop --all')
  await nothingLeft(lab)
})

async function byHand(line: string): Promise<string> {
  const script = `#!/bin/bash\n${line}\n`
  const {stdout} = await lab.exec('head', 'alice', 'cat >~/hand.sh && qsub -terse -l h=node2 -o ~/hand.log -j y ~/hand.sh', {input: script})
  onTestFinished(async () => void (await lab.exec('head', 'alice', `qdel ${stdout.trim()}; rm -f ~/hand.sh ~/hand.log`)))
  await until('its server says where it is', async () => (await lab.exec('head', 'alice', 'cat ~/hand.log')).stdout.includes('token='))
  return stdout.trim()
}

/** A server of bob's on a port of node2, for as long as the test. */
async function bobListens(address: string, port: number): Promise<void> {
  const child = lab.spawn('node2', 'bob', ['python3', '-m', 'http.server', '--bind', address, String(port)], {cwd: '/'})
  onTestFinished(() => void child.kill())
  await until('bob listens', async () => (await lab.exec('node2', 'root', ['ss', '-Hltn', `sport = :${port}`], {cwd: '/'})).stdout !== '')
}

test.each(['127.0.0.1', '0.0.0.0'])('a job by hand on %s: by route head', async (ip) => {
  await site.set(INSIDE)
  // Out of the way of the one, not of the other.
  if (ip === '127.0.0.1') await bobListens('::1', 9123)
  const jobId = await byHand(`exec jupyter-notebook --no-browser --ip ${ip} --port 9123`)
  const session = await jnode.ok(`connect ${jobId} --host head`)
  expect(session.route).toBe('head')
  expect(await answer(session.url!)).toBe(jobId)
  await jnode.ok('disconnect')
})

test.each([['node', {}], ['head', INSIDE]] as const)('a port that somebody else has: nothing is sent there by route %s', async (_, is) => {
  await site.set(is)
  const jobId = await byHand('(jupyter-notebook --no-browser --ip 127.0.0.1 --port 9124 &); exec sleep 600')
  await lab.exec('node2', 'root', 'pkill -KILL -u alice -f "port 9124"', {cwd: '/'})
  await until('the port is free', async () => (await lab.exec('node2', 'root', ['ss', '-Hltn', 'sport = :9124'], {cwd: '/'})).stdout === '')
  await bobListens('127.0.0.1', 9124)
  const failure = await jnode.fails(`connect ${jobId} --host head`)
  expect(failure).toMatchObject({exitCode: 9, code: 'no-route', message: expect.stringContaining('Port 9124 of node2') as string, hint: 'Stop this session and start it again.'})
})
