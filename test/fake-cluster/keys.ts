/** The keys of a fake cluster: its user's, and one per host. */
import ssh2 from 'ssh2'
import type {HopName} from './faults.ts'

export interface KeyPair {
  private: string
  public: string
}

export interface Keys {
  user: KeyPair
  host: Record<HopName, KeyPair>
  /** What a hop with a changed key shows. */
  other: KeyPair
}

/** ssh2 drops a leading zero byte, so that one pair in 130 is of no use: it is tried out. */
export function makeKeyPair(): KeyPair {
  for (;;) {
    const pair = ssh2.utils.generateKeyPairSync('ed25519')
    const [secret, open] = [ssh2.utils.parseKey(pair.private), ssh2.utils.parseKey(pair.public)]
    if (secret instanceof Error || open instanceof Error) continue
    const signature = secret.sign('text') as Buffer | Error
    if (!(signature instanceof Error) && open.verify('text', signature) === true) return pair
  }
}

export function makeKeys(): Keys {
  const pair = makeKeyPair
  return {user: pair(), other: pair(), host: {gateway: pair(), head: pair(), node1: pair(), node2: pair()}}
}

/** known_hosts of somebody who has been on every host. */
export function knownHostsText({host}: Keys, {gatewayPort, headPort}: {gatewayPort: number; headPort: number}): string {
  const line = (names: string, hop: HopName) => `${names} ${host[hop].public.split(' ').slice(0, 2).join(' ')}\n`
  return (
    line(`[127.0.0.1]:${gatewayPort}`, 'gateway') +
    line(`head,head.local,[127.0.0.1]:${headPort}`, 'head') +
    line('node1,node1.local', 'node1') +
    line('node2,node2.local', 'node2')
  )
}
