/** Public keys: the next one to offer, and its signature once the server has said that it takes this key. */
import {messageOf} from '../errors.ts'
import {listIdentities, signWith, type Identity} from './identities.ts'
import type {KeyFile, ParsedKey} from './key-file.ts'
import {rsaBits} from './known-hosts-file.ts'
import {countTry, type AuthStep, type Login} from './login.ts'

const MAX_PASSPHRASE_TRIES = 3

/** The keys of a login; `all` is null before they were listed. */
export interface KeyRing {
  all: Identity[] | null
  /** Still to be offered. */
  left: Identity[]
  offered: Identity | null
}

/** Where to go when the server takes a key that then does not sign. */
export interface Unsigned {
  /** On to the next key or method. */
  skip(): void
  giveUp(error: unknown): void
}

/** Offers the next key; false when there is none left. */
export async function keyStep(login: Login, ring: KeyRing, unsigned: Unsigned): Promise<AuthStep> {
  if (ring.all === null) {
    const {list, notes} = await listIdentities(login.hop, login.tools)
    login.report.notes.push(...notes)
    ring.all = list
    ring.left = [...list]
  }
  for (let identity = ring.left.shift(); identity; identity = ring.left.shift()) {
    if (identity.file && login.secrets.keys.get(identity.file.path) === null) continue
    // Formats that hide the public half must be unlocked to be offered at all.
    const publicKey = identity.publicKey ?? (await unlock(login, identity.file))
    if (!publicKey) continue
    const bits = rsaBits(publicKey.getPublicSSH())
    if (bits !== null && bits < login.hop.requiredRsaBits) {
      login.report.notes.push(`${identity.label} has ${bits} bits, and RequiredRSASize asks for ${login.hop.requiredRsaBits}`)
      continue
    }
    ring.offered = identity
    countTry(login.report, identity.label)
    return {type: 'agent', username: login.hop.user, agent: agentOfOne(login, {identity, publicKey, unsigned})}
  }
  return false
}

interface OneKey {
  identity: Identity
  publicKey: ParsedKey
  unsigned: Unsigned
}

/**
 * An agent with one key in it, for ssh2: with an agent it signs asynchronously and only after the server has taken the
 * public key, so that a passphrase is asked for no sooner than ssh does. With a key file it does neither.
 */
function agentOfOne(login: Login, {identity, publicKey, unsigned}: OneKey): object {
  return Object.assign(new login.tools.BaseAgent(), {
    getIdentities: (done: (error: null, keys: ParsedKey[]) => void) => done(null, [publicKey]),
    sign(_key: unknown, data: Buffer, {hash}: {hash?: string}, done: (error: null, signature: Buffer) => void) {
      // ssh2 makes an error told to its callback one of the whole client, so that is left alone and the next step taken.
      signature(login, identity, {data, hash})
        .then((signed) => (signed ? done(null, signed) : unsigned.skip()))
        .catch((error: unknown) => unsigned.giveUp(error))
    },
  })
}

/** null: this key does not sign, the next one may. */
async function signature(login: Login, identity: Identity, request: {data: Buffer; hash?: string}): Promise<Buffer | null> {
  const privateKey = identity.agent ? null : await unlock(login, identity.file)
  if (!identity.agent && !privateKey) return null
  try {
    return await signWith(identity, privateKey, request)
  } catch (error) {
    login.report.notes.push(`${identity.label} did not sign (${messageOf(error)})`)
    return null
  }
}

async function unlock(login: Login, file: KeyFile | null): Promise<ParsedKey | null> {
  if (!file?.unlock) return null
  const {keys} = login.secrets
  const known = keys.get(file.path)
  if (known !== undefined) return known
  const opened = file.encrypted ? await askPassphrase(login, file.path, file.unlock) : file.unlock()
  const key = opened instanceof Error ? null : opened
  if (key || login.canAsk) keys.set(file.path, key)
  return key
}

async function askPassphrase(login: Login, path: string, open: (passphrase: string) => ParsedKey | Error): Promise<ParsedKey | null> {
  if (!login.canAsk) {
    login.report.wanted.add(`the passphrase of ${path}`)
    return null
  }
  let again = ''
  for (let tries = 0; tries < MAX_PASSPHRASE_TRIES; tries++) {
    const passphrase = await login.ask({text: `${again}Enter passphrase for key '${path}': `, echo: false, kind: 'passphrase'})
    // As with ssh: no passphrase, on to the next key.
    if (passphrase === '') break
    const key = open(passphrase)
    if (!(key instanceof Error)) return key
    again = 'Bad passphrase, try again. '
  }
  login.report.notes.push(`${path} was not unlocked`)
  return null
}
