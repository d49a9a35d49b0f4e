/** Which of the machines of one name a login has led to, to come back to it. */
import {lookup} from 'node:dns/promises'
import {ask, type Ask} from '../ask.ts'
import {JnodeError} from '../errors.ts'
import {isAddress} from '../rules.ts'
import {quote} from '../shell.ts'
import type {Hop} from './host-config.ts'
import type {Remote} from './remote.ts'
import {settingsOf, type HostConfigDeps, type Settings} from './ssh-settings.ts'
import type {Target} from '../target.ts'

/** The address that the host's sshd says it was reached at; null where it does not tell. */
export async function machineOf({run}: Pick<Remote, 'run'>, signal?: AbortSignal): Promise<string | null> {
  const [answer] = await run(['echo "$SSH_CONNECTION"'], {maxBytes: 4096, ...(signal ? {signal} : {})}).catch(() => [])
  const told = /^\S+ \S+ (\S+) \S+$/m.exec(answer?.stdout ?? '')?.[1]
  return told !== undefined && isAddress(told) ? told : null
}

/** Keeps in `machines`, by the label of the head node, what was found out. */
export function remember(machines: Map<string, string>, label: string, machine: Promise<string | null>): void {
  void machine.then((address) => (address === null ? machines.delete(label) : machines.set(label, address)))
}

/** That machine is gone, or is another one now: any of those that have the name will do. */
export function isGone(error: unknown): boolean {
  return error instanceof JnodeError && (error.code === 'unreachable' || error.code === 'host-key')
}

/** An address that this computer gets by the host's name, beside others: behind a NAT the host may tell another one. */
export async function isOneOfSeveral(hop: Hop, address: string): Promise<boolean> {
  const found = await lookup(hop.host, {all: true, family: hop.addressFamily}).catch(() => [])
  return found.length > 1 && found.some((each) => each.address === address)
}

/** A gateway that runs no commands does not keep anybody waiting. */
const GATEWAY_MS = 5000

/**
 * The address that is meant, where the host before would go to it by the name itself: a head node tells its address as it likes, and
 * must not choose where a gateway connects to. Null for any of those that have the name.
 */
export async function addressBehind({run}: Pick<Remote, 'run'>, {address, host}: Pick<Hop, 'address' | 'host'>, signal?: AbortSignal): Promise<string | null> {
  if (address === null || !isAddress(address)) return null
  const known = await ask(run, addressesOf(host), {timeoutMs: GATEWAY_MS, ...(signal ? {signal} : {})}).catch((): string[] => [])
  return known.includes(address) ? address : null
}

function addressesOf(host: string): Ask<string[]> {
  return {script: `getent ahosts ${quote(host)}; exit 0`, read: ({stdout}) => stdout.split('\n').map((line) => line.split(/\s/, 1)[0]!)}
}

const CHANGED = new Set(['hostname', 'hostkeyalias', 'stricthostkeychecking', 'controlpath'])

/**
 * Words by which ssh goes to the machine that is meant, and takes it for no other host than before. None where the user's
 * configuration would then say something else (`Match host`, %h), or where a ProxyCommand makes the connection.
 */
export async function wordsFor(target: Target, hop: Hop, deps: HostConfigDeps): Promise<string[]> {
  if (hop.address === null || !isAddress(hop.address) || hop.proxyCommand !== null) return []
  const name = hop.hostKeyAlias ?? (hop.port === 22 ? hop.host : `[${hop.host}]:${hop.port}`)
  // A key that is not known by this name is asked about, if at all, by an ssh without these words.
  const words = [`HostName=${hop.address}`, `HostKeyAlias=${name}`, 'StrictHostKeyChecking=yes'].flatMap((word) => ['-o', word])
  const rest = (settings: Settings) => JSON.stringify([...settings].filter(([keyword]) => !CHANGED.has(keyword)))
  const [before, after] = (await Promise.all([settingsOf(target, deps), settingsOf(target, {...deps, words})])).map(rest)
  return before === after && !before!.includes('%h') ? words : []
}
