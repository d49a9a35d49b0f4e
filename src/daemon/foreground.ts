/** A session held in the terminal: URL on stdout, browser, status line on stderr, until Ctrl-C or its end. */
import type {ClusterTarget} from '../config/cluster.ts'
import {JnodeError, messageOf} from '../errors.ts'
import type {Deps} from '../flows/deps.ts'
import type {Tell} from '../flows/events.ts'
import type {KeeperStatus} from '../flows/keepers.ts'
import type {OpenSession} from '../flows/open-session.ts'
import {viewOf, type SessionView} from '../flows/session-view.ts'
import {writeLine} from '../ui/output.ts'
import {warningText, type Reporter} from '../ui/reporter.ts'
import {statusLine} from '../ui/status-line.ts'
import {controlPath} from './control.ts'
import {makeRoom} from './private-socket.ts'
import {holdSession} from './hold.ts'

export interface ForegroundOptions {
  name: string
  deps: Deps
  cluster: ClusterTarget
  stateDir: string
  version: string
  reporter: Reporter
  openBrowser: boolean
  browser: string | null
  open(url: string, browser: string | null, signal?: AbortSignal): Promise<void>
  notify(title: string, text: string): void
  /** Lends the connection to other commands. */
  links: {offer(): Promise<void>}
  signal: AbortSignal
}

export type Foreground = SessionView

/** Settles when the tunnel is closed. Throws `interrupted` after Ctrl-C: the job goes on, and the words say so. */
export async function foreground(bringAbout: () => Promise<OpenSession>, options: ForegroundOptions): Promise<Foreground> {
  const {deps, reporter} = options
  await makeRoom(controlPath(options.stateDir, options.cluster.name, options.name))
  const session = await bringAbout()
  const line = statusLine(process.stderr)
  const closing = new AbortController()
  const view = (status: KeeperStatus) => viewOf(session.facts, {state: 'ready', reason: null, node: session.way.nodeName}, status)
  const show = (status: KeeperStatus) => reporter.loudness === 'quiet' || line.show(view(status))
  // From here on nobody waits for a step, and what is worth telling stands above the status line.
  const tell: Tell = (event) => {
    if (event.kind === 'warning') line.note(warningText(event))
    else if (event.kind === 'note' && reporter.loudness !== 'quiet') line.note(event.text)
    else if (event.kind === 'trace') reporter.tell(event)
  }
  const held = await holdSession(session, {...deps, tell}, {...options, onTunnel: show}).catch((error: unknown) => {
    line.close()
    throw error
  })
  void options.links.offer()
  await reporter.close('done')
  const ready = view(held.status())
  writeLine(process.stdout, ready.url!)
  if (options.openBrowser) {
    options.open(ready.url!, options.browser, closing.signal).catch((error: unknown) => closing.signal.aborted || line.note(messageOf(error)))
  }
  show(held.status())
  const end = await held.ended
  closing.abort()
  line.close()
  const {name, jobId} = session.facts
  switch (end.kind) {
    case 'closed':
      throw new JnodeError('interrupted', `The tunnel is closed; job ${jobId} goes on`, {
        hint: `Come back with \`jnode connect ${name}\`, end the job with \`jnode stop ${name}\`.`,
      })
    case 'disconnected':
      writeLine(process.stderr, `The tunnel was closed by \`jnode disconnect\`; job ${jobId} goes on.`)
      return ready
    case 'taken-over':
      writeLine(process.stderr, `The tunnel was taken over by \`jnode connect\` in another place; job ${jobId} goes on.`)
      return ready
    case 'stopped':
      writeLine(process.stderr, `Session ${name} was stopped; job ${jobId} is gone.`)
      return ready
    case 'job-ended':
      if (end.reason.code !== 'job-ended' && end.reason.code !== 'job-failed') throw end.reason
      writeLine(process.stderr, `${end.reason.message}\nThe tunnel is closed${end.tidy ? ` and nothing is left of session ${name}` : ''}.`)
      return ready
  }
}
