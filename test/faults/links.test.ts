/** What happens to the way between laptop and node: the session is there when it is over. */
import {afterEach, beforeEach, describe, expect, onTestFinished, test} from 'vitest'
import {pageOf, statusOf, sweep} from '../cluster/jnode.ts'
import {until} from '../cluster/run.ts'
import {useLab} from '../cluster/use-lab.ts'
import {figure, seconds, through} from './scene.ts'
import {openTab} from './tab.ts'

const lab = await useLab()

beforeEach(() => onTestFinished(async () => void (await Promise.all([lab.link('laptop').up(), lab.link('lan').up(), lab.link('cluster').up()]))))
afterEach(async ({task}) => {
  if (task.result?.state === 'fail') await sweep(lab)
})

describe('the laptop’s link is cut, with a notebook open in a browser', () => {
  test.each([
    ['5 s', 5],
    ['60 s', 60],
    ['10 min', 600],
  ])('for %s', async (what, length) => {
    await through(lab, 'cut', async ({session, kernel, tunnelIs}) => {
      const tab = await openTab(lab, session.url)
      await lab.link('laptop').down()
      const from = Date.now()
      if (length > 30) {
        await tunnelIs('reconnecting')
        await figure(`link cut ${what}: noticed after`, `${Math.round((Date.now() - from) / 1000)} s`)
        expect(await tab.visit(session.url)).toMatch(/^The connection to the cluster was lost\.[^]*Looking again/)
      }
      await seconds(length - (Date.now() - from) / 1000)
      await lab.link('laptop').up()
      const back = Date.now()
      await kernel.survives()
      await figure(`link cut ${what}: kernel's websocket back after`, `${Math.round((Date.now() - back) / 1000)} s`)
      if (length > 30) await until('the page has opened the notebook by itself', async () => (await tab.read()).includes('Files'), 120_000)
      expect(await tab.survives()).toBe('by itself')
      await figure(`link cut ${what}: notebook in the tab came back by itself after`, `${Math.round((Date.now() - back) / 1000)} s`)
      await tab.close()
    }, {cut: true})
  })
})

describe('packets vanish without a reset', () => {
  test.each([
    ['between gateway and head', 'lan'],
    ['between head and node', 'cluster'],
  ] as const)('%s', async (what, network) => {
    await through(lab, 'hole', async ({session, tunnelIs}) => {
      const from = Date.now()
      await lab.link(network).down()
      await tunnelIs('reconnecting')
      await figure(`black hole ${what}: noticed after`, `${Math.round((Date.now() - from) / 1000)} s`)
      expect(await statusOf(lab, pageOf(session.url, 'api/status'))).toBe(503)
      await lab.link(network).up()
      await tunnelIs('connected', 180_000)
    }, {cut: true})
  })
})

/** Resets every SSH connection of the laptop, as a firewall does that has lost its state. */
const resetAll = () => lab.exec('laptop', 'root', ['ss', '-K', 'dport', '=', ':22'], {cwd: '/'})

test('a TCP reset amid a download: it ends, and the next one is whole', async () => {
  await through(lab, 'reset', async ({session, kernel, tunnelIs}) => {
    await kernel.run(`import os\nopen('big', 'wb').truncate(300_000_000)`)
    const child = lab.spawn('laptop', 'alice', 'curl -sS -o /dev/null -w "%{http_code} %{size_download}" "$(cat)"')
    let said = ''
    child.stdout!.on('data', (data: Buffer) => (said += data.toString()))
    child.stdin!.end(pageOf(session.url, 'files/big'))
    const ended = new Promise((resolve) => child.once('close', resolve))
    await seconds(1)
    await resetAll()
    expect(await ended).not.toBe(0)
    expect(Number(said.split(' ')[1])).toBeLessThan(300_000_000)
    await tunnelIs('connected')
    const whole = await lab.exec('laptop', 'alice', 'curl -sS -o /dev/null -w "%{http_code} %{size_download}" "$(cat)"', {input: pageOf(session.url, 'files/big')})
    expect(whole.stdout).toBe('200 300000000')
    await kernel.run(`os.remove('big')`)
  })
})

test('a TCP reset under a busy websocket: it is opened again, and the kernel goes on', async () => {
  await through(lab, 'reset', async ({kernel}) => {
    await kernel.run(`import threading, time\ncount = 0\ndef work():\n  global count\n  while True:\n    count += 1\n    time.sleep(0.01)\nthreading.Thread(target=work, daemon=True).start()`)
    const before = kernel.history().length
    await resetAll()
    await until('the websocket was opened again', () => kernel.history().slice(before).includes('opened'), 60_000)
    expect(kernel.history()[before]).toBe(1006)
    const [first, second] = [Number(await kernel.run('print(count)')), Number(await kernel.run('print(count)'))]
    expect(second).toBeGreaterThan(first)
  })
})

test('the laptop gets another address', async () => {
  const address = (verb: string, which: string) => `ip address ${verb} ${which}/24 dev wan`
  onTestFinished(async () => void (await lab.exec('laptop', 'root', `${address('del', '10.10.1.77')}; ${address('replace', '10.10.1.11')}`, {cwd: '/'})))
  await through(lab, 'moved', async ({tunnelIs}) => {
    const from = Date.now()
    const {exitCode} = await lab.exec('laptop', 'root', `${address('del', '10.10.1.11')} && ${address('add', '10.10.1.77')}`, {cwd: '/'})
    expect(exitCode).toBe(0)
    await tunnelIs('reconnecting')
    await tunnelIs('connected')
    await figure('another address: connected again after', `${Math.round((Date.now() - from) / 1000)} s`)
    // Back in the first network, so that its servers hear that the old connection is no more.
    await lab.exec('laptop', 'root', address('add', '10.10.1.11'), {cwd: '/'})
  }, {cut: true})
})
