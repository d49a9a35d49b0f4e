/** Results as a person reads them, on stdout. */
import Table from 'cli-table3'
import type {SessionView} from '../flows/session-view.ts'
import {spokenDuration} from '../time.ts'

/** One line per session. */
export function listText(sessions: readonly SessionView[], now: number): string {
  if (sessions.length === 0) return 'No sessions. `jnode start` starts one.'
  const table = new Table({
    head: ['NAME', 'CLUSTER', 'JOB', 'STATE', 'NODE', 'SLOTS', 'TIME LEFT', 'TUNNEL', 'URL'],
    chars: {top: '', 'top-mid': '', 'top-left': '', 'top-right': '', bottom: '', 'bottom-mid': '', 'bottom-left': '', 'bottom-right': '', left: '', 'left-mid': '', mid: '', 'mid-mid': '', right: '', 'right-mid': '', middle: '  '},
    style: {head: [], border: [], 'padding-left': 0, 'padding-right': 0, compact: true},
  })
  for (const session of sessions) {
    table.push([
      session.name,
      session.cluster,
      session.jobId ?? '-',
      session.state,
      session.node ?? '-',
      String(session.slots ?? '-'),
      timeLeft(session, now) ?? '-',
      session.tunnel,
      session.url ?? '-',
    ])
  }
  return table.toString().replaceAll(/ +$/gm, '')
}

/** One session in full. */
export function statusText(session: SessionView, now: number): string {
  const left = timeLeft(session, now)
  const rows: [string, string | null][] = [
    ['session', session.name],
    ['cluster', `${session.cluster} (${session.host})`],
    ['job', session.jobId],
    ['state', session.state],
    ['reason', session.reason],
    ['node', session.node],
    ['slots', session.slots === null ? null : String(session.slots)],
    ['app', session.app],
    ['tunnel', session.tunnel + (session.route ? ` (route ${session.route})` : '')],
    ['url', session.url],
    ['submitted', session.submittedAt],
    ['started', session.startedAt],
    ['ends', session.endsAt === null ? null : `${session.endsAt}${left ? ` (${left} left)` : ''}`],
    ['log', session.log],
    ['keeper', session.keeperPid === null ? null : `process ${session.keeperPid}`],
  ]
  return rows
    .filter(([, value]) => value !== null)
    .map(([key, value]) => `${key.padEnd(10)} ${value}`)
    .join('\n')
}

/** `1 h 20 min`; null when the job has no known limit. */
export function timeLeft({endsAt}: Pick<SessionView, 'endsAt'>, now: number): string | null {
  return endsAt === null ? null : spokenDuration(Date.parse(endsAt) - now)
}
