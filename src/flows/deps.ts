/** All that a flow may use of the outside world. runtime.ts makes the real one; tests make their own. */
import type {ClusterTarget} from '../config/cluster.ts'
import type {EndStore} from '../session/end-store.ts'
import type {SessionStore} from '../session/local-store.ts'
import type {OriginStore} from '../session/origins.ts'
import type {RouteStore} from '../session/route-store.ts'
import type {Remote, Witness} from '../ssh/remote.ts'
import type {Clock} from '../time.ts'
import type {Tell} from './events.ts'
import type {KeeperDirectory} from './keepers.ts'
import type {SessionView} from './session-view.ts'

/** A compute node as its job described it. */
export interface NodeAddress {
  /** Names to try, the node's own first. */
  names: string[]
  /** `type base64` lines of the node's SSH host keys, read by the job on the node; empty when it could not. */
  hostKeys: string[]
  /** What Grid Engine itself calls the node; null where that is not known. The job's own word names any host. */
  granted?: string | null
}

/** A live way to a cluster: the head node now, compute nodes on demand. */
export interface ClusterLink {
  readonly head: Remote
  /** Whether somebody can be asked for what a login needs. */
  readonly canAsk: boolean
  /** The address of the machine that is the head node, where its name may stand for several; null where it is not known. */
  readonly machine?: Promise<string | null>
  /** Labels of the hosts that have asked for what its owner alone knows: another process logs in there only with a person. */
  readonly asked?: readonly string[]
  /** Logs in to a node through the head node; `silent`: nobody is asked anything. Throws `no-route`, `host-key`, `login-failed`. */
  toNode(node: NodeAddress, signal?: AbortSignal, silent?: boolean): Promise<Remote>
  close(): Promise<void>
}

export interface ConnectOptions {
  signal: AbortSignal
  /** Never ask anybody anything: a background reconnect. */
  silent?: boolean
  /** Only a connection that another process lends; else it throws, and no login is tried. */
  onlyLent?: boolean
  /** It will be kept: other processes of this computer may use it meanwhile. */
  lend?: boolean
  /** Is told what is seen on the way; then it is a login of its own, whatever connections others have open. */
  witness?: Witness
}

/** Asks a person for what cannot be known; answers with the usual value where nobody is asked. */
export type Answer = (question: string, usual: string, choices?: readonly string[]) => Promise<string>

export interface Deps {
  /** A live way to the cluster: one this process has, else one that another process lends, else a login. */
  connect(cluster: ClusterTarget, options: ConnectOptions): Promise<ClusterLink>
  /** Facts of sessions on this computer. */
  store: SessionStore
  /** Which session has which origin on this computer. */
  origins: OriginStore
  /** Which route worked last on which cluster. */
  routes: RouteStore
  /** How sessions ended of which nothing else is left. */
  ends: EndStore<SessionView>
  /** The live keepers of this computer. */
  keepers: KeeperDirectory
  clock: Clock
  /** Resolves, with what it was in words, when this computer has slept or its network has changed: each link is in doubt then. */
  upheaval(signal: AbortSignal): Promise<string>
  /** `length` random bytes as hex. */
  randomHex(length: number): string
  tell: Tell
}
