/** The line below everything while a tunnel is held: node, route, time left. Rewritten in a terminal, printed once elsewhere. */
import type {SessionView} from '../flows/session-view.ts'
import {oneLine} from '../printable.ts'
import {endLine, rewriteLine, rewriteWithLine, writeLine} from './output.ts'
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
    if (stderr.isTTY) rewriteLine(stderr, text)
    else if (last.tunnel !== printed) writeLine(stderr, oneLine(text))
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
      if (stderr.isTTY) rewriteWithLine(stderr, text)
      else writeLine(stderr, text)
      draw()
    },
    close() {
      clearInterval(timer)
      if (stderr.isTTY && last) endLine(stderr)
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
