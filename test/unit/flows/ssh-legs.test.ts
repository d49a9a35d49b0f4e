import {expect, test} from 'vitest'
import {shareLink, type OwnLink} from '../../../src/daemon/shared-link.ts'
import {whenAborted} from '../../../src/errors.ts'
import {openHeadLeg} from '../../../src/flows/ssh-legs.ts'
import type {RouteContext} from '../../../src/flows/route-context.ts'
import {systemClock} from '../../../src/time.ts'

/** A head on which a script runs until its follower has enough. */
function sharedHead() {
  const running = new Set<string>()
  const head = {
    label: 'alice@head',
    closed: new Promise<string>(() => {}),
    async follow(script: string, onLine: (line: string) => void, signal: AbortSignal) {
      running.add(script)
      onLine('up socket /home/alice/.jnode/sessions/t1/head-1/sock')
      await whenAborted(signal)
      running.delete(script)
    },
  }
  return {running, shared: shareLink({head, close: async () => {}} as unknown as OwnLink)}
}

test('ssh on the head ends with the session it was started for, also where others go on using the connection', async () => {
  const {running, shared} = sharedHead()
  const [own, others] = [shared.hold(), shared.hold()]
  const context = {link: own, record: {names: ['node1'], hostKeys: []}, facts: {remoteDir: '/home/alice/.jnode/sessions/t1'}, nodeName: 'node1', signal: new AbortController().signal, deps: {clock: systemClock, randomHex: () => '1'}}
  const leg = await openHeadLeg(context as unknown as RouteContext, 'socket', {kind: 'socket', path: '/tmp/jnode/sock'})
  expect(running.size).toBe(1)
  await own.close()
  await leg.lost
  expect(running.size).toBe(0)
  await others.close()
})
