/** Routes that need help on the cluster, over a connection that another process lends, and over the system's ssh. */
import {afterAll, beforeAll, describe, expect, test} from 'vitest'
import {countLogins, jnodeIn, nothingLeft, sweep} from '../cluster/jnode.ts'
import {runCell} from '../cluster/kernel.ts'
import {siteIn} from '../cluster/site.ts'
import {useLab} from '../cluster/use-lab.ts'

const lab = await useLab()
const jnode = jnodeIn(lab)
const site = siteIn(lab)
/** The job's own login, back to the head, is one of `reverse`; `head` has one to the node. */
const ROUTES = [['node', {node1: 1}], ['head', {node1: 1}], ['direct', {}], ['reverse', {head: 1}]] as const
const NONE = {gateway: 0, head: 0, node1: 0, node2: 0}

beforeAll(() => site.set({internalKey: ['nodes', 'head']}))
afterAll(async () => {
  await site.asBefore()
  await sweep(lab)
})

async function cellRuns(url: string): Promise<void> {
  expect((await runCell(lab, url, {kernel: null, code: 'print(6 * 7)'})).output).toBe('42\n')
}

describe('over a connection that is lent', () => {
  beforeAll(async () => void (await jnode.ok('start lender --host head --node node2')))
  test.each(ROUTES)('%s: no login but the one of its own leg', async (route, own) => {
    const logins = await countLogins(lab)
    const session = await jnode.ok(`start lent --host head --node node1 --route ${route}`)
    expect(session.route).toBe(route)
    await cellRuns(session.url!)
    expect(await logins()).toEqual({...NONE, ...own})
    await jnode.ok('stop lent')
    expect((await jnode.ok('status lender')).tunnel).toBe('connected')
  })
  test('after all that, nothing is left', async () => {
    await jnode.ok('stop lender')
    await nothingLeft(lab)
  })
})

test.each(ROUTES)('over the system’s ssh: %s', async (route) => {
  const session = await jnode.ok(`start prog --host head --node node1 --transport openssh --route ${route}`)
  expect(session.route).toBe(route)
  await cellRuns(session.url!)
  await jnode.ok('stop prog')
  await nothingLeft(lab)
})
