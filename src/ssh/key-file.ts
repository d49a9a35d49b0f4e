/** A private key file: its public half without the passphrase, its private half when the passphrase is given. */
import {createPrivateKey} from 'node:crypto'
import {readFile, stat} from 'node:fs/promises'

/** A key as ssh2 parses it; only what is used here. */
export interface ParsedKey {
  type: string
  comment: string
  isPrivateKey(): boolean
  getPublicSSH(): Buffer
  /** May give an Error back instead of throwing it. */
  sign(data: Buffer, hash?: string): Buffer | Error
}

/** ssh2's `utils.parseKey`: gives an Error back instead of throwing it. */
export type ParseKey = (data: string | Buffer, passphrase?: string) => ParsedKey | Error

export interface KeyFile {
  path: string
  /** null: an encrypted file of a format that hides it, and no `.pub` beside it. */
  publicKey: ParsedKey | null
  /** null: this file is a `.pub`, or its private half is missing; an agent may hold it. */
  unlock: ((passphrase?: string) => ParsedKey | Error) | null
  encrypted: boolean
}

/** Reads a key file; a string says, in words, why it cannot be used. */
export async function readKeyFile(path: string, parseKey: ParseKey): Promise<KeyFile | string> {
  const data = await readFile(path, 'utf8').catch(() => null)
  const sidecar = await readFile(`${path}.pub`, 'utf8').then((text) => firstKey(parseKey(text)), () => null)
  const publicKey = sidecar instanceof Error ? null : sidecar
  if (data === null) return publicKey ? {path, publicKey, unlock: null, encrypted: false} : 'cannot be read'
  const opened = open(data, parseKey)
  if (!(opened instanceof Error) && !opened.isPrivateKey()) return {path, publicKey: opened, unlock: null, encrypted: false}
  // ssh does not use such a key either: whoever can read it may have it already.
  if (await othersMayRead(path)) return 'may be read by others (chmod 600 mends it)'
  if (!(opened instanceof Error)) return {path, publicKey: opened, unlock: () => opened, encrypted: false}
  if (!isEncrypted(data)) return unusable(data, opened)
  const unlock = (passphrase?: string) => open(data, parseKey, passphrase)
  return {path, publicKey: clearPublicKey(data, parseKey) ?? publicKey, unlock, encrypted: true}
}

async function othersMayRead(path: string): Promise<boolean> {
  if (process.platform === 'win32') return false
  const {mode, uid} = await stat(path)
  return uid === process.getuid!() && (mode & 0o077) !== 0
}

function open(data: string, parseKey: ParseKey, passphrase?: string): ParsedKey | Error {
  try {
    return firstKey(parseKey(/^-----BEGIN (ENCRYPTED )?PRIVATE KEY-----/m.test(data) ? pkcs8AsPem(data, passphrase) : data, passphrase))
  } catch (error) {
    return error as Error
  }
}

/** ssh2 gives a list for the file format that could hold several keys; ssh-keygen writes one. */
function firstKey(parsed: ParsedKey | Error | ParsedKey[]): ParsedKey | Error {
  return Array.isArray(parsed) ? parsed[0]! : parsed
}

/** ssh2 reads the PEM forms of one algorithm only, OpenSSL writes the general one (PKCS #8) nowadays. */
function pkcs8AsPem(data: string, passphrase?: string): string {
  const key = createPrivateKey({key: data, format: 'pem', passphrase})
  return key.export({format: 'pem', type: key.asymmetricKeyType === 'rsa' ? 'pkcs1' : 'sec1'}).toString()
}

function isEncrypted(data: string): boolean {
  if (/^(Proc-Type: 4,ENCRYPTED|-----BEGIN ENCRYPTED PRIVATE KEY-----)/m.test(data)) return true
  if (/^PuTTY-User-Key-File-2: ssh-rsa\r?\nEncryption: (?!none)/.test(data)) return true
  const blob = opensshBlob(data)
  return blob !== null && stringAt(blob, MAGIC.length)?.toString() !== 'none'
}

/** The public half that OpenSSH and PuTTY keep in clear beside the encrypted private one. */
function clearPublicKey(data: string, parseKey: ParseKey): ParsedKey | null {
  const blob = opensshBlob(data)
  const lines = /^Public-Lines: \d+\r?\n([\s\S]+?)^Private-Lines/m.exec(data)?.[1]
  const wire = blob ? opensshPublicBlob(blob) : lines ? Buffer.from(lines, 'base64') : undefined
  const type = wire && stringAt(wire, 0)
  if (!type) return null
  const parsed = firstKey(parseKey(`${type.toString()} ${wire.toString('base64')}`))
  return parsed instanceof Error ? null : parsed
}

const MAGIC = 'openssh-key-v1\0'

function opensshBlob(data: string): Buffer | null {
  const base64 = /-----BEGIN OPENSSH PRIVATE KEY-----([\s\S]+)-----END OPENSSH PRIVATE KEY-----/.exec(data)?.[1]
  const blob = base64 === undefined ? null : Buffer.from(base64, 'base64')
  return blob?.toString('latin1', 0, MAGIC.length) === MAGIC ? blob : null
}

/** PROTOCOL.key of OpenSSH: magic, cipher, kdf, kdf options, number of keys, then the public key. */
function opensshPublicBlob(blob: Buffer): Buffer | undefined {
  let offset = MAGIC.length
  for (let i = 0; i < 3; i++) {
    const field = stringAt(blob, offset)
    if (!field) return undefined
    offset += 4 + field.length
  }
  return stringAt(blob, offset + 4)
}

function stringAt(blob: Buffer, offset: number): Buffer | undefined {
  if (offset + 4 > blob.length) return undefined
  const end = offset + 4 + blob.readUInt32BE(offset)
  return end > blob.length ? undefined : blob.subarray(offset + 4, end)
}

function unusable(data: string, error: Error): string {
  if (data.startsWith('PuTTY-User-Key-File-')) return 'is a PuTTY key of a kind not read here (convert it: puttygen FILE -O private-openssh -o NEWFILE)'
  if (/sk-(ssh-ed25519|ecdsa)/.test(opensshBlob(data)?.toString('latin1') ?? '')) return 'needs a security key, which only the ssh program can use'
  return `is no key that can be used (${error.message})`
}
