/** The keys to offer to one hop, in ssh's order, from agents and files, each with a way to sign. */
import {access} from 'node:fs/promises'
import {messageOf} from '../errors.ts'
import type {Hop} from './host-config.ts'
import {readKeyFile, type KeyFile, type ParsedKey, type ParseKey} from './key-file.ts'
import {fingerprint} from './known-hosts-file.ts'

/** What ssh2's agents do; the part used here. */
export interface SshAgent {
  getIdentities(done: (error?: Error | null, keys?: ParsedKey[]) => void): void
  sign(key: ParsedKey, data: Buffer, options: {hash?: string}, done: (error?: Error | null, signature?: Buffer) => void): void
}

/** The parts of ssh2 that logging in needs, handed in because only the transport imports it. */
export interface KeyTools {
  parseKey: ParseKey
  createAgent(path: string): SshAgent
  /** ssh2 takes only its own subclass for an agent. */
  BaseAgent: new () => object
}

export interface Identity {
  /** For sentences: the file, or the comment and fingerprint of a key in the agent. */
  label: string
  /** null: not known before the file is unlocked. */
  publicKey: ParsedKey | null
  /** The private half; null when an agent signs. */
  file: KeyFile | null
  agent: SshAgent | null
}

export interface Identities {
  list: Identity[]
  /** Why keys that the user may count on are not among them. */
  notes: string[]
}

const OPENSSH_PIPE = '\\\\.\\pipe\\openssh-ssh-agent'

/**
 * ssh's order: keys of the agent that the configuration names, the agent's other keys (unless IdentitiesOnly), then
 * keys that are only in files. Asks nothing.
 */
export async function listIdentities(hop: Hop, tools: KeyTools): Promise<Identities> {
  const notes: string[] = []
  const files: KeyFile[] = []
  for (const path of hop.identityFiles) {
    const file = await readKeyFile(path, tools.parseKey)
    if (typeof file === 'string') notes.push(`${path} ${file}`)
    else files.push(file)
    if (await exists(`${path}-cert.pub`)) notes.push(`${path}-cert.pub is a certificate, which only the ssh program can use`)
  }
  const held: Identity[] = []
  for (const path of agentPaths(hop)) {
    const agent = tools.createAgent(path)
    for (const key of await keysOf(agent, path, notes)) held.push({label: agentLabel(key), publicKey: key, file: null, agent})
  }
  const named = files.flatMap((file) => held.filter((identity) => sameKey(identity.publicKey, file.publicKey)))
  const others = hop.identitiesOnly ? [] : held.filter((identity) => !named.includes(identity))
  const inFiles = files.filter((file) => file.unlock !== null && !held.some((identity) => sameKey(identity.publicKey, file.publicKey)))
  return {list: [...named, ...others, ...inFiles.map((file) => ({label: file.path, publicKey: file.publicKey, file, agent: null}))], notes}
}

function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  )
}

/** Windows has two agents in common use; PuTTY's answers where OpenSSH's service is off. */
function agentPaths(hop: Hop): string[] {
  if (hop.identityAgent === null) return []
  return hop.identityAgent === OPENSSH_PIPE ? [OPENSSH_PIPE, 'pageant'] : [hop.identityAgent]
}

function keysOf(agent: SshAgent, path: string, notes: string[]): Promise<ParsedKey[]> {
  return new Promise((resolve) => {
    agent.getIdentities((error, keys) => {
      // An agent that is not there is no error: ssh goes on with the files.
      if (error && path !== 'pageant' && path !== OPENSSH_PIPE) notes.push(`the agent at ${path} did not answer (${messageOf(error)})`)
      resolve(keys ?? [])
    })
  })
}

function agentLabel(key: ParsedKey): string {
  return `the agent's key ${key.comment || fingerprint(key.getPublicSSH())}`
}

function sameKey(a: ParsedKey | null, b: ParsedKey | null): boolean {
  return a !== null && b !== null && a.getPublicSSH().equals(b.getPublicSSH())
}

/** Signs with the agent that holds the key, or with the unlocked private key. */
export function signWith(identity: Identity, privateKey: ParsedKey | null, {data, hash}: {data: Buffer; hash?: string}): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    if (!identity.agent) {
      const signature = privateKey!.sign(data, hash)
      return signature instanceof Error ? reject(signature) : resolve(signature)
    }
    identity.agent.sign(identity.publicKey!, data, {hash}, (error, signature) => (signature ? resolve(signature) : reject(error ?? new Error('no signature'))))
  })
}
