/** The keeper's program: brings a session about for the command that started it, then keeps it alone. */
import {printCrashesSafely} from '../crash.ts'
import {JnodeError} from '../errors.ts'
import {connect} from '../flows/connect.ts'
import type {FlowEvent} from '../flows/events.ts'
import type {OpenSession} from '../flows/open-session.ts'
import {viewOf} from '../flows/session-view.ts'
import {start} from '../flows/start.ts'
import {searchSafely} from '../program.ts'
import {makeRuntime} from '../runtime.ts'
import type {Prompter} from '../ssh/prompt.ts'
import {controlPath} from './control.ts'
import {makeRoom} from './private-socket.ts'
import {holdSession} from './hold.ts'
import {userPaths} from '../config/paths.ts'
import {logAsKeeper} from './keeper-log.ts'
import {errorOf, failureOf, type Failure, type FromKeeper, type KeeperTask, type ToKeeper} from './messages.ts'

printCrashesSafely()
searchSafely()

const abort = new AbortController()
const answers = new Map<number, (answer: {text: string} | {failure: Failure}) => void>()
let questions = 0
let alone = false
let over = false
/** Closes what this process lends. */
let end = () => {}

function send(message: FromKeeper): Promise<void> {
  return new Promise((resolve) => {
    if (process.connected) process.send!(message, () => resolve())
    else resolve()
  })
}

/** With the command while it listens, in the keeper's log after that. */
function tell(event: FlowEvent): void {
  if (!alone) return void send({kind: 'event', event})
  if (event.kind === 'note' || event.kind === 'warning') log(event.text)
}

function log(text: string): void {
  logAsKeeper(userPaths(process.env).stateDir, text)
}

const prompterFor = ({canAsk, unattended}: Pick<Prompter, 'canAsk' | 'unattended'>): Prompter => ({
  canAsk,
  unattended,
  ask: (question) =>
    new Promise((resolve, reject) => {
      const id = ++questions
      answers.set(id, (answer) => ('text' in answer ? resolve(answer.text) : reject(errorOf(answer.failure))))
      void send({kind: 'question', id, question})
    }),
})

function run(task: KeeperTask, person: Pick<Prompter, 'canAsk' | 'unattended'>): Promise<void> {
  const runtime = makeRuntime({env: process.env, tell, prompter: prompterFor(person), background: true})
  const cluster = task.kind === 'start' ? task.options.cluster : task.cluster
  const {signal} = abort
  end = () => void runtime.links.end()
  const answer = task.asks ? runtime.answer(cluster, signal) : null
  const onWaiting = (url: string) => void send({kind: 'waiting', url})
  const open = (): Promise<OpenSession> => (task.kind === 'start' ? start({...task, answer, signal, onWaiting}, runtime.deps) : connect({...task, answer, signal, onWaiting}, runtime.deps))
  const {name} = task
  return makeRoom(controlPath(runtime.stateDir, cluster.name, name)).then(open).then(async (session) => {
    const held = await holdSession(session, runtime.deps, {...runtime, cluster, signal})
    void runtime.links.offer() // also a login that was made for this session alone
    const view = viewOf(session.facts, {state: 'ready', reason: null, node: session.way.nodeName}, held.status())
    await send({kind: 'ready', view})
    alone = true
    if (process.connected) process.disconnect()
    log(`keeping ${session.facts.name} of ${session.facts.cluster} on port ${session.tunnel.port}`)
    const how = await held.ended
    log(`${session.facts.name}: ${how.kind === 'job-ended' ? how.reason.message : how.kind}`)
  }).finally(() => runtime.links.leave())
}

process.on('message', (message: ToKeeper) => {
  switch (message.kind) {
    case 'task':
      run(message.task, message)
        .catch(async (error: unknown) => {
          const failure = failureOf(error)
          if (alone) log(failure.message)
          await send({kind: 'failed', failure})
        })
        .finally(() => {
          over = true
          if (process.connected) process.disconnect()
        })
      return
    case 'answer':
      answers.get(message.id)?.(message.answer)
      answers.delete(message.id)
      return
    case 'cancel':
      return abort.abort(new JnodeError('interrupted', 'Interrupted'))
  }
})
// The command died before the session was ready: nobody would know of it, so it is undone.
process.on('disconnect', () => {
  if (!alone) abort.abort(new JnodeError('interrupted', 'Interrupted'))
})
for (const signal of ['SIGTERM', 'SIGHUP', 'SIGINT'] as const) {
  process.on(signal, () => {
    // Its session is over, and others still use its connection.
    if (over) end()
    else abort.abort(new JnodeError('interrupted', 'Interrupted'))
  })
}
