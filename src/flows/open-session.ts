/** A session that is ready, and all that holds it. */
import type {SessionFacts} from '../session/facts.ts'
import type {GridEngine} from '../sge/client.ts'
import type {Tunnel} from '../tunnel/tunnel.ts'
import type {ClusterLink} from './deps.ts'
import type {ServerWay} from './reach-server.ts'

export interface OpenSession {
  facts: SessionFacts
  link: ClusterLink
  engine: GridEngine
  /** User name on the cluster. */
  user: string
  tunnel: Tunnel
  way: ServerWay
}
