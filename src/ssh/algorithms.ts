/** Which algorithms a connection offers: what `ssh -G` allows and ssh2 speaks, in ssh2's order, which is by speed. */
import {createRequire} from 'node:module'
import {JnodeError} from '../errors.ts'
import type {Hop} from './host-config.ts'

const CHACHA = 'chacha20-poly1305@openssh.com'

type Kind = 'KEX' | 'CIPHER' | 'MAC'

/** ssh2's own lists, private to it; loaded where a connection is made, when ssh2 has loaded them already. */
function spoken(kind: Kind): {usual: string[]; all: string[]} {
  const lists = createRequire(import.meta.url)('ssh2/lib/protocol/constants.js') as Record<`${'DEFAULT' | 'SUPPORTED'}_${Kind}`, string[]>
  return {usual: lists[`DEFAULT_${kind}`], all: lists[`SUPPORTED_${kind}`]}
}

/**
 * For ssh2's `algorithms`; `depth` says how many connections this one runs inside of. Throws `config` when the
 * configuration allows nothing that ssh2 speaks.
 */
export function algorithmsFor(hop: Hop, depth: number): {kex: string[]; cipher: string[]; hmac: string[]} {
  const cipher = allowed(hop, 'CIPHER', hop.ciphers)
  return {
    kex: allowed(hop, 'KEX', hop.kexAlgorithms),
    // ssh2's chacha20 in JavaScript, used where its native part was not built, keeps one nonce for all connections, so that
    // one inside another would send garbage.
    cipher: depth > 0 && !hasNativePart() ? cipher.filter((name) => name !== CHACHA) : cipher,
    hmac: allowed(hop, 'MAC', hop.macs),
  }
}

function allowed(hop: Hop, kind: Kind, configured: readonly string[]): string[] {
  const {usual, all} = spoken(kind)
  // Without an ssh program nobody has said anything.
  if (configured.length === 0) return usual
  const both = all.filter((name) => configured.includes(name))
  if (both.length > 0) return both
  const keyword = {KEX: 'KexAlgorithms', CIPHER: 'Ciphers', MAC: 'MACs'}[kind]
  throw new JnodeError('config', `Of the ${keyword} that ssh's configuration allows for ${hop.alias} jnode speaks none (${configured.join(', ')})`, {
    hint: `Allow one of these in ~/.ssh/config: ${usual.join(', ')}.`,
  })
}

/** Loading it is the test: one built for another Node is there and of no use. */
function hasNativePart(): boolean {
  try {
    createRequire(import.meta.url)('ssh2/lib/protocol/crypto/build/Release/sshcrypto.node')
    return true
  } catch {
    return false
  }
}
