/** A node that shows another host key than its job has found: never logged in to, and told for what it is. */
import {describe, expect, test} from 'vitest'
import {JnodeError} from '../../../src/errors.ts'
import type {FlowEvent} from '../../../src/flows/events.ts'
import {ROUTE_ORDER} from '../../../src/flows/route-context.ts'
import {findRoute, noRoute, type Ground} from '../../../src/flows/routes.ts'
import {parseRecord} from '../../../src/jupyter/record.ts'
import {systemClock} from '../../../src/time.ts'
import {rejectionOf} from '../expect-error.ts'

const WRONG = new JnodeError('host-key', 'The SSH server that answers as alice@node1 shows a host key (SHA256:x) that the job on that node did not find', {hint: 'Tell the cluster’s admins.'})

/** A running job; its node answers each login with this error, and nothing on the head works. */
function ground(failure: JnodeError, from = 'sshd') {
  const told: FlowEvent[] = []
  const scripts: string[] = []
  const refuse = async (script: unknown) => {
    scripts.push(String(script))
    throw new JnodeError('no-route', 'the head runs nothing')
  }
  const record = parseRecord(`jnode-record 1\nendpoint socket /tmp/s\nhostkey ssh-ed25519 AAAA\nhostkeys-from ${from}\nnode node1\nlistening\n`)!
  const head = {label: 'alice@head', closed: new Promise<string>(() => {}), run: refuse, follow: refuse, open: refuse}
  const link = {head, canAsk: true, toNode: async () => { throw failure }, close: async () => {}}
  const all = {facts: {remoteDir: '/s'}, link, watch: {view: {job: null}}, record, nodeName: 'node1', endpoint: record.endpoint, signal: new AbortController().signal, deps: {clock: systemClock, randomHex: () => '1', tell: (event: FlowEvent) => told.push(event)}}
  return {ground: all as unknown as Ground, told, scripts}
}
const refused = (error: JnodeError) => new JnodeError('no-route', error.message, {cause: error})

describe('a node with another key', () => {
  test.each([
    ['sshd', 'The job asked the SSH server of its own node'],
    ['files', 'The job read the files in /etc/ssh of its node, which may belong to another SSH server'],
  ])('is an error of its own where no route works, which says what the job believed: %s', async (from, source) => {
    const {ground: there} = ground(refused(WRONG), from)
    for (const asked of ['socket', null] as const) {
      const search = await findRoute(there, {asked, last: null})
      expect(search.way).toBeNull()
      expect(noRoute(search, there)).toMatchObject({code: 'host-key', message: `${WRONG.message}. ${source}`, hint: WRONG.hint})
    }
  })

  test('keeps no other route from being tried but that of the head’s own ssh, which would meet the same key', async () => {
    const {ground: there, scripts} = ground(refused(WRONG))
    const {trials} = await findRoute(there, {asked: null, last: null})
    expect(trials.map(({route}) => route)).toEqual(ROUTE_ORDER.filter((route) => route !== 'head'))
    expect(trials[0]).toMatchObject({works: false, ask: null})
    expect(scripts.join()).not.toContain('ssh -N')
  })
})

test('a key of the node that is revoked ends the search: nothing else is tried', async () => {
  const {ground: there, scripts} = ground(new JnodeError('host-key', 'The host key of alice@node1 is revoked'))
  expect(await rejectionOf(findRoute(there, {asked: null, last: null}))).toMatchObject({code: 'host-key'})
  expect(scripts).toEqual([])
})
