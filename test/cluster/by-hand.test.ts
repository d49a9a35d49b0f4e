/** A Jupyter job that somebody started without jnode. */
import {createHash} from 'node:crypto'
import {afterEach, expect, onTestFinished, test} from 'vitest'
import type {SessionView} from '../../src/flows/session-view.ts'
import {answers, jnodeIn, nothingLeft, OPEN, pageOf, statusOf, sweep} from './jnode.ts'
import {until} from './run.ts'
import {useLab} from './use-lab.ts'

const lab = await useLab()
const jnode = jnodeIn(lab)

afterEach(async ({task}) => {
  if (task.result?.state === 'fail') await sweep(lab)
})

test('by qsub: its node from qstat, its server from its own log; its job is nobody’s to end but its user’s', async () => {
  const script = '#!/bin/bash\nexec jupyter-notebook --no-browser --ip 127.0.0.1 --port 9123\n'
  const {stdout} = await lab.exec('head', 'alice', 'cat >~/hand.sh && qsub -terse -l h=node2 -o ~/hand.log -j y ~/hand.sh', {input: script})
  const jobId = stdout.trim()
  await until('its server says where it is', async () => (await lab.exec('head', 'alice', 'cat ~/hand.log')).stdout.includes('token='))
  const session = await jnode.ok(`connect ${jobId} --host head`)
  expect(session).toMatchObject({name: `job-${jobId}`, jobId, state: 'ready', node: 'node2.local', tunnel: 'connected'})
  expect(await answers(lab, session.url!)).toEqual(OPEN)
  expect(await jnode.fails(`connect ${jobId} --host head`, {user: 'bob'})).toMatchObject({exitCode: 5, code: 'not-yours'})
  expect(await jnode.fails(`stop job-${jobId}`)).toMatchObject({exitCode: 8, message: `Job ${jobId} was not started by jnode`})
  await jnode.ok('disconnect')
  expect(await lab.jobs('alice')).toMatchObject([{id: jobId, state: 'r'}])
  await lab.exec('head', 'alice', `qdel ${jobId}`)
  // `qstat -j` may know it for a moment longer than the list, and as long as it does, nothing is sure.
  await until('the job is gone', async () => (await lab.exec('head', 'alice', `qstat -j ${jobId}`)).exitCode !== 0)
  // Of such a job nothing is remembered once it is over.
  expect(await jnode.ok('list')).toMatchObject({sessions: []})
  await lab.exec('head', 'alice', 'rm -f ~/hand.sh ~/hand.log')
  // No job of ours has told the node's key, so it was remembered when it was first seen.
  await lab.exec('laptop', 'alice', 'rm -r ~/.local/state/jnode/known_nodes')
  await nothingLeft(lab)
})

