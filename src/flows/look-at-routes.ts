/** Which routes there seem to be to a compute node where no job of ours runs: each is tried as far as it can be, all at once. */
import {ask, type Ask} from '../ask.ts'
import {JnodeError, messageOf} from '../errors.ts'
import {isHostKey} from '../rules.ts'
import {quote} from '../shell.ts'
import type {Remote} from '../ssh/remote.ts'
import {timeLimit} from '../time.ts'
import {onNode} from '../tunnel/ssh-leg.ts'
import type {ClusterLink, Deps} from './deps.ts'
import {hostOf, openedWithin, ROUTE_ORDER, closed, type RouteName, type RouteTrial} from './route-context.ts'
import {noDirectStream, noLoginToHead, noPortsOnNode, noSocketsOnNode, noStreamsOnHead, noStreamsOnNode} from './route-refusals.ts'
import {logInSilently, whatToAsk} from './routes.ts'
import {headAddresses, openHeadLeg, whoIsTheHead, type HeadLegGround} from './ssh-legs.ts'
import {greets, socketThere, streamAnswer} from './stream-answer.ts'

/** `works` is null where only a job could tell. */
export type RouteLook = Omit<RouteTrial, 'works'> & {works: boolean | null}

export interface SiteRoutes {
  node: string
  /** All routes, the safest first. */
  looks: RouteLook[]
  /** What to ask the cluster's support for where none was seen to work: the safest way, and at most one in its place. */
  ask: string[]
}

export interface SiteGround {
  link: ClusterLink
  /** As Grid Engine calls it. */
  node: string
  signal: AbortSignal
  deps: Pick<Deps, 'clock' | 'randomHex'>
}

/** No trial takes longer, and they run side by side. */
const LIMIT_MS = 6000
/** A network that lets through answers at once. */
const CONNECT_MS = 3000
/** Of those that are anybody's; where a server has this one, that is an answer as well. */
const HIGH_PORT = 50_011

/** Nobody is asked anything, and nothing stays on the cluster. */
export async function lookAtRoutes(ground: SiteGround): Promise<SiteRoutes> {
  const {link, node, signal} = ground
  const looks = (await Promise.all([overLogin(ground), look('head', signal, (limit) => byHead(ground, limit)), look('direct', signal, (limit) => direct(ground, limit))])).flat()
  const inOrder = ROUTE_ORDER.map((route) => looks.find((one) => one.route === route)!)
  return {node, looks: inOrder, ask: inOrder.some(({works}) => works) ? [] : whatToAsk(inOrder, link)}
}

/** The keys that the node's sshd shows, for the head's ssh to compare in this look: so it notes none as known. */
function shownKeys(node: string): Ask<HeadLegGround['record']> {
  return {
    script: `ssh-keyscan -T 2 ${quote(node)} 2>/dev/null; exit 0`,
    read: ({stdout}) => ({names: [node], hostKeys: [...stdout.matchAll(/^\S+ (\S+) (\S+)$/gm)].filter(([, type, key]) => isHostKey(`${type} ${key}`)).map(([, type, key]) => ({type: type!, key: key!}))}),
  }
}

/** What has not ended in time is aborted. */
async function look(route: RouteName, signal: AbortSignal, work: (limit: AbortSignal) => Promise<string>): Promise<RouteLook> {
  const limit = timeLimit(signal, LIMIT_MS)
  try {
    return {route, works: true, seen: await work(limit), ask: null}
  } catch (error) {
    signal.throwIfAborted()
    const isLate = limit.aborted && !(error instanceof JnodeError && error.code === 'no-route')
    return failed(route, isLate ? new Error(`nothing came of it within ${LIMIT_MS / 1000} s`) : error)
  }
}

function failed(route: RouteName, error: unknown): RouteLook {
  const isSeen = error instanceof JnodeError && error.code === 'no-route' && !mayAskForMore(error)
  return {route, works: isSeen ? false : null, seen: messageOf(error), ask: error instanceof JnodeError && error.code === 'no-route' ? error.hint : null}
}

/** With a job the node is known by its keys, and what is typed for it may let in. */
function mayAskForMore({message, cause}: JnodeError): boolean {
  return cause instanceof JnodeError && cause.code === 'login-failed' && /password|keyboard-interactive|passphrase/i.test(message)
}

