import {describe, expect, test} from 'vitest'
import type {SessionView} from '../../../src/flows/session-view.ts'
import {listText, statusText} from '../../../src/ui/views.ts'

const NOW = Date.parse('2026-11-21T12:00:00Z')
const ago = (minutes: number) => new Date(NOW - minutes * 60_000).toISOString()
const session: SessionView = {
  name: 'otters-sing', cluster: 'hpc', host: 'ann@head', jobId: '1234567', state: 'ready', reason: null, node: 'node12.cluster.example.org', slots: 8, gpus: null, kernelTransport: 'ipc', route: 'socket', routes: null, localPort: 8888,
  url: 'http://127.83.12.5:8888/lab?token=0123456789abcdef0123456789abcdef0123456789abcdef', tunnel: 'connected', submittedAt: ago(140), startedAt: ago(125), endsAt: ago(-355), app: 'lab',
  log: '/home/ann/.jnode/sessions/otters-sing/log', keeperPid: 7, lastActivityAt: ago(12), busy: false,
}
const queued: SessionView = {...session, name: 'b', jobId: null, state: 'queued', node: null, startedAt: null, endsAt: null, url: null, tunnel: 'closed', lastActivityAt: null, busy: null}

describe('the list', () => {
  const lines = (...sessions: SessionView[]) => listText(sessions, NOW).split('\n')

  test('has age, time left, activity and cost in 80 columns, and the URL below', () => {
    const [head, row, url, ...rest] = lines(session)
    expect(head!.split(/ +/)).toEqual(['NAME', 'JOB', 'STATE', 'NODE', 'SLOTS', 'AGE', 'LEFT', 'IDLE', 'COST', 'TUNNEL'])
    expect(row!.split(/ {2,}/)).toEqual(['otters-sing', '1234567', 'ready', 'node12', '8', '2h5m', '5h55m', '12m', '16.7h', 'connected'])
    expect(url).toBe(`  ${session.url}`)
    expect(rest).toEqual([])
    expect(Math.max(head!.length, row!.length)).toBeLessThanOrEqual(80)
  })

  test('says that one works, and nothing of what is not known or over', () => {
    const rows = lines({...session, busy: true}, queued, {...session, name: 'c', state: 'ended', url: null, tunnel: 'closed'}).map((line) => line.split(/ {2,}/))
    expect(rows[1]!.slice(7, 9)).toEqual(['busy', '16.7h'])
    expect(rows[3]).toEqual(['b', '-', 'queued', '-', '8', '2h20m', '-', '-', '-', 'closed'])
    expect(rows[4]).toEqual(['c', '1234567', 'ended', 'node12', '8', '-', '-', '-', '-', 'closed'])
  })

  test('names the cluster where there are several', () => {
    const [head, row] = lines(session, {...queued, cluster: 'other'})
    expect(head).toMatch(/^NAME +CLUSTER +JOB/)
    expect(row).toMatch(/^otters-sing +hpc +1234567/)
  })
})

test('the status of one has them in words', () => {
  expect(statusText(session, NOW)).toMatch(/^ends +\S+ \(5 h 55 min left\)\nactive +2026-11-21T11:48:00.000Z\ncost +16.7 slot hours$/m)
})
