/** Keepers as flows see them: the process that holds a session's tunnel, here or in the background. */
import type {Tunnel} from '../tunnel/tunnel.ts'
import type {RouteTrial} from './route-context.ts'

export type TunnelState = 'connected' | 'reconnecting' | 'needs-login' | 'closed'

export interface KeeperStatus {
  pid: number
  version: string
  cluster: string
  name: string
  node: string
  tunnel: TunnelState
  /** Why nothing is sent to the server although there is a connection, in words; not there from an older jnode. */
  reason?: string | null
  /** Host of the URL: an address of its own, or a name. */
  localHost: string
  localPort: number
  route: string
  /** What is known of the routes on this cluster; null from an older jnode. */
  routes: RouteTrial[] | null
  reconnects: number
}

export interface StopOutcome {
  name: string
  jobId: string | null
  /** What was found: a job that was ended now, or one that had ended before. */
  was: 'running' | 'waiting' | 'ended'
}

/** A live keeper of this computer. */
export interface Keeper {
  readonly status: KeeperStatus
  /** Closes its tunnel and ends it; the job stays. */
  disconnect(why?: 'taken-over'): Promise<void>
  /** Lets it end its session over its own connection: no second login. Null when it could not. It goes on when the signal aborts. */
  stop(signal: AbortSignal): Promise<StopOutcome | null>
}

export interface KeeperDirectory {
  /** Null where none lives. Rejects within seconds when there is one that does not answer: it holds its port, and nobody can say more. */
  find(cluster: string, name: string): Promise<Keeper | null>
  /** Closes the tunnel of a session that goes on, and leaves its port to a guard. Rejects when the tunnel is closed and there is no guard. */
  guard(tunnel: Tunnel, session: {cluster: string; name: string}): Promise<void>
  /** Takes the port back from its guard; false where there is none. */
  dismiss(cluster: string, name: string): Promise<boolean>
  /** The session is gone: removes what a killed keeper has left of it, and its guard. */
  forget(cluster: string, name: string): Promise<void>
  /** Paths of what killed keepers have left. */
  dead(): Promise<string[]>
  removeDead(path: string): Promise<void>
}
