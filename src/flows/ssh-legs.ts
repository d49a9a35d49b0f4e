/** The cluster's own `ssh` as a leg of a route: from the head to the node as long as our connection lives, or by the job back to the head. */
import {ask, type Ask} from '../ask.ts'
import {messageOf, whenAborted, type JnodeError} from '../errors.ts'
import type {JobRecord} from '../jupyter/record.ts'
import {oneLine} from '../printable.ts'
import {OWN_HOST_KEYS} from '../own-host-keys.ts'
import {isAddress, isHostKey, isHostName, isPath, isPort, isWord} from '../rules.ts'
import {quote} from '../shell.ts'
import type {Endpoint} from '../ssh/remote.ts'
import {headLegScript, reverseProgram} from '../tunnel/ssh-leg.ts'
import type {OpenToServer} from '../tunnel/tunnel.ts'
import {askForLeg, dropLeg, legListens} from './legs.ts'
import {closed, hostOf, loginsToNodes, within, type RouteContext} from './route-context.ts'
import {noLoginToHead} from './route-refusals.ts'

/** Streams to the server's end of a leg, not proved yet. */
export interface Reached {
  open: OpenToServer
  /** As `open`, whatever is checked there: to see whether a stream opens, and never to be written to. */
  touch: OpenToServer
  lost: Promise<string>
  close(): Promise<void>
}

/** Where the head's ssh goes, and which keys must be shown there. */
export function sshPlace({names, hostKeys}: Pick<JobRecord, 'names' | 'hostKeys'>): {names: string[]; hostKeys: string[]} {
  return {names, hostKeys: hostKeys.map(({type, key}) => `${type} ${key}`)}
}

const HEAD_LEG_MS = 30_000

/** What a leg of the head's ssh needs to know. */
export interface HeadLegGround extends Pick<RouteContext, 'nodeName' | 'signal'> {
  link: Pick<RouteContext['link'], 'head'>
  record: Pick<JobRecord, 'names' | 'hostKeys'>
  facts: Pick<RouteContext['facts'], 'remoteDir'>
  deps: Pick<RouteContext['deps'], 'clock' | 'randomHex'>
}

/** Starts ssh on the head. Throws `no-route` with ssh's own words where it cannot log in to the node. */
export async function openHeadLeg(context: HeadLegGround, listen: 'socket' | 'port', to: Endpoint): Promise<Reached> {
  const {link: {head}, record, facts, nodeName, signal, deps} = context
  const stopping = new AbortController()
  let said: string | null = null
  let up!: (at: Endpoint) => void
  const listens = new Promise<Endpoint>((resolve) => (up = resolve))
  const script = headLegScript({
    id: `head-${deps.randomHex(6)}`,
    dir: facts.remoteDir === '' ? null : facts.remoteDir,
    ...sshPlace(record),
    listen,
    to,
  })
  const ended = head.follow(script, (line) => {
    const [, kind, place] = /^up (socket|port) (.+)$/.exec(line) ?? []
    if (kind === 'socket' && isPath(place!)) up({kind, path: place!})
    else if (kind === 'port' && isPort(Number(place))) up({kind: 'tcp', host: '127.0.0.1', port: Number(place)})
    else said = line.replace(/^(failed|ended) /, '')
  }, stopping.signal)
  const over = ended.then(() => oneLine(said ?? 'ssh has ended'), (error: unknown) => messageOf(error))
  const close = async () => {
    stopping.abort()
    await over
  }
  // Others may go on using the connection of a session that has given it back.
  void head.closed.then(close)
  try {
    const late = () => closed(`ssh on ${hostOf(head)} did not get to ${nodeName}`, null)
    const at = await within(HEAD_LEG_MS, Promise.race([listens, aborted(signal), over.then((why) => { throw headRefused(context, why) })]), {clock: deps.clock, late})
    const open = () => head.open(at)
    return {open, touch: open, lost: over.then((why) => `ssh from ${hostOf(head)} to ${nodeName} ended: ${why}`), close}
  } catch (error) {
    await close()
    throw error
  }
}

async function aborted(signal: AbortSignal): Promise<never> {
  await whenAborted(signal)
  throw signal.reason
}

export function headRefused({link: {head}, nodeName}: HeadLegGround, why: string): JnodeError {
  const isRefused = /denied|authentication|verification/i.test(why)
  return closed(`ssh on ${hostOf(head)} does not get to ${nodeName}: ${why}`, isRefused ? loginsToNodes(head) : null)
}

