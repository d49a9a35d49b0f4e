/** The line below everything while a tunnel is held: node, route, time left. Rewritten in a terminal, printed once elsewhere. */
import type {SessionView} from '../flows/session-view.ts'
import {timeLeft} from './views.ts'

export interface StatusLine {
  show(view: SessionView): void
  /** A line that stays, above the status line. */
  note(text: string): void
  close(): void
}

const REFRESH_MS = 30_000

export function statusLine(stderr: NodeJS.WriteStream): StatusLine {
  let last: SessionView | null = null
  let printed = ''
  const draw = () => {
    if (!last) return
    const text = lineOf(last, Date.now())
    if (stderr.isTTY) stderr.write(`\r\u001B[K${text.slice(0, (stderr.columns || 80) - 1)}`)
    else if (last.tunnel !== printed) stderr.write(`${text}\n`)
    printed = last.tunnel
  }
  const timer = setInterval(draw, REFRESH_MS)
  timer.unref()
  return {
    show(view) {
      last = view
      draw()
    },
    note(text) {
      stderr.write(stderr.isTTY ? `\r\u001B[K${text}\n` : `${text}\n`)
      draw()
    },
    close() {
      clearInterval(timer)
      if (stderr.isTTY && last) stderr.write('\n')
    },
  }
}

function lineOf(view: SessionView, now: number): string {
  const left = timeLeft(view, now)
  const parts = [`${view.name} on ${view.node}`, `${view.slots} ${view.slots === 1 ? 'slot' : 'slots'}`, `route ${view.route}`]
  if (left !== null) parts.push(`${left} left`)
  if (view.tunnel !== 'connected') parts.push(view.tunnel)
  if (view.tunnel !== 'closed') parts.push('Ctrl-C closes the tunnel, the job stays')
  return parts.join(' · ')
}
