/** Both transports keep the one contract on the real hosts: its tests run on the laptop, as alice, in a vitest of their own. */
import type {ChildProcess} from 'node:child_process'
import {chmod, rm} from 'node:fs/promises'
import {createServer} from 'node:http'
import {join} from 'node:path'
import {afterAll, beforeAll, expect, test} from 'vitest'
import type {Endpoint} from '../../src/ssh/remote.ts'
import {labPaths} from './paths.ts'
import {until} from './run.ts'
import type {HostName} from './topology.ts'
import {useLab} from './use-lab.ts'

const lab = await useLab()

const connections = async (host: HostName) => (await lab.processes(host, 'alice')).filter(({args}) => args.startsWith('sshd: alice')).length

let echo: ChildProcess | undefined
async function echoes(): Promise<Endpoint[]> {
  const path = '/tmp/echo'
  const program = `const net = require('net'); const echo = () => net.createServer({allowHalfOpen: true}, (socket) => socket.pipe(socket))
echo().listen('${path}', () => { const tcp = echo().listen(0, '127.0.0.1', () => console.log(tcp.address().port)) })`
  echo = lab.spawn('head', 'alice', ['node', '-e', program])
  const port = await new Promise<number>((resolve) => echo!.stdout!.once('data', (data: Buffer) => resolve(Number(data.toString()))))
  return [{kind: 'tcp', host: '127.0.0.1', port}, {kind: 'socket', path}]
}
async function endEchoes(): Promise<void> {
  echo?.kill('SIGKILL')
  await lab.exec('head', 'alice', 'rm -f /tmp/echo')
}

/** What the tests on the laptop ask for: `/WHAT/HOST`. */
const answers: Record<string, (host: HostName) => Promise<unknown>> = {
  accepted: (host) => lab.accepted(host),
  connections,
  cut: (host) => lab.endSessions(host),
  echoes,
  'echoes-end': endEchoes,
}

interface Outcome {
  ancestorTitles: string[]
  title: string
  status: string
  failureMessages: string[]
}
let outcomes: Outcome[] = []

beforeAll(async () => {
  const inside = '/tmp/site.sock'
  const socket = join(labPaths(lab.name).host('laptop'), inside)
  const server = createServer((req, res) => {
    const [, what = '', host] = req.url!.split('/')
    answers[what]!(host as HostName).then((answer) => res.end(JSON.stringify(answer ?? null)), (error: unknown) => res.writeHead(500).end(JSON.stringify(String(error))))
  })
  await new Promise<void>((listening) => server.listen(socket, listening))
  await chmod(socket, 0o666)
  try {
    const vitest = ['node', '/srv/jnode/node_modules/vitest/vitest.mjs', 'run', '--root', '/srv/jnode', '--configLoader', 'runner', '--config', 'test/cluster/on-laptop/vitest.config.ts', '--reporter=json']
    const {stdout, stderr} = await lab.exec('laptop', 'alice', vitest, {cwd: '/srv/jnode', env: {JNODE_SITE: inside}, timeoutMs: 170_000})
    const report = /^\{.*\}$/m.exec(stdout)
    if (!report) throw new Error(`no report: ${stdout}${stderr}`)
    outcomes = (JSON.parse(report[0]) as {testResults: {assertionResults: Outcome[]}[]}).testResults.flatMap(({assertionResults}) => assertionResults)
  } finally {
    server.close()
    await rm(socket, {force: true})
  }
})
afterAll(async () => {
  await endEchoes()
  await lab.exec('laptop', 'alice', 'rm -f ~/nodes')
  // What was given up goes on there: sshd ends no command whose channel was closed.
  await lab.exec('head', 'root', 'pkill -u alice -x sleep')
})

test.each(['over ssh2', 'over the system’s ssh'])('the contract holds %s', (transport) => {
  const ours = outcomes.filter(({ancestorTitles}) => ancestorTitles.includes(transport))
  expect(ours.length).toBeGreaterThan(5)
  expect(ours.filter(({status}) => status !== 'passed').map(({title, failureMessages}) => ({title, failureMessages}))).toEqual([])
})

test('nothing of it is left', async () => {
  await until('no process of alice on the laptop', async () => (await lab.processes('laptop', 'alice')).length === 0)
  expect(await lab.files('laptop', '/tmp')).toEqual([])
})
