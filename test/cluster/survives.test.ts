/** What breaks under a session and is over in seconds; `npm run test:faults` has the rest. */
import {afterEach, expect, onTestFinished, test} from 'vitest'
import {fillSlots, jnodeIn, nothingLeft, pageOf, statusOf, sweep} from './jnode.ts'
import {openKernel} from './kernel.ts'
import {until} from './run.ts'
import {useLab} from './use-lab.ts'

const lab = await useLab()
const jnode = jnodeIn(lab)

afterEach(async ({task}) => {
  if (task.result?.state === 'fail') await sweep(lab)
})

test('a kernel outlives a link that was cut, a gateway that was restarted, and its killed keeper, by the same URL', async () => {
  const session = await jnode.ok('start kept --host head')
  const kernel = await openKernel(lab, session.url!)
  onTestFinished(() => lab.link('laptop').up())
  await lab.link('laptop').down()
  await new Promise((resolve) => setTimeout(resolve, 5000))
  await lab.link('laptop').up()
  await kernel.survives()

  onTestFinished(async () => void (await lab.startDaemon('gateway', 'sshd').catch(() => {})))
  await lab.stopDaemon('gateway', 'sshd')
  await lab.exec('gateway', 'root', 'pkill -KILL -x sshd; true', {cwd: '/'})
  await until('programs are told', async () => (await statusOf(lab, pageOf(session.url!, 'api/status'))) === 503)
  const page = await lab.exec('laptop', 'alice', ['curl', '-s', '-H', 'Accept: text/html', new URL('/tree', session.url!).href])
  expect(page.stdout).toContain('<h1>The connection to the cluster was lost.</h1>')
  expect(page.stdout).not.toContain(new URL(session.url!).searchParams.get('token'))
  await lab.startDaemon('gateway', 'sshd')
  await kernel.survives()

  await lab.exec('laptop', 'alice', ['kill', '-KILL', String(session.keeperPid)])
  await until('the keeper is dead', async () => (await statusOf(lab, pageOf(session.url!, 'api/status'))) === 'ECONNREFUSED')
  expect(await jnode.ok('connect kept')).toMatchObject({url: session.url, tunnel: 'connected'})
  await kernel.survives()
  kernel.close()
  await jnode.ok('stop kept')
  await nothingLeft(lab)
})

test('a job that waits is waited for over a new connection when the old one is cut', async () => {
  const free = await fillSlots(lab)
  onTestFinished(free)
  const start = jnode.spawn('start patient --host head -d')
  await start.says('Wait for a node')
  await lab.endSessions('gateway')
  await start.says('connecting again')
  await free()
  expect(await start.ended).toMatchObject({exitCode: 0, stdout: expect.stringMatching(/^http:/) as string})
  await jnode.ok('stop patient')
  await nothingLeft(lab)
})
