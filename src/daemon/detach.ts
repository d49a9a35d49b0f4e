/** Starting a keeper: this program again, detached. It does the work; this process shows it, and answers its questions. */
import {spawn} from 'node:child_process'
import {closeSync} from 'node:fs'
import {JnodeError, throwIfAborted} from '../errors.ts'
import type {Tell} from '../flows/events.ts'
import type {SessionView} from '../flows/session-view.ts'
import type {Prompter} from '../ssh/prompt.ts'
import {keeperLogPath, openKeeperLog} from './keeper-log.ts'
import {errorOf, failureOf, type FromKeeper, type KeeperTask, type ToKeeper} from './messages.ts'

export interface DetachOptions {
  /** The keeper's program: dist/keeper.js of this very version. */
  program: string
  stateDir: string
  tell: Tell
  prompter: Prompter
  /** Opens the browser: while the job waits, on a page that says so and goes on by itself, else when the session is ready. */
  openBrowser: ((url: string) => Promise<void>) | null
  signal: AbortSignal
}

/** Resolves when the session is ready and the keeper stands on its own; rejects with the keeper's own error. */
export async function runDetached(task: KeeperTask, options: DetachOptions): Promise<SessionView> {
  let opening: Promise<void> | undefined
  const open = (url: string) => (opening ??= options.openBrowser?.(url))
  const view = await bringAbout(task, open, options)
  await open(view.url!)
  return view
}

/** MiB of each half of V8's young generation: a keeper's bytes are not in it, and a larger one only stays grown (see docs/performance.md). */
export const KEEPER_FLAGS = ['--max-semi-space-size=1']

async function bringAbout(task: KeeperTask, onWaiting: (url: string) => unknown, {program, stateDir, tell, prompter, signal}: DetachOptions): Promise<SessionView> {
  throwIfAborted(signal)
  const log = openKeeperLog(stateDir)
  const child = spawn(process.execPath, [...KEEPER_FLAGS, program], {detached: true, stdio: ['ignore', log, log, 'ipc'], windowsHide: true, cwd: stateDir})
  if (log !== 'ignore') closeSync(log)
  const send = (message: ToKeeper) => {
    if (child.connected) child.send(message, () => {})
  }
  const cancel = () => send({kind: 'cancel'})
  signal.addEventListener('abort', cancel, {once: true})
  const over = new AbortController()
  try {
    return await new Promise<SessionView>((resolve, reject) => {
      child.on('message', (message: FromKeeper) => {
        switch (message.kind) {
          case 'event':
            return tell(message.event)
          case 'question':
            return void prompter.ask(message.question, AbortSignal.any([signal, over.signal])).then(
              (text) => send({kind: 'answer', id: message.id, answer: {text}}),
              (error: unknown) => send({kind: 'answer', id: message.id, answer: {failure: failureOf(error)}}),
            )
          case 'waiting':
            return void onWaiting(message.url)
          case 'ready':
            return resolve(message.view)
          case 'failed':
            return reject(errorOf(message.failure))
        }
      })
      child.once('error', (cause) => reject(new JnodeError('unexpected', `Cannot start the background process: ${cause.message}`, {cause})))
      child.once('exit', (code, signalName) => {
        const fail = () => reject(new JnodeError('unexpected', `The background process ended unexpectedly (${signalName ?? `exit ${code}`})`, {hint: `Its log is ${keeperLogPath(stateDir)}.`}))
        // Its last message may still be on the way.
        if (child.connected) child.once('disconnect', fail)
        else fail()
      })
      send({kind: 'task', task, canAsk: prompter.canAsk, unattended: prompter.unattended ?? false})
    })
  } finally {
    over.abort() // a question whose login has failed meanwhile needs no answer
    signal.removeEventListener('abort', cancel)
    child.removeAllListeners()
    if (child.connected) child.disconnect()
    child.unref()
  }
}
