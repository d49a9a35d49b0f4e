/** Whose server a TCP port of a node is, asked of its kernel before anything goes there. */
import {isIPv4} from 'node:net'
import {ask} from '../ask.ts'
import {closed, Stranger} from './route-context.ts'
import type {OnNode} from './place-owner.ts'

/** Of an address of IPv4 in the hex of /proc/net, which is in the byte order of the machine. */
function hexes(host: string): string[] {
  const bytes = host.split('.').map((byte) => Number(byte).toString(16).toUpperCase().padStart(2, '0'))
  return [bytes.join(''), bytes.toReversed().join('')]
}

const zeros = (bytes: number) => '00'.repeat(bytes)

/**
 * Shell text for the node that lists what there is at this end of connections: state, owner and inode of each socket, from
 * /proc/net/tcp. Of one that a program has accepted the owner is that program's, whoever listens there now; one that
 * waits for it has no inode. Addresses and ports stand there in hex.
 */
export function whoHolds({host, port}: {host: string; port: number}): string {
  const own = hexes(host)
  // Two users may have one each on the same port of two addresses. Those of IPv4 stand in the table of IPv6 as well.
  const addresses = isIPv4(host) ? [zeros(4), zeros(16), ...own, ...own.flatMap((hex) => [`${zeros(8)}FFFF0000${hex}`, `${zeros(8)}0000FFFF${hex}`])].join('|') : '[0-9A-F]+'
  const place = `^(${addresses}):${port.toString(16).toUpperCase().padStart(4, '0')}$`
  return `awk '$2 ~ /${place}/ {print "held", $4, $8, $10}' /proc/net/tcp /proc/net/tcp6 2>/dev/null; echo "me $(id -u)"`
}

const LISTENS = '0A'
const ESTABLISHED = '01'
const LOOK_MS = 15_000

/**
 * Throws `no-route` unless the port, and all that is connected to it, is this user's: any user of the node may
 * take a port that a server has left. Asked after a stream has been opened it holds for that stream: what another
 * has accepted is listed as theirs, and what nobody has accepted yet gets to the one who listens.
 */
export async function checkPort({host, port}: {host: string; port: number}, {nodeName, remote, script, notRun}: OnNode): Promise<void> {
  const said = await ask(remote.run, {script: script(whoHolds({host, port})), read: ({stdout, stderr}) => ({stdout, stderr})}, {timeoutMs: LOOK_MS})
  const me = /^me (\d+)$/m.exec(said.stdout)?.[1]
  if (me === undefined) throw notRun(said.stderr.trim().split('\n').at(-1)!)
  const all = [...said.stdout.matchAll(/^held ([0-9A-F]{2}) (\d+) (\d+)$/gm)].map(([, state, owner, inode]) => ({state, owner, isWaiting: inode === '0'}))
  if (all.some(({owner, isWaiting}) => !isWaiting && owner !== me)) throw new Stranger(`Port ${port} of ${nodeName} belongs to another user`)
  if (!all.some(({state}) => state === LISTENS)) throw closed(`nothing of yours listens on port ${port} of ${nodeName}`, null)
  if (!all.some(({state}) => state === ESTABLISHED)) throw closed(`port ${port} of ${nodeName} has closed the connection`, null)
}
