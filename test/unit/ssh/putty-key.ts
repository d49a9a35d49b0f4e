/** Writes an RSA key as PuTTY does (version 2 of its format), so that no PuTTY is needed to test reading one. */
import {createCipheriv, createHash, createHmac, createPrivateKey} from 'node:crypto'
import {execFileSync} from 'node:child_process'
import {copyFileSync, readFileSync, writeFileSync} from 'node:fs'

const sha1 = (...parts: (string | Buffer)[]) => parts.reduce((hash, part) => hash.update(part), createHash('sha1')).digest()
const string = (data: string | Buffer) => {
  const bytes = Buffer.from(data as string)
  const length = Buffer.alloc(4)
  length.writeUInt32BE(bytes.length)
  return Buffer.concat([length, bytes])
}
/** A positive number: a leading zero keeps the first bit from being a sign. */
const number = (base64url: string) => {
  const bytes = Buffer.from(base64url, 'base64url')
  return string(bytes[0]! & 0x80 ? Buffer.concat([Buffer.alloc(1), bytes]) : bytes)
}
const lines = (data: Buffer) => data.toString('base64').match(/.{1,64}/g)!

export function puttyKey(opensshFile: string, puttyFile: string, passphrase: string | null): void {
  const pem = puttyFile + '.pem'
  copyFileSync(opensshFile, pem)
  execFileSync('ssh-keygen', ['-q', '-p', '-m', 'PEM', '-N', '', '-f', pem], {stdio: 'ignore'})
  const {e, n, d, p, q, qi} = createPrivateKey(readFileSync(pem)).export({format: 'jwk'}) as Record<string, string>
  const encryption = passphrase === null ? 'none' : 'aes256-cbc'
  const publicPart = Buffer.concat([string('ssh-rsa'), number(e!), number(n!)])
  const secret = Buffer.concat([number(d!), number(p!), number(q!), number(qi!)])
  const padded = passphrase === null ? secret : Buffer.concat([secret, sha1(secret).subarray(0, (16 - (secret.length % 16)) % 16)])
  const macKey = sha1('putty-private-key-file-mac-key', passphrase ?? '')
  const mac = createHmac('sha1', macKey).update(Buffer.concat(['ssh-rsa', encryption, 'putty', publicPart, padded].map(string))).digest('hex')
  const publicLines = lines(publicPart)
  const privateLines = lines(passphrase === null ? padded : encrypted(padded, passphrase))
  const text = ['PuTTY-User-Key-File-2: ssh-rsa', `Encryption: ${encryption}`, 'Comment: putty', `Public-Lines: ${publicLines.length}`, ...publicLines, `Private-Lines: ${privateLines.length}`, ...privateLines, `Private-MAC: ${mac}`, '']
  writeFileSync(puttyFile, text.join('\r\n'), {mode: 0o600})
  copyFileSync(`${opensshFile}.pub`, `${puttyFile}.pub`)
}

function encrypted(data: Buffer, passphrase: string): Buffer {
  const key = Buffer.concat([sha1(Buffer.from([0, 0, 0, 0]), passphrase), sha1(Buffer.from([0, 0, 0, 1]), passphrase)]).subarray(0, 32)
  const cipher = createCipheriv('aes-256-cbc', key, Buffer.alloc(16)).setAutoPadding(false)
  return Buffer.concat([cipher.update(data), cipher.final()])
}
