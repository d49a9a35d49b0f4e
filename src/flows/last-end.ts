/** What stays known of a session of which nothing else is left: how it ended. */
import * as z from 'zod'
import {JnodeError} from '../errors.ts'
import {isHostName, isJobNumber, isLine, isSessionName, isTimestamp} from '../rules.ts'
import type {Deps} from './deps.ts'
import {findSession, type Wanted} from './find-session.ts'
import {statusOfSession} from './list.ts'
import type {OpenSession} from './open-session.ts'
import {viewOf, type SessionView} from './session-view.ts'

const text = (rule: (value: string) => boolean) => z.string().refine(rule)

/** What a file must hold to be told as the end of a session. Older versions wrote less and later ones write more. */
export const endedViewShape = z.looseObject({
  name: text(isSessionName),
  cluster: text(isLine),
  host: text(isLine),
  jobId: text(isJobNumber).nullable(),
  state: z.enum(['ended', 'failed']),
  reason: text(isLine).nullable(),
  node: text(isHostName).nullable(),
  slots: z.number().nullable(),
  gpus: text(isLine).nullable(),
  route: z.null(),
  routes: z.null(),
  localPort: z.null(),
  url: z.null(),
  tunnel: z.literal('closed'),
  submittedAt: text(isTimestamp).nullable(),
  startedAt: text(isTimestamp).nullable(),
  endsAt: text(isTimestamp).nullable(),
  app: text(isLine).nullable(),
  log: z.null(),
  keeperPid: z.null(),
  lastActivityAt: text(isTimestamp).nullable(),
  busy: z.boolean().nullable(),
  kernelTransport: z.enum(['ipc', 'tcp']).nullable().optional(),
}) as unknown as z.ZodType<SessionView>

/** Notes how a session ended that was tidied up. */
export function noteEnd({facts, way}: OpenSession, reason: JnodeError, {ends, clock}: Deps): Promise<void> {
  const [sentence = ''] = reason.message.split('\n') // the rest is the end of its log
  const view = viewOf(facts, {state: reason.code === 'job-failed' ? 'failed' : 'ended', reason: sentence, node: way.nodeName}, null)
  return ends.note({...view, endsAt: new Date(clock.now()).toISOString(), localPort: null, log: null})
}

/** `jnode status`: one session in full; where there is none any more, how the one that is meant ended. Throws `no-session`. */
export async function statusOfWanted(wanted: Wanted, deps: Deps, signal: AbortSignal): Promise<SessionView> {
  try {
    return await statusOfSession({...(await findSession(wanted, deps, signal)), signal}, deps)
  } catch (error) {
    // A session that is named and of which only the end is known needs no cluster to be told of.
    const gone = error instanceof JnodeError && error.code !== 'interrupted' && (wanted.name !== null || error.code === 'no-session')
    const end = gone ? await deps.ends.latest({name: wanted.name, cluster: wanted.cluster?.name ?? null}) : null
    if (end) return end
    throw error
  }
}
