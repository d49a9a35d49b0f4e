/** The five routes, each as one attempt: it answers with a way that is proved, or throws `no-route` with what was seen and what to ask for. */
import {ask} from '../ask.ts'
import type {JnodeError} from '../errors.ts'
import type {Endpoint, Remote} from '../ssh/remote.ts'
import type {OpenToServer} from '../tunnel/tunnel.ts'
import {onNode} from '../tunnel/ssh-leg.ts'
import {headAddresses, headRefused, openHeadLeg, openReverseLeg, sshPlace, type Reached} from './ssh-legs.ts'
import {dropLeg, openRelay, type Relay} from './legs.ts'
import {checkPlace, type OnNode} from './place-owner.ts'
import {prove, type Proof} from './prove.ts'
import {closed, hostOf, openedWithin, type RouteContext, type RouteName, type ServerWay} from './route-context.ts'
import {noDirectStream, noPortsOnNode, noSocketsOnNode, noStreamsOnHead, noStreamsOnNode} from './route-refusals.ts'
import {provenStreams} from './sure-streams.ts'

/** `asking`: whether a person may be asked for a secret of the node. */
export type Attempt = (context: RouteContext, asking: boolean) => Promise<ServerWay>

export const ATTEMPTS: Record<RouteName, Attempt> = {socket: socketWay, node: nodeWay, head: headWay, direct: directWay, reverse: reverseWay}

const LOOPBACK = ['127.0.0.1', '::1']

async function socketWay(context: RouteContext, asking: boolean): Promise<ServerWay> {
  const {endpoint, nodeName} = context
  const node = await context.login(asking)
  if (endpoint.kind !== 'socket') throw closed('the server listens on a port', null)
  const {at, checked} = await checkPlace(context, overLogin(node, nodeName))
  const reached = checked(overNode(node, at))
  const proof = await proveOrClose(reached, reached.open, context)
  if (!proof.works) throw noSocketsOnNode(nodeName, proof.why)
  return way('socket', reached, context, node)
}

async function nodeWay(context: RouteContext, asking: boolean): Promise<ServerWay> {
  const {endpoint, nodeName} = context
  const node = await context.login(asking)
  const refused = (why: string) => noPortsOnNode(nodeName, why)
  if (endpoint.kind === 'socket') return way('node', await throughRelay(context, LOOPBACK, async ({at}) => overNode(node, at), refused), context, node)
  const {at, checked} = await checkPlace(context, overLogin(node, nodeName))
  const reached = checked(overNode(node, at))
  const proof = await proveOrClose(reached, reached.open, context)
  if (!proof.works) throw refused(proof.why)
  return way('node', reached, context, node)
}

/**
 * By the head's own ssh. It ends in the server's socket, where the node's sshd lets it; else in a relay of the job. On
 * the head it listens on a 0600 socket, where the head's sshd gives us streams to one; else on a port of loopback, and
 * then only a relay will do, as others can connect to a port. A server on a port of the node has no relay.
 */
async function headWay(context: RouteContext): Promise<ServerWay> {
  const {endpoint, nodeName, link, record} = context
  const {at: place, checked} = await checkPlace(context, {nodeName, remote: link.head, script: (text) => onNode(text, sshPlace(record)), notRun: (why) => headRefused(context, why)})
  const plain = checked(await openHeadLeg(context, 'socket', place))
  const proof = await proveOrClose(plain, plain.open, context)
  if (proof.works) return way('head', plain, context)
  const refused = (why: string, opened: boolean) => (opened ? noStreamsOnNode(nodeName, link.head, why) : noStreamsOnHead(link.head, why))
  // The job has no help for a server on a port.
  if (endpoint.kind === 'tcp') throw refused(proof.why, !proof.refused)
  const listen = proof.refused ? 'port' : 'socket'
  return way('head', await throughRelay(context, LOOPBACK, ({at}) => openHeadLeg(context, listen, at), refused), context)
}

function overLogin(remote: Remote, nodeName: string): OnNode {
  return {nodeName, remote, script: (text) => text, notRun: (why) => closed(`${nodeName} does not say who listens there: ${why}`, null)}
}

/** A network that both are in answers at once; a firewall may say nothing. */
const CONNECT_MS = 4000

async function directWay(context: RouteContext): Promise<ServerWay> {
  const {link, record, signal, nodeName, deps} = context
  const {head} = link
  // As the head calls the node: the network that both are in.
  const addresses = [...(await ask(head.run, headAddresses(record.names), {signal})), ...record.addresses]
  const late = () => closed(`${nodeName} does not answer ${hostOf(head)}`, null)
  const refused = (why: string) => noDirectStream(nodeName, head, why)
  const reached = await throughRelay(context, addresses, async ({at}) => overHost(() => openedWithin(CONNECT_MS, head.open(at), {clock: deps.clock, late})), refused, 'direct')
  return way('direct', reached, context)
}

async function reverseWay(context: RouteContext): Promise<ServerWay> {
  const {link} = context
  const refused = (why: string) => noStreamsOnHead(link.head, why)
  for (const fresh of [false, true]) {
    const plain = await openReverseLeg(context, null, fresh)
    const proof = plain && (await proveOrClose(plain, plain.open, context))
    if (plain && proof?.works) return way('reverse', plain, context)
    // One found from before may be dead.
    if (!plain?.reused) break
  }
  return way('reverse', await throughRelay(context, LOOPBACK, async ({at, reused}) => (await openReverseLeg(context, at, !reused))!, refused), context)
}

const NEVER = new Promise<never>(() => {})

function overNode(node: Remote, endpoint: Endpoint): Reached {
  return overHost(() => node.open(endpoint))
}

function overHost(open: Reached['touch']): Reached {
  return {open, touch: open, lost: NEVER, close: async () => {}}
}

function way(route: RouteName, reached: Reached, context: RouteContext, node: Remote | null = null): ServerWay {
  const {facts, nodeName, endpoint} = context
  const open = facts.foreign ? reached.open : provenStreams(reached.open, context)
  return {route, node, nodeName, endpoint, open, touch: reached.touch, lost: node?.closed ?? reached.lost, close: reached.close}
}

/** What was opened for a route that does not work is closed again. */
async function proveOrClose(reached: Reached, open: OpenToServer, context: RouteContext): Promise<Proof> {
  try {
    const lost = reached.lost.then((why) => {
      throw closed(why, null)
    })
    const proof = await Promise.race([prove(open, context), lost])
    if (!proof.works) await reached.close()
    return proof
  } catch (error) {
    await reached.close()
    throw error
  }
}

/**
 * TLS to a relay of the job, by a way that is made for it. A relay found from before that does not answer is replaced once. `refused`
 * is told whether streams were opened at all, on this side of the relay.
 */
async function throughRelay(
  context: RouteContext,
  bind: readonly string[],
  reach: (relay: Relay) => Promise<Reached>,
  refused: (why: string, opened: boolean) => JnodeError,
  kind: 'relay' | 'direct' = 'relay',
): Promise<Reached> {
  for (let fresh = false; ; fresh = true) {
    const relay = await openRelay(kind, bind, fresh, context)
    let why: string
    let opened = false
    try {
      const reached = await reach(relay)
      const open = relay.secure(async () => {
        const stream = await reached.open()
        opened = true
        return stream
      })
      const proof = await proveOrClose(reached, open, context)
      if (proof.works) return {...reached, open}
      why = proof.why
    } catch (error) {
      if (!relay.reused) await dropLeg(relay, context)
      throw error
    }
    // Nothing stays open that is of no use.
    await dropLeg(relay, context)
    if (!relay.reused) throw refused(why, opened)
  }
}
