/** The known_hosts format and what its lines say about a key. Pure: sshd(8), SSH_KNOWN_HOSTS FILE FORMAT, and ssh's own verdicts. */
import {createHash, createHmac, randomBytes} from 'node:crypto'
import {trimEndOf} from '../trim-end.ts'

export interface KnownHost {
  file: string
  /** Counted from 1. */
  line: number
  marker: 'cert-authority' | 'revoked' | null
  /** The first field: patterns divided by commas, or one hashed name. */
  names: string
  keyType: string
  key: Buffer
}

export interface HostName {
  host: string
  port: number
  /** HostKeyAlias: stands for host and port together. */
  alias: string | null
}

export type Verdict =
  | {verdict: 'known'}
  /** `elsewhere`: lines of other hosts that hold this very key. `authority`: the host is known by certificate, which is not read here. */
  | {verdict: 'unknown'; elsewhere: KnownHost[]; authority: KnownHost | null}
  | {verdict: 'changed'; file: string; line: number; knownKey: Buffer}
  | {verdict: 'revoked'; file: string; line: number}

/** The entries of one file; comments and lines that make no sense are left out, as ssh does. */
export function parseKnownHosts(text: string, file: string): KnownHost[] {
  return text.split('\n').flatMap((line, i) => {
    const entry = parseLine(line)
    return entry ? [{...entry, file, line: i + 1}] : []
  })
}

function parseLine(line: string): Omit<KnownHost, 'file' | 'line'> | null {
  const fields = line.trim().split(/[ \t]+/)
  let marker: KnownHost['marker'] = null
  if (fields[0]!.startsWith('@')) {
    const word = fields.shift()
    if (word !== '@cert-authority' && word !== '@revoked') return null
    marker = word === '@revoked' ? 'revoked' : 'cert-authority'
  }
  const [names, keyType, base64] = fields
  if (!names || names.startsWith('#') || !keyType || !base64) return null
  const key = Buffer.from(base64, 'base64')
  // The type is written twice, in words and in the key itself: a line where they differ is broken.
  return typeOf(key) === keyType ? {marker, names, keyType, key} : null
}

/** The type that a public key in wire form names in its first string; '' when it is no key. */
export function typeOf(key: Buffer): string {
  if (key.length < 4) return ''
  const length = key.readUInt32BE(0)
  return length > 0 && length <= 64 && key.length > 4 + length ? key.toString('latin1', 4, 4 + length) : ''
}

/**
 * What the entries say about a key shown by a host, as ssh would: a host with a known key of any type and not this one
 * has changed. Certificates cannot be checked here, so @cert-authority makes no key known.
 */
export function judge(entries: readonly KnownHost[], shown: HostName & {key: Buffer}): Verdict {
  const {key, ...at} = shown
  const verdict = judgeName(entries, at, key)
  if (verdict !== null) return verdict
  // ssh's "checking without port identifier": a key known for the host on port 22 is good on its other ports.
  const portless = at.alias === null && at.port !== 22 ? judgeName(entries, {...at, port: 22}, key) : null
  if (portless?.verdict === 'known' || portless?.verdict === 'revoked') return portless
  return {
    verdict: 'unknown',
    elsewhere: entries.filter((entry) => entry.marker === null && entry.key.equals(key)),
    authority: entriesFor(entries, at).find((entry) => entry.marker === 'cert-authority') ?? null,
  }
}

/** null: the name is in none of the lines. */
function judgeName(entries: readonly KnownHost[], at: HostName, key: Buffer): Verdict | null {
  const own = entriesFor(entries, at)
  const revoked = own.find((entry) => entry.marker === 'revoked' && entry.key.equals(key))
  if (revoked) return {verdict: 'revoked', file: revoked.file, line: revoked.line}
  const plain = own.filter((entry) => entry.marker === null)
  if (plain.some((entry) => entry.key.equals(key))) return {verdict: 'known'}
  // Of several lines ssh names the last.
  const other = plain.at(-1)
  return other ? {verdict: 'changed', file: other.file, line: other.line, knownKey: other.key} : null
}

/** Types of the keys that the entries hold for a host, first to last, so that the server can be asked for one of them. */
export function knownTypes(entries: readonly KnownHost[], at: HostName): string[] {
  return [...new Set(entriesFor(entries, at).filter((entry) => entry.marker === null).map((entry) => entry.keyType))]
}

/** The entries whose names match. */
export function entriesFor(entries: readonly KnownHost[], at: HostName): KnownHost[] {
  const name = nameOf(at)
  return entries.filter((entry) => matches(entry.names, name))
}

/** The name under which known_hosts keeps a host: the port is part of it unless it is 22. */
export function nameOf({host, port, alias}: HostName): string {
  if (alias !== null) return alias.toLowerCase()
  return port === 22 ? host.toLowerCase() : `[${host.toLowerCase()}]:${port}`
}

function matches(names: string, name: string): boolean {
  if (names.startsWith('|')) return hashMatches(names, name)
  let matched = false
  for (const pattern of names.split(',')) {
    if (pattern.startsWith('!')) {
      // One negated match shuts the whole line out, wherever it stands.
      if (globMatches(pattern.slice(1), name)) return false
    } else if (globMatches(pattern, name)) matched = true
  }
  return matched
}

function hashMatches(names: string, name: string): boolean {
  const [, salt, hash] = /^\|1\|([^|]+)\|([^|]+)$/.exec(names) ?? []
  return salt !== undefined && createHmac('sha1', Buffer.from(salt, 'base64')).update(name).digest('base64') === hash
}

function globMatches(pattern: string, name: string): boolean {
  const expression = pattern.toLowerCase().replaceAll(/[.+^${}()|[\]\\/]/g, '\\$&').replaceAll(/\*+/g, '.*').replaceAll('?', '.')
  return new RegExp(`^${expression}$`, 's').test(name)
}

/** How many bits the modulus of an RSA key has; null for a key of another type. */
export function rsaBits(key: Buffer): number | null {
  if (typeOf(key) !== 'ssh-rsa') return null
  // Type, exponent, modulus, each after its length; a number begins with a zero byte where its first bit is set.
  const exponent = 4 + key.readUInt32BE(0)
  const modulus = exponent + 4 + lengthAt(key, exponent)
  const bytes = key.subarray(modulus + 4, modulus + 4 + lengthAt(key, modulus))
  const first = bytes.findIndex((byte) => byte !== 0)
  return first === -1 ? 0 : (bytes.length - first) * 8 - Math.clz32(bytes[first]!) + 24
}

function lengthAt(key: Buffer, at: number): number {
  return key.length >= at + 4 ? key.readUInt32BE(at) : 0
}

/** `SHA256:…`, as ssh prints it. */
export function fingerprint(key: Buffer): string {
  return `SHA256:${trimEndOf(createHash('sha256').update(key).digest('base64'), '=')}`
}

/** The line that makes a key known, without a newline. */
export function lineFor(at: HostName, key: Buffer, {hash}: {hash: boolean}): string {
  const name = nameOf(at)
  return `${hash ? hashed(name) : name} ${typeOf(key)} ${key.toString('base64')}`
}

function hashed(name: string): string {
  const salt = randomBytes(20)
  return `|1|${salt.toString('base64')}|${createHmac('sha1', salt).update(name).digest('base64')}`
}
