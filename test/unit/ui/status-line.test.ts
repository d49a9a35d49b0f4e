import {expect, test} from 'vitest'
import type {SessionView} from '../../../src/flows/session-view.ts'
import {statusLine} from '../../../src/ui/status-line.ts'

const view = (over: Partial<SessionView> = {}) =>
  ({name: 'otters-sing', node: 'node1', slots: 2, route: 'socket', tunnel: 'connected', endsAt: null, ...over}) as SessionView

function linesOf(...views: SessionView[]): string {
  let text = ''
  const line = statusLine({isTTY: false, write: (more: string) => (text += more)} as unknown as NodeJS.WriteStream)
  for (const each of views) line.show(each)
  line.close()
  return text
}

test('says node, slots, route and what Ctrl-C does, once as long as nothing changes', () => {
  expect(linesOf(view(), view())).toBe('otters-sing on node1 · 2 slots · route socket · Ctrl-C closes the tunnel, the job stays\n')
})

test('says when the tunnel is not connected, and offers no Ctrl-C once it is closed', () => {
  const [, lost, closed] = linesOf(view(), view({tunnel: 'reconnecting'}), view({tunnel: 'closed'})).split('\n')
  expect(lost).toBe('otters-sing on node1 · 2 slots · route socket · reconnecting · Ctrl-C closes the tunnel, the job stays')
  expect(closed).toBe('otters-sing on node1 · 2 slots · route socket · closed')
})
