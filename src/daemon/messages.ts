/** What a command and the keeper it has started tell each other, over Node's own IPC channel. */
import type {StartOptions} from '../config/start-options.ts'
import type {ClusterTarget} from '../config/cluster.ts'
import {JnodeError, messageOf, type ErrorCode, type LoginNeeds} from '../errors.ts'
import type {FlowEvent} from '../flows/events.ts'
import type {SessionView} from '../flows/session-view.ts'
import type {Question} from '../ssh/prompt.ts'

/** What a keeper is to bring about before it keeps. */
export type KeeperTask = {
  name: string
  /** A person may be asked what to do, beside what a login needs. */
  asks: boolean
} & ({kind: 'start'; options: StartOptions} | {kind: 'connect'; cluster: ClusterTarget; port: number | null; waitSeconds: number | null})

/** A JnodeError on its way between processes. */
export interface Failure {
  code: ErrorCode
  message: string
  hint: string | null
  needs?: LoginNeeds
  /** What it comes from: a refused login is told from a closed way by it. */
  cause?: Failure
}

export type ToKeeper =
  | {kind: 'task'; task: KeeperTask; canAsk: boolean; unattended: boolean}
  | {kind: 'answer'; id: number; answer: {text: string} | {failure: Failure}}
  | {kind: 'cancel'}

export type FromKeeper =
  | {kind: 'event'; event: FlowEvent}
  | {kind: 'question'; id: number; question: Question}
  /** The job waits, and this URL says so. */
  | {kind: 'waiting'; url: string}
  | {kind: 'ready'; view: SessionView}
  | {kind: 'failed'; failure: Failure}

export function failureOf(error: unknown): Failure {
  if (!(error instanceof JnodeError)) return failureOf(new JnodeError('unexpected', messageOf(error)))
  const {code, message, hint, needs, cause} = error
  return {code, message, hint, ...(needs && {needs}), ...(cause instanceof JnodeError ? {cause: failureOf(cause)} : {})}
}

export function errorOf({code, message, hint, needs, cause}: Failure): JnodeError {
  return new JnodeError(code, message, {...(hint === null ? {} : {hint}), needs, ...(cause ? {cause: errorOf(cause)} : {})})
}
