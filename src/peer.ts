/** Whose connection it is: on Linux the kernel's tables name the user at the other end of a connection within this computer. */
import {readFile} from 'node:fs/promises'
import {isIPv4, type Socket} from 'node:net'
import {endianness} from 'node:os'
import {setTimeout as sleep} from 'node:timers/promises'
import {JnodeError, messageOf} from './errors.ts'
import {isWsl} from './wsl.ts'
import {oneAtATime} from './one-at-a-time.ts'

/** Whether the program at the other end is this user's. */
export type IsMine = (socket: Pick<Socket, 'remoteAddress' | 'remotePort' | 'localAddress' | 'localPort'>) => Promise<boolean>

export interface PeerSystem {
  /** Whether the system says whose connections are. */
  checks: boolean
  wsl: boolean
  me: number
  /** Every TCP connection of this computer, as /proc/net/tcp and /proc/net/tcp6 list them. */
  readTables(): Promise<string>
}

/** An entry is there as soon as its connection is; but the kernel may pass over one while others come and go. */
const READINGS = 3
const BETWEEN_READINGS_MS = 20

/** Linux, but not macOS, Windows and Android, which tell nobody but root. */
export const PEERS_ARE_CHECKED = process.platform === 'linux'

/** Who can connect to a port of jnode's here, in words for a person. */
export function whoCanConnect(): string {
  if (!PEERS_ARE_CHECKED) return 'every user of this computer: the system does not say whose a connection is'
  return isWsl() ? 'your programs and every program of Windows: WSL does not say whose those are' : 'your programs only'
}

/** On systems that do not say whose a connection is, everybody's is taken for this user's. Throws `config` where Linux does not say it. */
export async function peerCheck(system: PeerSystem = thisSystem()): Promise<IsMine> {
  if (!system.checks) return async () => true
  // A page opens many connections at once, and a reading must be later than they are.
  const tables = oneAtATime(system.readTables)
  await tables().catch((cause: unknown) => {
    throw new JnodeError('config', `jnode cannot check which user connects to its local port: ${messageOf(cause)}`, {hint: 'Make /proc/net/tcp readable, for example by mounting /proc.', cause})
  })
  return async (socket) => {
    let owner: number | null = null
    for (let reading = 0; owner === null && reading < READINGS; reading++) {
      if (reading > 0) await sleep(BETWEEN_READINGS_MS)
      owner = await tables().then((text) => ownerOf(text, socket), () => null)
    }
    return isOurs(owner, system)
  }
}

function thisSystem(): PeerSystem {
  return {
    checks: PEERS_ARE_CHECKED,
    wsl: isWsl(),
    me: process.getuid?.() ?? NOBODY,
    async readTables() {
      // There is none where IPv6 is switched off.
      const [v4, v6] = await Promise.all([readFile('/proc/net/tcp', 'utf8'), readFile('/proc/net/tcp6', 'utf8').catch(() => '')])
      return v4 + v6
    },
  }
}

/** The uid of the socket at the other end; null where there is none, or its process has closed it (the kernel then says 0). */
export function ownerOf(tables: string, {remoteAddress, remotePort, localAddress, localPort}: Parameters<IsMine>[0]): number | null {
  if (remoteAddress === undefined || localAddress === undefined) return null
  for (const hex of [plainHex, mappedHex]) {
    const [from, to] = [hex(remoteAddress), hex(localAddress)]
    if (from === null || to === null) continue
    const ends = ` ${from}:${hexPort(remotePort)} ${to}:${hexPort(localPort)} `
    const at = tables.indexOf(ends)
    if (at === -1) continue
    const [, , , , uid, , inode] = tables.slice(at + ends.length, at + ends.length + 200).split(/\s+/)
    return inode === '0' ? null : Number(uid)
  }
  return null
}

/** The kernel prints words of four bytes as numbers. */
const word = (bytes: number[]) => Buffer.from(endianness() === 'LE' ? bytes.toReversed() : bytes).toString('hex').toUpperCase()
const LOOPBACK6 = `${'0'.repeat(24)}${word([0, 0, 0, 1])}`
const MAPPED = `${'0'.repeat(16)}${word([0, 0, 0xff, 0xff])}`
const hexPort = (port: number | undefined) => (port ?? 0).toString(16).toUpperCase().padStart(4, '0')

/** Null for an IPv6 address other than ::1: nobody needs one to reach a port of loopback. */
function plainHex(address: string): string | null {
  if (isIPv4(address)) return word(address.split('.').map(Number))
  return address === '::1' ? LOOPBACK6 : null
}

/** An IPv6 socket that speaks IPv4: its entry is in the other table. */
function mappedHex(address: string): string | null {
  return isIPv4(address) ? MAPPED + plainHex(address) : null
}

/** What the kernel calls every user whom this user namespace does not know; as one of them nobody can be told apart. */
const NOBODY = 65_534

/**
 * Root is another user. On WSL the browser is a program of Windows: what it asks comes through a relay that is root's, or
 * from no socket that Linux knows; so nothing that comes from Windows is checked.
 */
export function isOurs(owner: number | null, {me, wsl}: Pick<PeerSystem, 'me' | 'wsl'>): boolean {
  return (owner === me && me !== NOBODY) || (wsl && (owner === null || owner === 0))
}