test('by qrsh, which leaves no log: its servers from its node, and which of several is asked or said', async () => {
  const hash = `sha1:salt:${createHash('sha1').update('secretsalt').digest('hex')}`
  // One in Jupyter's own place on all addresses, one on a socket that asks for a password, in a place of its own.
  const script = `cd && mkdir -p book && jupyter-notebook --no-browser --ip 0.0.0.0 --port 9301 --notebook-dir book >/dev/null 2>&1 &
JUPYTER_RUNTIME_DIR=$TMPDIR/own exec jupyter-server --no-browser --ServerApp.sock=$TMPDIR/hand.sock --ServerApp.token= --ServerApp.password=${hash}`
  // A server of another job on the same node, whose file lies in the same home.
  const other = 'exec jupyter-notebook --no-browser --port 9302 >/dev/null 2>&1'
  const qrsh = Object.entries({hand: script, other}).map(([name, line]) => lab.spawn('head', 'alice', ['qrsh', '-now', 'n', '-N', name, '-l', 'h=node1', line]))
  onTestFinished(() => void qrsh.forEach((child) => child.kill()))
  // One of them may listen on both loopbacks.
  await until('three servers listen', async () => new Set((await lab.listeners('node1')).flatMap(({address}) => /:930[12]$|hand\.sock$/.exec(address) ?? [])).size === 3, 60_000)
  const id = (await lab.jobs('alice')).find(({name}) => name === 'hand')!.id

  const matching = (text: string) => expect.stringMatching(text) as string
  const refused = await jnode.fails(`connect ${id} --host head`)
  expect(refused).toMatchObject({exitCode: 2, code: 'usage', message: matching(`^Job ${id} runs 2 Jupyter servers on node1\\.local: .*9301 \\(/home/alice/book\\)`), hint: matching(`\`jnode connect ${id}:(9301|hand-sock)\``)})
  expect(await jnode.fails(`connect ${id}:9302 --host head`)).toMatchObject({exitCode: 8, message: matching(`^Job ${id} runs no Jupyter server 9302 on node1\\.local, but `)})
  const named = await jnode.ok(`connect ${id}:9301 --host head`)
  expect(named).toMatchObject({name: `job-${id}-9301`, jobId: id, state: 'ready', node: 'node1.local'})
  expect(await answers(lab, named.url!)).toEqual(OPEN)

  const asked = jnode.spawn(`connect job-${id} --host head -d`, {terminal: true})
  await asked.says(/Which one\?[^]*\]:/)
  asked.type(`${/(\d)\) hand-sock/.exec(asked.stdout())![1]}\r`)
  await asked.says('asks for its password')
  expect((await asked.ended).exitCode).toBe(0)
  const {url} = await jnode.ok(`status job-${id}`)
  expect(url).not.toContain('token')
  expect([await statusOf(lab, pageOf(url!, 'login', false)), await statusOf(lab, pageOf(url!, 'api/status', false))]).toEqual([200, 403])
  // Which one it was stays known.
  await jnode.ok(`disconnect job-${id}`)
  expect(await jnode.ok(`connect job-${id}`)).toMatchObject({url, tunnel: 'connected'})

  await jnode.ok('disconnect --all')
  await lab.exec('head', 'alice', 'qdel -u alice')
  await until('the jobs are gone', async () => (await lab.exec('head', 'alice', `qstat -j ${id}`)).exitCode !== 0)
  await until('nothing is remembered of them', async () => (await jnode.ok<{sessions: unknown[]}>('list')).sessions.length === 0)
  await lab.exec('head', 'alice', 'rm -r ~/book')
  await lab.exec('laptop', 'alice', 'rm -r ~/.local/state/jnode/known_nodes')
  await nothingLeft(lab)
})

test('one with TLS on a port of its own choice, and one below a base URL that lets everybody in', async () => {
  const script = `cd $TMPDIR && openssl req -x509 -newkey rsa:2048 -nodes -keyout key.pem -out cert.pem -days 1 -subj /CN=x 2>/dev/null
jupyter-notebook --no-browser --port 9401 --NotebookApp.token= --NotebookApp.password= --NotebookApp.base_url=/my/base >/dev/null 2>&1 &
exec jupyter-server --no-browser --port=0 --ServerApp.certfile=cert.pem --ServerApp.keyfile=key.pem >/dev/null 2>&1`
  const qrsh = lab.spawn('head', 'alice', ['qrsh', '-now', 'n', '-l', 'h=node2', script])
  onTestFinished(() => void qrsh.kill())
  const id = await until('the job runs', async () => (await lab.jobs('alice'))[0]?.id)
  const both = await until('both servers are known', async () => {
    const {message} = await jnode.fails(`connect ${id}:none --host head`)
    const labels = [...message.matchAll(/(\d+) \(/g)].map(([, label]) => label!)
    return labels.length === 2 && labels
  }, 60_000)
  const {document: open, stderr} = await jnode.json<SessionView>(`connect ${id}:9401 --host head`)
  expect(stderr).toMatch(new RegExp(`The Jupyter of job ${id} has no token and no password: everybody on node2\\S* can run programs as you`))
  expect(open.url).toMatch(/^http:\/\/127(?:\.\d+){3}:\d+\/my\/base\/tree$/)
  expect(await statusOf(lab, open.url!.replace('tree', 'api/status'))).toBe(200)
  // Port 0 is all that Jupyter has written down of it.
  const secure = await jnode.ok(`connect ${id}:${both.find((label) => label !== '9401')} --host head`)
  expect(secure.url).toMatch(/^https:\/\/127(?:\.\d+){3}:\d+\/\?token=/)
  const status = pageOf(secure.url!, 'api/status')
  expect((await lab.exec('laptop', 'alice', `curl -sk -o /dev/null -w '%{http_code}' -K -`, {input: `url = "${status}"`})).stdout).toBe('200')
  await jnode.ok('disconnect --all')
  await lab.exec('head', 'alice', ['qdel', id])
  await until('the job is gone', async () => (await lab.exec('head', 'alice', `qstat -j ${id}`)).exitCode !== 0)
  await until('nothing is remembered of it', async () => (await jnode.ok<{sessions: unknown[]}>('list')).sessions.length === 0)
  await lab.exec('laptop', 'alice', 'rm -r ~/.local/state/jnode/known_nodes')
  await nothingLeft(lab)
})
