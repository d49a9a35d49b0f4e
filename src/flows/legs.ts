/** Legs of a route that the job opens on its node: asked for through the session's directory, answered in the record. */
import {ask} from '../ask.ts'
import {JnodeError} from '../errors.ts'
import type {LegState} from '../jupyter/record.ts'
import {endLeg, readLegs, sharedIdentity, startLeg} from '../session/remote-legs.ts'
import type {Endpoint} from '../ssh/remote.ts'
import {makeIdentity, relayProgram, secured} from '../tunnel/relay.ts'
import type {OpenToServer} from '../tunnel/tunnel.ts'
import {closed, within, type RouteContext} from './route-context.ts'

export interface Leg {
  id: string
  /** Another start, or another computer, has asked for it before. */
  reused: boolean
}

/** The job looks once a second, and a shared home directory may show new things late. */
const LEG_MS = 30_000

/**
 * The leg of this kind that is asked for already; else, or where that one is of no use (`fresh`), asks the job for a new
 * one in its place. Two computers with the same session share legs.
 */
export async function askForLeg(kind: string, fresh: boolean, {context, program}: {context: RouteContext; program(id: string): string}): Promise<Leg> {
  const {facts, link, watch, signal, deps} = context
  if (facts.foreign) throw closed('it needs the help of the job, which jnode did not start', null)
  // Only Jupyter's own Python runs it.
  await watch.until((now) => now.record?.listening || null)
  if (watch.view.record?.endpoint?.kind !== 'socket') throw closed('this Jupyter is too old to listen on a socket', null)
  const asked = await ask(link.head.run, readLegs(facts.remoteDir), {signal})
  const latest = asked.findLast((id) => id.slice(0, id.lastIndexOf('-')) === kind)
  if (latest !== undefined) {
    if (!fresh && watch.view.record.legs[latest]?.state !== 'failed') return {id: latest, reused: true}
    await dropLeg({id: latest}, context)
  }
  // Never a name of before, which would not run again.
  const id = `${kind}-${deps.randomHex(4)}`
  await ask(link.head.run, startLeg(facts.remoteDir, {id, program: program(id)}), {signal})
  return {id, reused: false}
}

/** Where a leg listens; throws `no-route` with its own words when it could not be opened. */
export async function legListens({id}: Leg, {watch, deps}: RouteContext): Promise<Extract<LegState, {state: 'listening'}>> {
  const late = () => closed(`the job did not open ${id} within ${LEG_MS / 1000} s`, null)
  const state = await within(LEG_MS, watch.until((now) => now.record?.legs[id] ?? null), {clock: deps.clock, late})
  if (state.state === 'failed') throw new JnodeError('no-route', state.why)
  return state
}

/** Also when the trial was broken off: it must not stay open. */
export async function dropLeg({id}: Pick<Leg, 'id'>, {facts, link}: RouteContext): Promise<void> {
  await ask(link.head.run, endLeg(facts.remoteDir, id), {timeoutMs: 10_000}).catch(() => {})
}

export interface Relay extends Leg {
  at: Extract<Endpoint, {kind: 'tcp'}>
  /** Puts TLS into each stream that somebody opens to it. */
  secure(open: OpenToServer): OpenToServer
}

/** A relay on the node to the server's socket, listening on the first of these addresses that is the node's: `relay` on loopback, `direct` in the cluster. */
export async function openRelay(kind: 'relay' | 'direct', bind: readonly string[], fresh: boolean, context: RouteContext): Promise<Relay> {
  const {facts, link, signal} = context
  if (facts.foreign) throw closed('it needs the help of the job, which jnode did not start', null)
  const identity = await ask(link.head.run, sharedIdentity(facts.remoteDir, await makeIdentity()), {signal})
  const leg = await askForLeg(kind, fresh, {context, program: (id) => relayProgram({id, dir: facts.remoteDir, bind})})
  try {
    const {host, port} = await legListens(leg, context)
    return {...leg, at: {kind: 'tcp', host, port}, secure: (open) => secured(open, identity)}
  } catch (error) {
    if (!leg.reused || !signal.aborted) await dropLeg(leg, context)
    throw error
  }
}
