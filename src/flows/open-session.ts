/** A session that is ready, and all that holds it. */
import type {Tunnel} from '../tunnel/tunnel.ts'
import type {FoundWay} from './reach-server.ts'
import type {Submitted} from './submit.ts'

export interface OpenSession extends Submitted {
  tunnel: Tunnel
  way: FoundWay
}