/** Names and addresses of a host that are tried, and keys of it. */
const MOST_NAMES = 50

/** What the head calls hosts of these names, as addresses. */
export function headAddresses(names: readonly string[]): Ask<string[]> {
  return {
    script: `getent ahosts ${names.map(quote).join(' ')} | awk '!seen[$1]++ {print $1}'; exit 0`,
    read: ({stdout}) => stdout.split('\n').filter((line) => isAddress(line) && !/^(127\.|::1$)/.test(line)).slice(0, MOST_NAMES),
  }
}

export interface HeadHost {
  user: string
  names: string[]
  hostKeys: string[]
}

/** The very host that we are logged in to: a name may mean several. */
export const whoIsTheHead: Ask<HeadHost> = {
  script: `echo "user $(id -un)"
for name in "$(hostname -f 2>/dev/null)" "$(hostname)" $(hostname -I 2>/dev/null); do echo "name $name"; done
${OWN_HOST_KEYS}
own_host_keys
exit 0`,
  read({stdout}) {
    const all = (key: string) => stdout.split('\n').filter((line) => line.startsWith(`${key} `)).map((line) => line.slice(key.length + 1).trim()).slice(0, MOST_NAMES)
    return {user: all('user').find(isWord) ?? '', names: [...new Set(all('name').filter(isHostName))], hostKeys: all('hostkey').filter(isHostKey)}
  },
}

const REVERSE_MS = 30_000
/** Kernels take 108 bytes. */
const MAX_SOCKET_PATH = 100

/**
 * The job's own ssh to the head, from the server's socket to a socket in the session's directory; null where that cannot
 * be made there. With `to`, from that port of the node to a port of the head's loopback. Throws `no-route`.
 */
export async function openReverseLeg(context: RouteContext, to: Endpoint | null, fresh: boolean): Promise<(Reached & {reused: boolean}) | null> {
  const {facts, link: {head}, signal} = context
  const {user, names, hostKeys} = await ask(head.run, whoIsTheHead, {signal})
  // Of a head that is several hosts each has its own.
  const kind = `${to === null ? 'reverse' : 'reverseport'}-${names[0]?.replace(/[^\w.]/g, '_') ?? 'head'}`
  const socketOf = (id: string) => `${facts.remoteDir}/${id}.sock`
  if (to === null && socketOf(`${kind}-01234567`).length > MAX_SOCKET_PATH) return null
  const program = (id: string) => reverseProgram({id, dir: facts.remoteDir, hosts: names, hostKeys, user, socket: to === null ? socketOf(id) : null, to})
  const leg = await askForLeg(kind, fresh, {context, program})
  const close = () => dropLeg(leg, context)
  try {
    if (to === null) await socketAppears(socketOf(leg.id), leg.id, context)
    const at: Endpoint = to === null ? {kind: 'socket', path: socketOf(leg.id)} : {...(await legListens(leg, context)), kind: 'tcp'}
    const open = () => head.open(at)
    return {open, touch: open, lost: new Promise<never>(() => {}), close, reused: leg.reused}
  } catch (error) {
    if (signal.aborted) throw error
    await close()
    const why = messageOf(error)
    if (to === null && /forwarding failed/.test(why)) return null
    throw noLoginToHead(head, why)
  }
}

/** Of ssh's socket only the head can tell; of a failure, the job does. */
async function socketAppears(path: string, id: string, {link: {head}, watch, signal, deps}: RouteContext): Promise<void> {
  const giveUp = new AbortController()
  const script = `until [ -S ${quote(path)} ]; do sleep 0.2 2>/dev/null || sleep 1; done; echo there`
  const there = new Promise<void>((resolve, reject) => {
    head.follow(script, (line) => line === 'there' && resolve(), AbortSignal.any([signal, giveUp.signal])).catch(reject)
  })
  const failed = watch.until((now) => (now.record?.legs[id]?.state === 'failed' ? now.record.legs[id] : null)).then((leg) => {
    throw closed(leg.state === 'failed' ? leg.why : '', null)
  })
  failed.catch(() => {})
  try {
    await within(REVERSE_MS, Promise.race([there, failed]), {clock: deps.clock, late: () => closed('nothing came of it in time', null)})
  } finally {
    giveUp.abort()
  }
}
