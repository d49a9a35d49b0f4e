/** ssh's settings that decide which hosts it trusts, and which of them only the ssh program can apply. */
import {list, named, one, yes, type Settings} from './ssh-settings.ts'

/** What ssh2 1.17 can check, in its order. */
export const SSH2_HOST_KEYS = ['ssh-ed25519', 'ecdsa-sha2-nistp256', 'ecdsa-sha2-nistp384', 'ecdsa-sha2-nistp521', 'rsa-sha2-512', 'rsa-sha2-256', 'ssh-rsa']

/** What ssh itself has accepted since 7.0. */
const DEFAULT_RSA_BITS = 1024

export interface HostTrust {
  /** The option, as the user writes it, whose rule for host keys only the ssh program can apply; null where there is none. */
  sshOnlyOption: string | null
  /** What ssh would allow, in its order; may hold names ssh2 does not know. Empty where nothing was said. */
  hostKeyAlgorithms: string[]
  /** RSA keys with fewer bits are refused, those of hosts and the user's own. */
  requiredRsaBits: number
}

/** Only values that differ from ssh's default count: `ssh -G` prints the defaults too. */
const SSH_ONLY: readonly [option: string, isSet: (settings: Settings) => boolean][] = [
  ['RevokedHostKeys', (settings) => named(settings, 'revokedhostkeys') !== null],
  ['KnownHostsCommand', (settings) => named(settings, 'knownhostscommand') !== null],
  ['VerifyHostKeyDNS', (settings) => yes(settings, 'verifyhostkeydns', false)],
  ['HostKeyAlgorithms', (settings) => !someCanBeChecked(hostKeyAlgorithmsIn(settings))],
  // Until 8.5, which prints HostbasedKeyTypes under that name, the default was yes and says nothing of the user.
  ['CheckHostIP', (settings) => yes(settings, 'checkhostip', false) && !settings.has('hostbasedkeytypes')],
  ['RefuseConnection', (settings) => named(settings, 'refuseconnection') !== null],
]

export function hostTrustIn(settings: Settings): HostTrust {
  return {
    sshOnlyOption: SSH_ONLY.find(([, isSet]) => isSet(settings))?.[0] ?? null,
    hostKeyAlgorithms: hostKeyAlgorithmsIn(settings),
    // Red Hat's name for it, before OpenSSH 9.1 had one.
    requiredRsaBits: Number(one(settings, 'requiredrsasize') ?? one(settings, 'rsaminsize') ?? DEFAULT_RSA_BITS),
  }
}

/** Without an ssh program a change to ssh's own list (`+`, `-`, `^`) stands here as it was written, and is no list. */
function hostKeyAlgorithmsIn(settings: Settings): string[] {
  return /^[+^-]/.test(one(settings, 'hostkeyalgorithms') ?? '') ? [] : list(settings, 'hostkeyalgorithms')
}

function someCanBeChecked(algorithms: readonly string[]): boolean {
  return algorithms.length === 0 || algorithms.some((name) => SSH2_HOST_KEYS.includes(name))
}
