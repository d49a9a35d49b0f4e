/** `jnode start`: from nothing to a server that answers on this computer. */
import {ask} from '../ask.ts'
import {undoStack, type Undo} from '../cleanup.ts'
import {JnodeError} from '../errors.ts'
import {gridEngine} from '../sge/client.ts'
import {qsubLine} from '../sge/qsub.ts'
import type {Deps} from './deps.ts'
import type {OpenSession} from './open-session.ts'
import {openOwnTunnel} from './own-tunnel.ts'
import {viewOf, type SessionView} from './session-view.ts'
import {tellCalls} from './calls.ts'
import {prepare, submit, type StartInput} from './submit.ts'
import {limited, saveReady, waitForServer} from './wait-for-server.ts'

/** What `--dry-run` shows. */
export interface Plan {
  qsub: string
  jobScript: string
}

/** A request that can never run, or that could not be checked, is warned of. */
export async function planStart(input: StartInput, deps: Deps): Promise<Plan> {
  const link = await deps.connect(input.options.cluster, {signal: input.signal})
  try {
    const {site, args, script, facts} = await prepare(input, link, deps)
    const verdict = await ask(link.head.run, gridEngine(site).check(args), {signal: input.signal})
    if (verdict.kind !== 'runs') deps.tell({kind: 'warning', text: verdict.message, hint: verdict.hint})
    return {qsub: qsubLine(args, `${facts.remoteDir}/job.sh`), jobScript: script}
  } finally {
    await link.close()
  }
}

/** Submits, waits, tunnels, proves. Whatever fails before the server is ready, nothing is left; the first error wins. */
export function start(input: StartInput, deps: Deps): Promise<OpenSession> {
  return undoing(input, deps, async (undo) => {
    const {options} = input
    const signal = limited(input.signal, options.waitSeconds)
    // Before anything on the cluster: a port that is taken must not cost a job.
    const {tunnel, label} = await openOwnTunnel({cluster: options.cluster, name: input.name, port: options.port}, deps)
    undo.add('the local port', () => tunnel.close())
    const session = await submit({...input, signal, place: {localPort: tunnel.port, origin: label}, undo}, deps)
    const waiting = {cluster: options.cluster, tunnel, signal, onWaiting: input.onWaiting, answer: input.answer ?? null, otherwise: 'remove it', leaveJob: () => undo.keep('the session')}
    const way = await waitForServer(session, waiting, deps).finally(() => tellCalls(session.facts.name, session.engine, deps.tell))
    await saveReady(session, deps, signal)
    return {...session, tunnel, way}
  })
}

/** Submits and returns: `--no-wait`. */
export function submitOnly(input: StartInput, deps: Deps): Promise<SessionView> {
  return undoing(input, deps, async (undo) => {
    const session = await submit({...input, place: null, undo}, deps)
    tellCalls(session.facts.name, session.engine, deps.tell)
    await saveReady(session, deps, input.signal)
    await session.link.close()
    return viewOf(session.facts, {state: 'queued', reason: null, node: null}, null)
  })
}

async function undoing<T>({name}: StartInput, deps: Deps, story: (undo: Undo) => Promise<T>): Promise<T> {
  const undo = undoStack()
  try {
    return await story(undo)
  } catch (error) {
    deps.tell({kind: 'step', id: 'clean', title: 'Clean up'})
    const left = await undo.run()
    deps.tell({kind: 'done'})
    for (const what of left) deps.tell({kind: 'warning', text: `Could not clean up: ${what}`, hint: `Run \`jnode stop ${name}\` later.`})
    if (left.length === 0 && error instanceof JnodeError && error.code === 'interrupted') {
      throw new JnodeError('interrupted', 'Interrupted before the server was ready; nothing is left of the session', {cause: error})
    }
    throw error
  }
}
