/** What people type for a host: `[user@]host[:port]`, `[v6]:port`, `ssh://…`. */
import {JnodeError} from '../errors.ts'

export interface Target {
  /** null: ssh's configuration decides. */
  user: string | null
  host: string
  /** null: ssh's configuration decides. */
  port: number | null
}

/** Reads one target. Throws `usage` for a form or a character that ssh would refuse too. */
export function parseTarget(text: string): Target {
  const plain = text.trim().replace(/^ssh:\/\//i, '').replace(/\/$/, '')
  // The last @ divides, as in ssh: user names of some sites hold an @ themselves.
  const at = plain.lastIndexOf('@')
  const user = at === -1 ? null : plain.slice(0, at)
  const rest = plain.slice(at + 1)
  const [, host, port] = /^\[([^\]]+)\](?::(\d+))?$/.exec(rest) ?? /^([^:]+)(?::(\d+))?$/.exec(rest) ?? /^([0-9a-f:.]+(?:%\w+)?)$/i.exec(rest) ?? []
  if (host === undefined) throw new JnodeError('usage', `"${text}" is not a host`, {hint: 'Write it as [user@]host[:port]; an IPv6 address with a port as [address]:port.'})
  return checked({user, host, port: port === undefined ? null : Number(port)}, text)
}

/** `[user@]host[:port]`, with brackets where an IPv6 address needs them. */
export function targetText({user, host, port}: Target): string {
  const place = port === null ? host : `${host.includes(':') ? `[${host}]` : host}:${port}`
  return user === null ? place : `${user}@${place}`
}

/**
 * Refuses what ssh refuses since 9.6 (CVE-2023-51385): names reach a shell through ProxyCommand and Match exec,
 * and a leading dash would be an option.
 */
function checked(target: Target, text: string): Target {
  if (/^-|[\s'"`$\\;&<>|(){}\p{Cc}]/u.test(target.host)) {
    throw new JnodeError('usage', `The host name in "${text}" holds characters that no host name has`)
  }
  if (target.user !== null && (target.user === '' || /^-|\\$|['"`;&<>|(){}\p{Cc}]/u.test(target.user))) {
    throw new JnodeError('usage', `The user name in "${text}" holds characters that ssh refuses`)
  }
  if (target.port !== null && (target.port < 1 || target.port > 65_535)) {
    throw new JnodeError('usage', `The port in "${text}" is not between 1 and 65535`)
  }
  return target
}