async function overLogin({link, node: name, signal}: SiteGround): Promise<RouteLook[]> {
  let node: Remote
  try {
    node = await logInSilently({link, node: {names: [name], hostKeys: []}, nodeName: name, limitMs: LIMIT_MS}, signal)
  } catch (error) {
    signal.throwIfAborted()
    return [failed('socket', error), failed('node', error), {route: 'reverse', works: null, seen: `it begins on ${name}, where this login does not get to`, ask: null}]
  }
  try {
    return await Promise.all([
      look('socket', signal, (limit) => socketThere(node, limit, async (path) => {
        const answer = await streamAnswer(node.open({kind: 'socket', path}, limit))
        if (answer.kind !== 'open') throw noSocketsOnNode(name, answer.why)
        return `the SSH server of ${name} opens streams to sockets`
      })),
      look('node', signal, async (limit) => {
        const answer = await streamAnswer(node.open({kind: 'tcp', host: '127.0.0.1', port: HIGH_PORT}, limit))
        if (answer.kind === 'prohibited') throw noPortsOnNode(name, answer.why)
        if (answer.kind === 'unclear') throw new Error(answer.why)
        return `the SSH server of ${name} opens streams to its own ports`
      }),
      look('reverse', signal, (limit) => reverse({link, node, limit})),
    ])
  } finally {
    await node.close()
  }
}

/** As a job would log in, and over the head's sshd back to us, which lets nobody have streams who gets none to a port. */
async function reverse({link: {head}, node, limit}: {link: ClusterLink; node: Remote; limit: AbortSignal}): Promise<string> {
  const place = await ask(head.run, whoIsTheHead, {signal: limit})
  const back: Ask<string | null> = {script: onNode('exit 0', place), read: ({exitCode, stderr}) => (exitCode === 0 ? null : stderr.trim().split('\n').at(-1) ?? 'it said nothing')}
  const refusal = await ask(node.run, back, {signal: limit}).catch((error: unknown) => {
    if (limit.aborted) throw noLoginToHead(head, `no answer within ${LIMIT_MS / 1000} s`)
    throw error
  })
  if (refusal !== null) throw noLoginToHead(head, refusal)
  const own = await streamAnswer(head.open({kind: 'tcp', host: '127.0.0.1', port: HIGH_PORT}, limit))
  if (own.kind === 'prohibited') throw noStreamsOnHead(head, own.why)
  return `a login from the node gets to ${hostOf(head)} without a password`
}

/** The whole way: this computer, a socket or a port of the head, the head's ssh, the node's sshd, which greets. */
async function byHead({link, node, signal, deps}: SiteGround, limit: AbortSignal): Promise<string> {
  const {head} = link
  const record = await ask(head.run, shownKeys(node), {signal: limit})
  const ground = {link, record, facts: {remoteDir: ''}, nodeName: node, signal: limit, deps}
  let why = ''
  for (const listen of ['socket', 'port'] as const) {
    const leg = await openHeadLeg(ground, listen, {kind: 'tcp', host: '127.0.0.1', port: 22}).catch((error: unknown) => {
      if (limit.aborted && !signal.aborted) throw closed(`ssh on ${hostOf(head)} did not get to ${node} within ${LIMIT_MS / 1000} s`, null)
      throw error
    })
    try {
      const stream = await leg.open()
      const isThrough = await greets(stream, limit)
      limit.throwIfAborted()
      if (!isThrough) throw noStreamsOnNode(node, head, 'they are closed at once')
      return `ssh on ${hostOf(head)} gets to ${node}, and streams through it`
    } catch (error) {
      if (!(error instanceof JnodeError) || error.code !== 'no-route' || error.hint !== null) throw error
      why = error.message
    } finally {
      await leg.close()
    }
  }
  throw noStreamsOnHead(head, why)
}

async function direct({link: {head}, node, deps}: SiteGround, limit: AbortSignal): Promise<string> {
  const [address] = await ask(head.run, headAddresses([node]), {signal: limit})
  if (address === undefined) throw closed(`${hostOf(head)} knows no address of ${node}`, null)
  const late = () => closed(`no answer within ${CONNECT_MS / 1000} s`, null)
  const answer = await streamAnswer(openedWithin(CONNECT_MS, head.open({kind: 'tcp', host: address, port: HIGH_PORT}), {clock: deps.clock, late}))
  if (answer.kind === 'open' || answer.kind === 'refused') return `ports of ${node} answer ${hostOf(head)}`
  if (answer.kind === 'unclear') throw new Error(answer.why)
  throw noDirectStream(node, head, answer.why)
}
