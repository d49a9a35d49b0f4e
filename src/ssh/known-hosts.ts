/**
 * Whether the key a hop shows is the right one. Called while keys are exchanged, so before any secret: ssh2 asks
 * its hostVerifier during the key exchange and offers no password and no key until that has said yes.
 */
import {readFileSync} from 'node:fs'
import {appendFile, mkdir, open} from 'node:fs/promises'
import {dirname} from 'node:path'
import {JnodeError, messageOf, throwIfAborted} from '../errors.ts'
import {quote} from '../shell.ts'
import {onlySshCanJudge} from './beyond-ssh2.ts'
import type {Hop} from './host-config.ts'
import {SSH2_HOST_KEYS} from './host-trust.ts'
import {entriesFor, fingerprint, judge, knownTypes, lineFor, nameOf, parseKnownHosts, rsaBits, typeOf, type HostName, type KnownHost, type Verdict} from './known-hosts-file.ts'
import type {Prompter} from './prompt.ts'

export interface HostKeyCheck {
  hop: Hop
  /** The public key in wire form, as the server showed it. */
  key: Buffer
  prompter: Prompter
  /**
   * Keys learned over an already authenticated way (`type base64 …` lines as in a `.pub` file): exactly these are
   * accepted, whatever known_hosts says but for @revoked.
   */
  pinned?: readonly string[]
  /** A file of our own where an unknown key is accepted and noted without a question: for nodes that are rebuilt often. */
  acceptNewFile?: string
  signal?: AbortSignal
  /** What the user should know although it stops nothing. */
  tell?: (text: string) => void
}

/** Resolves when the key may be trusted; throws `host-key` when not, saying what to do. */
export async function checkHostKey(check: HostKeyCheck): Promise<void> {
  const {hop, key, acceptNewFile} = check
  if (hop.sshOnlyOption !== null) throw onlySshCanJudge(hop, hop.sshOnlyOption)
  const entries = knownHostsFiles(hop, acceptNewFile).flatMap(entriesOf)
  const verdict = judge(entries, {...placeOf(hop), key})
  if (verdict.verdict === 'revoked') throw revoked(hop, key, verdict)
  const bits = rsaBits(key)
  if (bits !== null && bits < hop.requiredRsaBits) throw tooShort(hop, key, bits)
  if (check.pinned && check.pinned.length > 0) return checkPinned(hop, key, check.pinned)
  if (verdict.verdict === 'known') return
  // With `StrictHostKeyChecking no` ssh goes on after a change, without passwords. A change is refused here all the same:
  // the token of a notebook is a secret too.
  if (verdict.verdict === 'changed') throw changed(hop, key, verdict)
  await acceptUnknown(check, verdict)
}

type Unknown = Extract<Verdict, {verdict: 'unknown'}>

async function acceptUnknown(check: HostKeyCheck, unknown: Unknown): Promise<void> {
  const {hop, key, acceptNewFile} = check
  if (acceptNewFile === undefined) {
    if (hop.strictHostKeyChecking === 'yes') {
      throw new JnodeError('host-key', `The host key of ${hop.label} is not known (${described(key)}) and StrictHostKeyChecking is yes${byAuthority(unknown)}`, {
        hint: `Put the key of ${hop.host} into ${hop.userKnownHostsFiles[0] ?? 'known_hosts'} after comparing it with what its admins publish.`,
      })
    }
    if (hop.strictHostKeyChecking === 'ask') await askUser(check, unknown)
  }
  const file = acceptNewFile ?? hop.userKnownHostsFiles[0]
  // No file at all is `UserKnownHostsFile none`: accepted for this time only, as ssh does.
  if (file === undefined) return
  // As with ssh, a home directory that cannot be written to keeps nobody out.
  await appendKnownHost(file, lineFor(placeOf(hop), key, {hash: hop.hashKnownHosts})).catch((error: unknown) => {
    check.tell?.(`The accepted host key of ${hop.host} could not be noted in ${file}: ${messageOf(error)}`)
  })
}

