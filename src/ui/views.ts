/** Results as a person reads them, on stdout. */
import Table from 'cli-table3'
import type {Leftover} from '../flows/leftovers.ts'
import type {Check} from '../flows/checks.ts'
import type {SessionView} from '../flows/session-view.ts'
import {oneLine, printable} from '../printable.ts'
import {shortDuration, spokenDuration} from '../time.ts'
import {trimEndOf} from '../trim-end.ts'

/** One line per session that fits into 80 columns, and its URL on a line of its own. The cluster is named where there is more than one. */
export function listText(sessions: readonly SessionView[], now: number): string {
  if (sessions.length === 0) return 'No sessions. `jnode start` starts one.'
  const several = new Set(sessions.map(({cluster}) => cluster)).size > 1
  const table = new Table({
    head: ['NAME', ...(several ? ['CLUSTER'] : []), 'JOB', 'STATE', 'NODE', 'SLOTS', 'AGE', 'LEFT', 'IDLE', 'COST', 'TUNNEL'],
    chars: {top: '', 'top-mid': '', 'top-left': '', 'top-right': '', bottom: '', 'bottom-mid': '', 'bottom-left': '', 'bottom-right': '', left: '', 'left-mid': '', mid: '', 'mid-mid': '', right: '', 'right-mid': '', middle: '  '},
    style: {head: [], border: [], 'padding-left': 0, 'padding-right': 0, compact: true},
  })
  for (const session of sessions) table.push([session.name, ...(several ? [session.cluster] : []), ...cells(session, now)].map((cell) => oneLine(cell, 60)))
  const [head, ...rows] = table.toString().split('\n').map((line) => trimEndOf(line, ' '))
  return [head, ...rows.flatMap((row, i) => [row, ...(sessions[i]?.url ? [`  ${oneLine(sessions[i].url)}`] : [])])].join('\n')
}

function cells(session: SessionView, now: number): string[] {
  const {jobId, state, node, slots, tunnel} = session
  const over = state === 'ended' || state === 'failed'
  const hours = over ? null : slotHours(session, now)
  return [
    jobId ?? '-',
    state,
    node?.split('.')[0] ?? '-',
    String(slots ?? '-'),
    over ? '-' : (age(session, now) ?? '-'),
    over || session.endsAt === null ? '-' : shortDuration(Date.parse(session.endsAt) - now),
    over ? '-' : idle(session, now),
    hours === null ? '-' : `${hours.toFixed(hours < 100 ? 1 : 0)}h`,
    tunnel,
  ]
}

/** Since it runs; while it waits, since it was submitted. */
function age({startedAt, submittedAt}: SessionView, now: number): string | null {
  const since = startedAt ?? submittedAt
  return since === null ? null : shortDuration(now - Date.parse(since))
}

/** What a session has taken of the cluster: slots times hours. Null before it runs. */
function slotHours({startedAt, slots}: SessionView, now: number): number | null {
  return startedAt === null || slots === null ? null : (slots * Math.max(0, now - Date.parse(startedAt))) / 3_600_000
}

/** For how long nothing has gone on. */
function idle({busy, lastActivityAt}: SessionView, now: number): string {
  if (busy) return 'busy'
  return lastActivityAt === null ? '-' : shortDuration(now - Date.parse(lastActivityAt))
}

/** One session in full. */
export function statusText(session: SessionView, now: number): string {
  const over = session.state === 'ended' || session.state === 'failed'
  const left = over ? null : timeLeft(session, now)
  const hours = over ? null : slotHours(session, now)
  const rows: [string, string | null][] = [
    ['session', session.name],
    ['cluster', `${session.cluster} (${session.host})`],
    ['job', session.jobId],
    ['state', session.state],
    ['reason', session.reason],
    ['node', session.node],
    ['slots', session.slots === null ? null : String(session.slots)],
    ['gpus', session.gpus],
    ['app', session.app],
    ['kernels', kernels(session)],
    ['tunnel', session.tunnel + (session.route ? ` (route ${session.route})` : lastRoute(session))],
    ...(session.routes ?? []).filter(({works}) => !works).map(({route, seen}): [string, string] => [`no ${route}`, seen]),
    ['url', session.url],
    ['submitted', session.submittedAt],
    ['started', session.startedAt],
    [over && session.endsAt !== null && Date.parse(session.endsAt) <= now ? 'ended' : 'ends', session.endsAt === null ? null : `${session.endsAt}${left ? ` (${left} left)` : ''}`],
    ['active', session.busy ? 'now: a cell or a program runs' : session.lastActivityAt],
    ['cost', hours === null ? null : `${hours.toFixed(1)} slot hours`],
    ['log', session.log],
    ['keeper', session.keeperPid === null ? null : `process ${session.keeperPid}`],
  ]
  return rows
    .filter(([, value]) => value !== null)
    // A further line of a value is no row of its own.
    .map(([key, value]) => `${oneLine(key).padEnd(10)} ${printable(value!).replaceAll('\n', `\n${' '.repeat(11)}`)}`)
    .join('\n')
}

function kernels({kernelTransport}: SessionView): string | null {
  if (kernelTransport === null) return null
  return kernelTransport === 'ipc' ? 'on private sockets (ipc)' : 'on TCP ports (tcp): other users of the node can read their output'
}

function lastRoute({routes}: SessionView): string {
  const last = routes?.find(({works}) => works)
  return last ? ` (route ${last.route} the last time)` : ''
}

const MARKS = {ok: '✔', warning: '!', failed: '✖', skipped: '-'}

/** One line per step, what mends it on a line of its own. */
export function checksText(checks: readonly Check[]): string {
  return checks
    .flatMap(({step, state, saw, action, ms}) => [
      `${MARKS[state]} ${step}: ${saw.replaceAll('\n', '\n  ')}${ms === null || ms < 1 ? '' : ` (${ms} ms)`}`,
      ...(action === null ? [] : [`  -> ${action.replaceAll('\n', '\n     ')}`]),
    ])
    .join('\n')
}

/** `1 h 20 min`; null when the job has no known limit. */
export function timeLeft({endsAt}: Pick<SessionView, 'endsAt'>, now: number): string | null {
  return endsAt === null ? null : spokenDuration(Date.parse(endsAt) - now)
}

/** One line per leftover. */
export function leftoversText(found: readonly Leftover[]): string {
  return found.map(({kind, name, where, why}) => oneLine(`${kind} ${name} on ${where}: ${why}`, 1000)).join('\n')
}
