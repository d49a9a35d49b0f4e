/**
 * Rules for words that come from a cluster and become an address, a host name, a path or a part of a URL here. Whatever can answer in
 * a cluster's name writes such words as it likes, so each is checked where it is read: what breaks its rule is not used.
 */
import {isIP} from 'node:net'
import {JnodeError, shown} from './errors.ts'

/** One line of text of a sensible length: no control characters, of which Unicode has two kinds beside ASCII's. */
export function isLine(text: string): boolean {
  return text.length <= 4096 && !/[\p{Cc}\u2028\u2029]/u.test(text)
}

/** One word, which no program takes for an option. */
export function isWord(text: string): boolean {
  return isLine(text) && /^[^\s-]\S{0,254}$/u.test(text)
}

/** An IP address. One with a scope (`fe80::1%eth0`) means something on the host that told it only. */
export function isAddress(text: string): boolean {
  return isIP(text) !== 0 && !text.includes('%')
}

/** A host name or an IP address. Stricter than ssh's own rule, which knows only what names must not hold. */
export function isHostName(text: string): boolean {
  return isAddress(text) || /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,252}$/.test(text)
}

/** The name unchanged, at the last place before an ssh is given it. Throws `unreachable`. */
export function checkHostName(text: string): string {
  if (isHostName(text)) return text
  throw new JnodeError('unreachable', `The cluster gave ${shown(text)} as the name of a node, which is no host name`, {hint: 'Show this to the cluster’s support.'})
}

/** What a leg of a route is called: a part of file names. */
export function isLegName(text: string): boolean {
  return /^\w[\w.-]{0,254}$/.test(text)
}

/** A public key of a host, `type base64`. */
export function isHostKey(text: string): boolean {
  return /^[a-z0-9@.-]{1,64} [A-Za-z0-9+/]{1,8192}={0,2}$/.test(text)
}

export function isPort(port: number): boolean {
  return Number.isInteger(port) && port >= 1 && port <= 65_535
}

/** What stands after `jupyter `. */
export function isAppName(text: string): boolean {
  return /^[a-z][a-z0-9_-]{0,39}$/.test(text)
}

/** The part of a Jupyter URL behind its base path, such as `lab`; empty for the page that the server itself opens. */
export function isPage(text: string): boolean {
  return text === '' || /^\w[\w.~/-]*$/.test(text)
}

/** A moment as ISO 8601 has it, in UTC. */
export function isTimestamp(text: string): boolean {
  return /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?Z$/.test(text) && !Number.isNaN(Date.parse(text))
}

export function isJobNumber(text: string): boolean {
  return /^\d{1,19}$/.test(text)
}

/** An absolute path. */
export function isPath(text: string): boolean {
  return text.startsWith('/') && isLine(text)
}

/** The path below which a server has its pages: `/` or `/user/ann/`. What could begin a host name in a URL (`//`, `/@`, `\`) is none. */
export function isUrlPath(text: string): boolean {
  return text.length <= 1024 && /^\/(?!@)(?:[\p{L}\p{N}._~!$&'()*+,;=:@%-]+\/)*$/u.test(text)
}

/** A name that jnode gives to a session: a directory on the cluster and a part of the job's name. */
export function isSessionName(text: string): boolean {
  return /^[A-Za-z][A-Za-z0-9_.-]{0,39}$/.test(text) && !text.includes('..') && !text.endsWith('.')
}

/** A home directory on a cluster as its `$HOME` tells, which is where sessions lie. Throws `remote-storage`. */
export function remoteHome(home: string, host: string): string {
  if (isPath(home)) return home
  throw new JnodeError('remote-storage', `HOME on ${host} must be an absolute path, not ${shown(home)}`, {hint: 'Correct it in the start-up files of your shell there.'})
}