async function askUser({hop, key, prompter, signal}: HostKeyCheck, unknown: Unknown): Promise<void> {
  if (!prompter.canAsk || hop.batchMode) {
    throw new JnodeError('host-key', `The host key of ${hop.label} is not known (${described(key)}) and there is no terminal to ask on${byAuthority(unknown)}`, {
      hint: `Run \`${hop.sshCommand}\` in a terminal once, compare the fingerprint with what the admins of ${hop.host} publish, and answer yes.`,
    })
  }
  let text = questionText(hop, key, unknown)
  for (;;) {
    throwIfAborted(signal)
    const answer = (await prompter.ask({text, echo: true, hop: hop.label, kind: 'confirm'}, signal)).trim()
    if (/^yes$/i.test(answer) || answer === fingerprint(key)) return
    // A program behind SSH_ASKPASS would give the same wrong answer for ever.
    if (answer === '' || /^no$/i.test(answer) || prompter.unattended) {
      throw new JnodeError('host-key', `The host key of ${hop.label} was not accepted (${described(key)})`, {
        hint: `Ask the admins of ${hop.host} for the fingerprint of its key.`,
      })
    }
    text = "Please type 'yes', 'no' or the fingerprint: "
  }
}

function questionText(hop: Hop, key: Buffer, unknown: Unknown): string {
  const names = unknown.elsewhere.slice(0, 8).map((entry) => `    ${entry.file}:${entry.line}: ${entry.names.startsWith('|') ? '[hashed name]' : entry.names}`)
  return [
    `The authenticity of host '${nameOf(placeOf(hop))}' can't be established${byAuthority(unknown)}.`,
    `${shortType(key)} key fingerprint is ${fingerprint(key)}.`,
    names.length > 0 ? `This host key is known by the following other names/addresses:\n${names.join('\n')}` : 'This key is not known by any other names.',
    'Are you sure you want to continue connecting (yes/no/[fingerprint])? ',
  ].join('\n')
}

/** ssh itself asks nothing there: it checks the host's certificate, which ssh2 cannot. */
function byAuthority({authority}: Unknown): string {
  return authority ? ` (${authority.file} line ${authority.line} vouches for it by certificate, which jnode cannot check)` : ''
}

function checkPinned(hop: Hop, key: Buffer, pinned: readonly string[]): void {
  const base64 = key.toString('base64')
  if (!pinned.some((line) => line.split(/\s+/).includes(base64))) throw notTheJobsKey(hop, described(key))
}

/** The name that was tried may lead to another machine than the node, which has other keys. */
export class WrongNodeKey extends JnodeError {}

/** `shown`: the key in words. */
export function notTheJobsKey({host, label}: Pick<Hop, 'host' | 'label'>, shown: string): WrongNodeKey {
  return new WrongNodeKey('host-key', `The SSH server that answers as ${label} shows a host key (${shown}) that the job on that node did not find`, {
    hint: `The name ${host} may lead to another machine, or something else answers in its place. Tell the cluster's admins.`,
  })
}

function tooShort(hop: Hop, key: Buffer, bits: number): JnodeError {
  return new JnodeError('host-key', `The host key of ${hop.label} (${described(key)}) has ${bits} bits, and RequiredRSASize asks for ${hop.requiredRsaBits}`, {
    hint: `Ask the admins of ${hop.host} for a longer key or another type.`,
  })
}

function changed(hop: Hop, key: Buffer, {file, line, knownKey}: Extract<Verdict, {verdict: 'changed'}>): JnodeError {
  const remove = hop.globalKnownHostsFiles.includes(file)
    ? `have ${file} corrected by the admins of this computer`
    : `ssh-keygen -f ${quote(file)} -R ${quote(nameOf(placeOf(hop)))}`
  return new JnodeError(
    'host-key',
    `The host key of ${hop.label} has changed: ${file} line ${line} has ${described(knownKey)}, the host now shows ${described(key)}`,
    {hint: `Somebody may be listening in. Only if you know from its admins that ${hop.host} got a new key: ${remove}`},
  )
}

