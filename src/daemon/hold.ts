/** A ready session held by this process: its tunnel kept, its control socket answered. In the foreground and in the background alike. */
import type {ClusterTarget} from '../config/cluster.ts'
import {JnodeError, messageOf} from '../errors.ts'
import type {Deps} from '../flows/deps.ts'
import {keepSession, type KeepEnd} from '../flows/keep-session.ts'
import type {KeeperStatus, StopOutcome} from '../flows/keepers.ts'
import type {OpenSession} from '../flows/open-session.ts'
import {stopOpenSession} from '../flows/stop.ts'
import {warnOfTheEnd} from '../flows/warn-of-end.ts'
import {controlPath, serveControl} from './control.ts'
import {pipeSecret} from './private-http.ts'

export interface HoldOptions {
  cluster: ClusterTarget
  stateDir: string
  version: string
  /** Aborted to close the tunnel and keep the job. */
  signal: AbortSignal
  /** Shows a notice of the desktop. */
  notify(title: string, text: string): void
  /** The tunnel's state has changed; may come before `holdSession` resolves. */
  onTunnel?: (status: KeeperStatus) => void
}

export type HoldEnd = KeepEnd | {kind: 'disconnected'} | {kind: 'taken-over'} | {kind: 'stopped'}

export interface HeldSession {
  status(): KeeperStatus
  readonly ended: Promise<HoldEnd>
}

/** Takes over the session: closes its tunnel and its connection in every case, also when it throws. */
export async function holdSession(session: OpenSession, outside: Deps, options: HoldOptions): Promise<HeldSession> {
  const deps: Deps = {
    ...outside,
    tell(event) {
      outside.tell(event)
      if (event.kind === 'warning' && event.desktop !== undefined) options.notify(`jnode: ${session.facts.name}`, event.desktop)
    },
  }
  const closing = new AbortController()
  const signal = AbortSignal.any([options.signal, closing.signal])
  let asked: 'disconnected' | 'taken-over' | 'stopped' | null = null
  let stopping: Promise<StopOutcome> | null = null
  let yields = false
  const kept = keepSession(session, deps, {
    cluster: options.cluster,
    signal,
    onTunnel: () => options.onTunnel?.(status()),
    yields: () => yields,
    stopping: () => stopping,
  })
  const {facts} = session
  const over = new AbortController()
  void warnOfTheEnd(() => kept.current().facts, deps, over.signal)
  const status = (): KeeperStatus => ({pid: process.pid, version: options.version, cluster: facts.cluster, name: facts.name, node: session.way.nodeName, ...kept.status()})
  const tunnelClosed = kept.ended.then(() => over.abort())
  const serving = serveControl(controlPath(options.stateDir, facts.cluster, facts.name), {
    status,
    async disconnect(takenOver) {
      asked ??= takenOver ? 'taken-over' : 'disconnected'
      closing.abort()
      await tunnelClosed
    },
    async stop() {
      asked = 'stopped'
      stopping ??= stopOpenSession(kept.current(), deps, AbortSignal.timeout(170_000))
      try {
        return await stopping
      } catch (error) {
        asked = null
        stopping = null
        throw error
      } finally {
        if (asked === 'stopped') closing.abort()
      }
    },
  }, () => pipeSecret(options.stateDir))
  const control = await serving.catch(async (error: unknown) => {
    if (!(error instanceof JnodeError) || error.code !== 'session-exists') {
      deps.tell({kind: 'warning', text: `Other commands cannot reach this tunnel: ${messageOf(error)}`, hint: `It works all the same; process ${process.pid} holds it.`})
      return null
    }
    yields = true
    closing.abort()
    await tunnelClosed
    // Two at the same moment: the port on file shall be that of the one which stands.
    const other = await deps.keepers.find(facts.cluster, facts.name).catch(() => null)
    if (other) await deps.store.save({...facts, localPort: other.status.localPort})
    throw error
  })
  const ended = kept.ended.then(async (end): Promise<HoldEnd> => {
    // The answer to whoever asked for this end is still being written.
    await new Promise((resolve) => setTimeout(resolve, asked ? 50 : 0))
    await control?.close()
    return asked ? {kind: asked} : end
  })
  return {status, ended}
}
