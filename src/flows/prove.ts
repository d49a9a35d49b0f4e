/** Whether a route leads to the session's server: asked until it answers, or it is clear that it does not. */
import {jupyterApi} from '../jupyter/api.ts'
import type {OpenToServer} from '../tunnel/tunnel.ts'
import {foreignAnswers} from './foreign.ts'
import {apiOver, notOurs, Stranger, type RouteContext} from './route-context.ts'
import {provenStreams} from './sure-streams.ts'

export type Proof = {works: true} | {works: false; /** Streams were refused, in place of being opened and closed. */ refused: boolean; why: string}

const PROBE_MS = 80
const ANSWER_MS = 10_000
/** A server that listens and cannot be reached for so long and so often is not reached by this route. */
const GRACE_MS = 1500
const GRACE_TRIES = 8
/** Where each try takes long, as with a firewall that says nothing, fewer will do. */
const SLOW_MS = 3000

/**
 * Asks through a route until our server answers and takes our token; waits as long as it does not listen yet. Throws
 * `no-route` when another one answers. Where others can take the server's place, `open` checks who has it.
 */
export async function prove(open: OpenToServer, context: RouteContext): Promise<Proof> {
  const {facts, nodeName, watch, signal, deps: {clock}} = context
  let refusal: Error | null = null
  const attempt: OpenToServer = async () => {
    refusal = null
    try {
      return await open()
    } catch (error) {
      refusal = error as Error
      throw error
    }
  }
  const refused = () => {
    if (refusal instanceof Stranger) throw refusal
    return refusal?.message ?? null
  }
  if (facts.foreign) return proveForeign(attempt, refused, context)
  const api = jupyterApi(apiOver(attempt, facts))
  let strangers = 0
  let since: number | null = null
  let tries = 0
  for (;;) {
    const from = clock.now()
    const who = await api.identify({signal, timeoutMs: ANSWER_MS})
    if (who.kind === 'ours') {
      // Of this stream nothing is known yet.
      await jupyterApi(apiOver(provenStreams(open, context), facts)).status({signal, timeoutMs: ANSWER_MS})
      return {works: true}
    }
    const why = refused()
    if (who.kind === 'foreign' && ++strangers > 20) throw notOurs(nodeName, who.why)
    // An open stream without an answer is a server that is busy or suspended, and no fault of the route.
    const isSilent = why === null && clock.now() - from >= ANSWER_MS
    if (watch.view.record?.listening && !isSilent) {
      since ??= from
      const spent = clock.now() - since
      const isOver = (++tries > GRACE_TRIES && spent > GRACE_MS) || spent > SLOW_MS
      if (isOver && who.kind === 'foreign') throw notOurs(nodeName, who.why)
      if (isOver) return {works: false, refused: why !== null, why: why ?? who.why}
    }
    await clock.sleep(PROBE_MS, signal)
  }
}

const REFUSALS = 10

/** A server of somebody else's shows no proof; it listens already, so a refused stream is soon final. */
async function proveForeign(open: OpenToServer, refused: () => string | null, {facts, signal, deps: {clock}}: RouteContext): Promise<Proof> {
  for (let tries = 1; ; tries++) {
    const stream = await open().catch(() => null)
    stream?.on('error', () => {}).destroy()
    if (stream) break
    const why = refused()
    if (tries === REFUSALS) return {works: false, refused: true, why: why ?? 'it does not open'}
    await clock.sleep(PROBE_MS, signal)
  }
  await foreignAnswers(facts.foreign!, jupyterApi(apiOver(open, {...facts, baseUrl: facts.foreign!.baseUrl})), {clock, signal})
  return {works: true}
}