function revoked(hop: Hop, key: Buffer, {file, line}: Extract<Verdict, {verdict: 'revoked'}>): JnodeError {
  return new JnodeError('host-key', `The host key of ${hop.label} (${described(key)}) is marked as revoked in ${file} line ${line}`, {
    hint: `The private half of this key is known to others. Ask the admins of ${hop.host}.`,
  })
}

/**
 * The whole list of host key algorithms to offer, in order: what the user's configuration allows, the types already known
 * for this hop first, so that a server with several keys does not look new because it was asked for another one. Read
 * synchronously: the transport needs it in the same tick as the connection.
 */
export function hostKeyAlgorithms(hop: Hop, acceptNewFile?: string): string[] {
  const entries = knownHostsFiles(hop, acceptNewFile).flatMap(entriesOf)
  const known = knownTypes(entries, placeOf(hop)).flatMap((type) => (type === 'ssh-rsa' ? SSH2_HOST_KEYS.filter((name) => name.includes('rsa')) : [type]))
  const configured = hop.hostKeyAlgorithms.filter((name) => SSH2_HOST_KEYS.includes(name))
  const allowed = configured.length > 0 ? configured : SSH2_HOST_KEYS
  return [...known.filter((name) => allowed.includes(name)), ...allowed.filter((name) => !known.includes(name))]
}

/** Where the host is known by certificate alone, which only the ssh program can check: the line that says so, in words. */
export function byAuthorityAlone(hop: Hop): string | null {
  const own = entriesFor(knownHostsFiles(hop).flatMap(entriesOf), placeOf(hop))
  const authority = own.find(({marker}) => marker === 'cert-authority')
  if (!authority || own.some(({marker}) => marker === null)) return null
  return `the host is known by certificate (${authority.file} line ${authority.line})`
}

/** The lines of the user's files that revoke keys, of whatever host: they hold also where other keys are given. */
export function revokedLines(hop: Pick<Hop, 'userKnownHostsFiles' | 'globalKnownHostsFiles'>): string {
  const entries = [...hop.userKnownHostsFiles, ...hop.globalKnownHostsFiles].flatMap(entriesOf)
  return entries.filter(({marker}) => marker === 'revoked').map(({names, keyType, key}) => `@revoked ${names} ${keyType} ${key.toString('base64')}\n`).join('')
}

function knownHostsFiles(hop: Hop, acceptNewFile?: string): string[] {
  return [...(acceptNewFile === undefined ? [] : [acceptNewFile]), ...hop.userKnownHostsFiles, ...hop.globalKnownHostsFiles]
}

/** A file that is missing or may not be read holds no entries, as for ssh. */
function entriesOf(file: string): KnownHost[] {
  try {
    return parseKnownHosts(readFileSync(file, 'utf8'), file)
  } catch {
    return []
  }
}

/** Adds one line, making the directory (0700) and the file (0600) where they are missing; rejects with the file system's error. */
export async function appendKnownHost(file: string, line: string): Promise<void> {
  await mkdir(dirname(file), {recursive: true, mode: 0o700})
  const gap = (await endsInNewline(file)) ? '' : '\n'
  // One write with O_APPEND: another ssh may be adding its own line at this moment.
  await appendFile(file, `${gap}${line}\n`, {mode: 0o600})
}

async function endsInNewline(file: string): Promise<boolean> {
  const handle = await open(file, 'r').catch(() => null)
  if (handle === null) return true
  try {
    const {size} = await handle.stat()
    if (size === 0) return true
    const {buffer} = await handle.read(Buffer.alloc(1), 0, 1, size - 1)
    return buffer[0] === 0x0a
  } finally {
    await handle.close()
  }
}

function placeOf(hop: Hop): HostName {
  return {host: hop.host, port: hop.port, alias: hop.hostKeyAlias}
}

/** `ED25519 SHA256:…`, as ssh says it. */
export function described(key: Buffer): string {
  return `${shortType(key)} ${fingerprint(key)}`
}

/** ED25519, RSA, ECDSA: as ssh says it. */
function shortType(key: Buffer): string {
  const type = typeOf(key)
  return type.startsWith('ecdsa-') ? 'ECDSA' : type.replace(/^ssh-/, '').toUpperCase()
}
