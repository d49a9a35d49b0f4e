/** What people type for a host: `[user@]host[:port]`, `[v6]:port`, `ssh://user@host:port`. */
import {isIPv6} from 'node:net'
import {JnodeError, shown} from './errors.ts'

export interface Target {
  /** null: ssh's configuration decides. */
  user: string | null
  host: string
  /** null: ssh's configuration decides. */
  port: number | null
}

/** Reads one target. `what` names it in the sentence. Throws `usage` for a form or a character that ssh would refuse too. */
export function parseTarget(text: string, what = 'The host'): Target {
  const plain = text.trim().replace(/^ssh:\/\//i, '').replace(/\/$/, '')
  // The last @ divides, as in ssh: user names of some sites hold an @ themselves.
  const at = plain.lastIndexOf('@')
  const user = at === -1 ? null : plain.slice(0, at)
  const place = splitPlace(plain.slice(at + 1))
  if (!place) throw refusal(text, what, '')
  const {host, port} = place
  if (hostIsUnsafe(host)) throw refusal(text, what, ': the host name holds characters that no host name has')
  if (user !== null && userIsUnsafe(user)) throw refusal(text, what, ': the user name holds characters that ssh refuses')
  if (port !== null && (port < 1 || port > 65_535)) throw refusal(text, what, ': the port is not between 1 and 65535')
  return {user, host, port}
}

/** `[user@]host[:port]`, with brackets where an IPv6 address needs them. */
export function targetText({user, host, port}: Target): string {
  const place = port === null ? host : `${host.includes(':') ? `[${host}]` : host}:${port}`
  return user === null ? place : `${user}@${place}`
}

function splitPlace(text: string): {host: string; port: number | null} | null {
  if (isIPv6(text)) return {host: text, port: null}
  const [, bracketed, plain, digits] = /^(?:\[([^\]]+)\]|([^:[\]]+))(?::(\d{1,9}))?$/.exec(text) ?? []
  const host = bracketed ?? plain
  if (host === undefined || (host.includes(':') && !isIPv6(host))) return null
  return {host, port: digits === undefined ? null : Number(digits)}
}

/**
 * What ssh refuses since 9.6 (CVE-2023-51385), because names reach a shell through ProxyCommand and Match exec
 * and a leading dash would be an option; and what only patterns, lists and paths have.
 */
export function hostIsUnsafe(host: string): boolean {
  return /^-|[\s'"`$\\;&<>|(){}*?!,/#\p{Cc}]/u.test(host)
}

export function userIsUnsafe(user: string): boolean {
  return user === '' || /^-|\s-|\\$|['"`;&<>|(){}\p{Cc}]/u.test(user)
}

function refusal(text: string, what: string, why: string): JnodeError {
  return new JnodeError('usage', `${what} must be [user@]host[:port], not ${shown(text)}${why}`, {
    hint: 'Write it as you@head.example.org or you@head.example.org:2222; an IPv6 address with a port as [::1]:2222.',
  })
}
