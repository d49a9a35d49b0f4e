/** Whose server a TCP port of a node is, asked of its kernel before anything secret goes there. */
import {isIPv4} from 'node:net'
import {ask} from '../ask.ts'
import type {Remote} from '../ssh/remote.ts'
import {closed, Stranger} from './route-context.ts'

const ONLY_6 = '00000000000000000000000001000000'

/**
 * Shell text for the node that tells whose listeners a connection to this place on it could reach. The kernel tells the owner in the
 * eighth column of /proc/net/tcp; addresses and ports stand there in hex, listeners as state 0A.
 */
export function whoListens({host, port}: {host: string; port: number}): string {
  const hex = port.toString(16).toUpperCase().padStart(4, '0')
  // No connection to an address of IPv4 gets to a listener on ::1, and two users may have one each.
  const except = isIPv4(host) ? ` && $2 !~ /^${ONLY_6}:/` : ''
  return `awk -v port=:${hex} '$4 == "0A" && substr($2, length($2) - 4) == port${except} {print "owner " $8}' /proc/net/tcp /proc/net/tcp6 2>/dev/null; echo "me $(id -u)"`
}

/**
 * Throws `no-route` when the listener on a TCP port of the node is not this user's: any user of the node may
 * take a port that our server has left, and must not be shown a token. (A socket in a 0700 directory needs no such proof.)
 * `script` runs what `whoListens` says on the node, over `remote`.
 */
export async function checkListenerOwner({port, nodeName, script}: {port: number; nodeName: string; script: string}, {run}: Remote, signal: AbortSignal): Promise<void> {
  const said = await ask(run, {script, read: ({stdout, stderr}) => ({stdout, stderr})}, {signal})
  const me = /^me (\d+)$/m.exec(said.stdout)?.[1]
  if (me === undefined) throw closed(`${nodeName} does not tell whose its port ${port} is: ${said.stderr.trim().split('\n').at(-1) ?? ''}`, null)
  const owners = [...said.stdout.matchAll(/^owner (\d+)$/gm)].map(([, owner]) => owner)
  if (owners.some((owner) => owner !== me)) {
    throw new Stranger(`Port ${port} of ${nodeName} belongs to another user`)
  }
}
