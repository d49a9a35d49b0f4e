/** The check of streams to a place of a node that another user could take after our server. */
import type {JnodeError} from '../errors.ts'
import type {Endpoint, Remote} from '../ssh/remote.ts'
import {checkPort} from './listener-owner.ts'
import {closed, type RouteContext} from './route-context.ts'
import {lookAtSocket} from './socket-owner.ts'
import type {Reached} from './ssh-legs.ts'
import {ownedStreams} from './sure-streams.ts'

/** How a node is asked: `script` makes of shell text for the node what is run over `remote`. */
export interface OnNode {
  nodeName: string
  remote: Remote
  script(text: string): string
  /** What it means when it did not run there. */
  notRun(why: string): JnodeError
}

export interface CheckedPlace {
  /** What to open streams to. */
  at: Endpoint
  checked(reached: Reached): Reached
}

/** Throws `no-route` where the place is another user's, or could be at any moment. */
export async function checkPlace({endpoint, facts}: Pick<RouteContext, 'endpoint' | 'facts'>, node: OnNode): Promise<CheckedPlace> {
  if (endpoint.kind === 'tcp') return {at: endpoint, checked: withLook(async () => (await checkPort(endpoint, node), ''), '')}
  // In a directory of the job's own, and it shows the proof on each stream.
  if (!facts.foreign) return {at: endpoint, checked: (reached) => reached}
  const {path, identity} = await lookAtSocket(endpoint.path, node)
  const look = async () => {
    const now = await lookAtSocket(path, node)
    if (now.path !== path) throw closed(`${path} of ${node.nodeName} has become a link`, null)
    return now.identity
  }
  return {at: {kind: 'socket', path}, checked: withLook(look, identity)}
}

function withLook(look: () => Promise<string>, first: string): CheckedPlace['checked'] {
  return (reached) => ({...reached, open: ownedStreams(reached.open, look, first)})
}
