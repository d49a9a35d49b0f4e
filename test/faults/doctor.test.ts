/** `jnode doctor --job`: a job for a moment, and a byte through each route. Routes that are shut take their time to say so. */
import {afterEach, expect, test} from 'vitest'
import type {Check} from '../../src/flows/checks.ts'
import {countLogins, jnodeIn, nothingLeft, sweep} from '../cluster/jnode.ts'
import {useLab} from '../cluster/use-lab.ts'

const lab = await useLab()
const jnode = jnodeIn(lab)

afterEach(async ({task}) => {
  if (task.result?.state === 'fail') await sweep(lab)
})

test('the node, Jupyter and each route are seen, by one login per hop; nothing is left', async () => {
  const logins = await countLogins(lab)
  const {exitCode, document} = await jnode.json<{ok: boolean; checks: Check[]}>('doctor --host head --job')
  const {ok, checks} = document
  expect({exitCode, ok}).toEqual({exitCode: 0, ok: true})
  const of = (name: string) => checks.find(({step}) => step.replace(/node\d/, 'node') === name)
  expect(checks.map(({step}) => step.replace(/node\d/, 'node')).slice(-9)).toEqual([
    'alice@node.local: connect', 'alice@node.local: host key', 'alice@node.local: login', 'job',
    'route socket', 'route node', 'route head', 'route direct', 'route reverse',
  ])
  expect(of('job')).toMatchObject({state: 'ok', saw: expect.stringMatching(/^job \d+ ran on node\d\.local, Jupyter \(notebook\) answered by route socket/) as string})
  expect(of('route socket')).toMatchObject({state: 'ok'})
  // alice has no key on the head node for its nodes, and none on the nodes for the head.
  for (const step of ['route head', 'route reverse']) expect(of(step)).toMatchObject({state: 'warning', action: expect.stringMatching(/ask the cluster’s support for SSH logins/) as string})
  const {gateway, head, node1, node2} = await logins()
  expect({gateway, head, nodes: node1! + node2!}).toEqual({gateway: 1, head: 1, nodes: 1})
  await nothingLeft(lab)
})
