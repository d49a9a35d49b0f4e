/** Whose server a TCP port of a node is, asked of its kernel before anything secret goes there. */
import {ask} from '../ask.ts'
import {JnodeError} from '../errors.ts'
import type {Remote} from '../ssh/remote.ts'

/**
 * Throws `no-route` when the listener on a TCP port of the node is not this user's: any user of the node may
 * take a port that our server has left, and must not be shown a token. (A socket in a 0700 directory needs no such proof.)
 * The kernel tells the owner in the eighth column of /proc/net/tcp; ports stand there in hex, listeners as state 0A.
 */
export async function checkListenerOwner(node: Remote, port: number, signal: AbortSignal): Promise<void> {
  const hex = port.toString(16).toUpperCase().padStart(4, '0')
  const script = `awk -v port=:${hex} '$4 == "0A" && substr($2, length($2) - 4) == port {print $8}' /proc/net/tcp /proc/net/tcp6 2>/dev/null; echo "me $(id -u)"`
  const {owners, me} = await ask(
    node.run,
    {
      script,
      read({stdout}) {
        const lines = stdout.trim().split('\n')
        return {owners: lines.filter((line) => /^\d+$/.test(line)), me: /^me (\d+)$/m.exec(stdout)?.[1]}
      },
    },
    {signal},
  )
  if (owners.some((owner) => owner !== me)) {
    throw new JnodeError('no-route', `Port ${port} of ${node.label} belongs to another user`, {hint: 'Stop this session and start again.'})
  }
}
