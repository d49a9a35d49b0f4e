import {once} from 'node:events'
import {mkdtemp, rm} from 'node:fs/promises'
import {request, type IncomingMessage} from 'node:http'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {afterEach, beforeEach, expect, test} from 'vitest'
import {borrow} from '../../../src/daemon/borrow.ts'
import {takePlace} from '../../../src/daemon/lend.ts'
import {shareLink, type OwnLink} from '../../../src/daemon/shared-link.ts'
import type {NodeAddress} from '../../../src/flows/deps.ts'

let directory: string
beforeEach(async () => (directory = await mkdtemp(join(tmpdir(), 'jnode-lend-'))))
afterEach(() => rm(directory, {recursive: true}))

const forEver = new Promise<string>(() => {})
const NODE: NodeAddress = {names: ['node1'], hostKeys: []}

/** A lent connection whose login to a node takes until `nodeIsThere`, whoever has left meanwhile. */
async function lent() {
  let nodeIsThere = () => {}
  let asked = () => {}
  const nodeAsked = new Promise<void>((resolve) => (asked = resolve))
  const closed = new Promise<void>((resolve) => {
    const node = {label: 'alice@node1', closed: forEver, close: async () => {}}
    const link = {
      head: {label: 'alice@head', closed: forEver},
      canAsk: false,
      toNode: () => (asked(), new Promise((there) => (nodeIsThere = () => there(node)))),
      close: async () => resolve(),
    }
    shared = shareLink(link as unknown as OwnLink)
  })
  const path = join(directory, 'lent.sock')
  const lender = await takePlace(path)
  const own = shared.hold()
  return {path, lender: lender!, shared, own, nodeAsked, nodeIsThere: () => nodeIsThere(), closed}
}
let shared: ReturnType<typeof shareLink>

const pause = () => new Promise((resolve) => setTimeout(resolve, 100))
const asking = (signal: AbortSignal) => ({signal, onWaiting: () => {}})

test('who leaves while the lender logs in to a node holds nothing of it', async () => {
  const {path, lender, own, nodeAsked, nodeIsThere, closed} = await lent()
  lender.lend(shared)
  const found = await borrow(path, asking(new AbortController().signal))
  if (found.kind !== 'lent') throw new Error(found.kind)
  const enough = new AbortController()
  const node = found.link.toNode(NODE, enough.signal)
  await nodeAsked
  enough.abort(new Error('enough'))
  await expect(node).rejects.toThrow('enough')
  await found.link.close()
  nodeIsThere()
  await own.close()
  await closed
})

test('who leaves while the lender logs in to the head holds nothing of it', async () => {
  const {path, lender, own, closed} = await lent()
  const enough = new AbortController()
  const found = borrow(path, asking(enough.signal))
  await pause()
  enough.abort(new Error('enough'))
  await expect(found).rejects.toThrow('enough')
  // The lender hears of both.
  await pause()
  lender.lend(shared)
  await pause()
  await own.close()
  await closed
})

test('of what is followed no more is kept than a borrower that has stopped to read may want', async () => {
  let sent = 0
  const ended = new Promise<void>((resolve) => {
    const head = {
      label: 'alice@head',
      closed: forEver,
      async follow(_script: string, onLine: (line: string) => unknown, signal: AbortSignal) {
        for (; !signal.aborted && sent < 200; sent++) {
          await onLine('x'.repeat(100_000))
        }
        resolve()
      },
    }
    shared = shareLink({head, close: async () => {}} as unknown as OwnLink)
  })
  const path = join(directory, 'lent.sock')
  ;(await takePlace(path))!.lend(shared)
  const own = shared.hold()
  const lease = request({socketPath: path, method: 'POST', agent: false}).on('error', () => {})
  lease.end(JSON.stringify({what: 'head'}))
  await once(lease, 'response')
  await pause()
  const stopped = request({socketPath: path, method: 'POST', agent: false}).on('error', () => {})
  stopped.end(JSON.stringify({what: 'follow', of: 'head', script: 'tail -f log'}))
  const [answer] = (await once(stopped, 'response')) as [IncomingMessage]
  let before = -1
  await expect.poll(() => before === (before = sent), {interval: 300, timeout: 10_000}).toBe(true)
  expect(sent).toBeLessThan(50)
  // Read on, it gets all of it.
  let length = 0
  answer.on('data', (data: Buffer) => (length += data.length))
  await ended
  await once(answer, 'end')
  expect(length).toBeGreaterThan(20_000_000)
  lease.destroy()
  await own.close()
})
