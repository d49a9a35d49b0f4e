/**
 * Logging in to one hop: which method next, in any order and number of steps. Driven by ssh2's authHandler, which is first
 * called when the key exchange is over, that is after the host key was accepted: nothing here runs for a refused host.
 */
import {JnodeError, messageOf} from '../errors.ts'
import {oneLine} from '../printable.ts'
import type {Hop} from './host-config.ts'
import type {KeyTools} from './identities.ts'
import {keyStep, type KeyRing} from './key-login.ts'
import {countTry, emptyReport, hungUp, refusal, type AuthStep, type Login, type Secrets} from './login.ts'
import type {Prompter} from './prompt.ts'
import {answersTo, headOf, newPassword, passwordOf, type Answered, type Round} from './typed-login.ts'

export {emptySecrets, type Secrets} from './login.ts'

export interface AuthDeps {
  tools: KeyTools
  prompter: Prompter
  secrets: Secrets
  signal?: AbortSignal
  /** Text the server wants the user to see while logging in (a push was sent to your phone). */
  tell?: (text: string) => void
}

export interface AuthSession {
  /** ssh2's `authHandler`. */
  handler(methodsLeft: readonly string[] | null, partialSuccess: boolean | null, next: (step: AuthStep) => void): void
  /** To be called once, right after `client.connect()`. */
  attach(client: object): void
  /** Calls back with true while a person is being asked, with false when the answer is there. */
  onWaiting(listener: (waiting: boolean) => void): void
  /** Whether the server has been asked for a login: then the end of the connection is `failure`, not an unreachable host. */
  begun(): boolean
  /** What the server offered at first, and what was tried last. */
  account(): {offered: string[]; by: string | null}
  /** Why it did not work; `reason` in words when it was the connection that ended. A secret that was under way then counts as refused. */
  failure(reason?: string): JnodeError
  /** The login is over, well or not: a question still open is withdrawn. */
  done(): void
}

type Attempt = {kind: 'none' | 'key'} | {kind: 'password'; password: string} | ({kind: 'keyboard'} & Answered)

/** What is used up until the server reports a partial success. */
interface Phase {
  keys: KeyRing
  /** A server without PAM offers the method and fails it at once, without a question. */
  keyboardDead: boolean
}

interface State extends Login {
  phase: Phase
  attempt: Attempt | null
  /** The server has not answered to the attempt yet. */
  pending: boolean
  /** Of the whole login, as ssh counts. */
  tries: {password: number; keyboard: number}
  firstOffered: string[]
  /** The server has said no to something. */
  refused: boolean
  /** It has taken something and wants more. */
  isPartly: boolean
  /** What the server itself said last. */
  heard: {methods: readonly string[]; partial: boolean} | null
  next: (step: AuthStep) => void
  error: JnodeError | null
  over: AbortController
  onWaiting: (waiting: boolean) => void
  tell: (text: string) => void
}

export function makeAuth(hop: Hop, deps: AuthDeps): AuthSession {
  const state = newState(hop, deps)
  return {
    handler(methodsLeft, partialSuccess, next) {
      state.next = next
      // ssh2 keeps back what the server said to an attempt with an agent, so what was heard by `attach` counts.
      const {methods, partial} = state.heard ?? {methods: methodsLeft ?? [], partial: partialSuccess ?? false}
      state.heard = null
      if (state.attempt === null) {
        // As ssh: ask for "none" to learn the methods; where nothing is needed, that is all.
        begin(state, {kind: 'none'})
        return next({type: 'none', username: hop.user})
      }
      state.report.offered = methods
      if (state.attempt.kind === 'none') state.firstOffered = [...methods]
      concludeAttempt(state, state.attempt, partial)
      void proceed(state, chooseStep(state))
    },
    attach: (client) => attach(state, client as AuthClient),
    onWaiting(listener) {
      state.onWaiting = listener
    },
    begun: () => state.attempt !== null,
    account: () => ({offered: state.firstOffered, by: [...state.report.tried.keys()].at(-1) ?? null}),
    failure: (reason) => state.error ?? whyEnded(state, reason),
    done: () => state.over.abort(),
  }
}

function newState(hop: Hop, {tools, prompter, secrets, signal, tell}: AuthDeps): State {
  const over = new AbortController()
  const withdrawn = signal ? AbortSignal.any([signal, over.signal]) : over.signal
  const state: State = {
    hop,
    tools,
    secrets,
    report: emptyReport(),
    accepted: 0,
    needsPerson: false,
    canAsk: prompter.canAsk && !hop.batchMode,
    async ask(question) {
      state.onWaiting(true)
      try {
        return await prompter.ask({...question, hop: hop.label}, withdrawn)
      } finally {
        state.onWaiting(false)
      }
    },
    phase: newPhase({all: null, left: [], offered: null}),
    attempt: null,
    pending: false,
    tries: {password: 0, keyboard: 0},
    firstOffered: [],
    refused: false,
    isPartly: false,
    heard: null,
    next: () => {},
    error: null,
    over,
    onWaiting: () => {},
    tell: tell ?? (() => {}),
  }
  return state
}

function newPhase(keys: KeyRing): Phase {
  return {keys, keyboardDead: false}
}

function begin(state: State, attempt: Attempt): void {
  state.attempt = attempt
  state.pending = true
}

/** How many secrets the server was sent in this attempt. */
function secretsIn(attempt: Attempt | null): number {
  if (attempt?.kind === 'password') return 1
  return attempt?.kind === 'keyboard' ? attempt.asked + Number(attempt.reused) : 0
}

function whyEnded(state: State, reason: string | undefined): JnodeError {
  if (reason === undefined || state.refused) return refusal(state, reason)
  return state.pending && secretsIn(state.attempt) > 0 ? hungUp(state, reason) : brokenOff(state.hop, reason)
}

/** Nobody has refused anything: it was the way there, and another try is no more than that. */
function brokenOff(hop: Hop, reason: string): JnodeError {
  return new JnodeError('connection-lost', `The connection to ${hop.label} ended while logging in: ${oneLine(reason)}`, {hint: 'Try again.'})
}

/** Takes a step; whatever goes wrong in finding it ends the login with that error. */
async function proceed(state: State, step: Promise<AuthStep>): Promise<void> {
  let found: AuthStep = false
  try {
    found = await step
  } catch (error) {
    const {label} = state.hop
    state.error ??= error instanceof JnodeError ? error : new JnodeError('login-failed', `Cannot log in to ${label}: ${messageOf(error)}`, {cause: error})
  }
  if (!state.over.signal.aborted) state.next(found)
}

function giveUp(state: State, error: unknown): void {
  void proceed(state, Promise.reject(error as Error))
}

/** The server has taken what it was sent: a password among it is good, also for the next login. */
function accept(state: State, attempt: Attempt): void {
  state.pending = false
  state.accepted += secretsIn(attempt)
  const password = attempt.kind === 'password' || attempt.kind === 'keyboard' ? attempt.password : null
  if (password !== null) state.secrets.passwords.set(state.hop.label, password)
}

function concludeAttempt(state: State, attempt: Attempt, partial: boolean): void {
  state.pending = false
  if (partial) {
    accept(state, attempt)
    state.isPartly = true
    const {all, offered} = state.phase.keys
    // sshd takes no key twice in one login; offering it again would only cost one of its tries.
    const others = all && (attempt.kind === 'key' ? all.filter((identity) => identity !== offered) : all)
    state.phase = newPhase({all: others, left: [...(others ?? [])], offered: null})
    return
  }
  state.refused ||= attempt.kind !== 'none'
  if (attempt.kind === 'keyboard' && secretsIn(attempt) === 0) state.phase.keyboardDead = true
}

/** Throws `login-failed` when nothing is left to try. */
async function chooseStep(state: State): Promise<AuthStep> {
  const {hop, report} = state
  for (const method of hop.preferredAuthentications.filter((name) => report.offered.includes(name))) {
    if (method === 'publickey' && hop.pubkeyAuthentication) {
      begin(state, {kind: 'key'})
      const step = await keyStep(state, state.phase.keys, {skip: () => void proceed(state, chooseStep(state)), giveUp: (error) => giveUp(state, error)})
      if (step) return step
    }
    if (method === 'keyboard-interactive' && hop.kbdInteractiveAuthentication && mayAsk(state, 'keyboard')) return keyboardStep(state)
    if (method === 'password' && hop.passwordAuthentication && mayAsk(state, 'password')) return passwordStep(state)
  }
  throw refusal(state)
}

/** As often as ssh, and no oftener where the server would let: each wrong answer counts towards a locked account. */
function mayAsk({hop, phase, report, secrets, tries, ...state}: State, kind: 'keyboard' | 'password'): boolean {
  if (kind === 'keyboard' && phase.keyboardDead) return false
  if (!state.canAsk && (!secrets.passwords.has(hop.label) || secrets.needPerson.has(hop.label))) {
    report.wanted.add(kind === 'keyboard' ? 'an answer' : 'a password')
    // What was taken so far was not all.
    if (state.isPartly) secrets.needPerson.add(hop.label)
    return false
  }
  return tries[kind] < hop.numberOfPasswordPrompts
}

async function passwordStep(state: State): Promise<AuthStep> {
  const password = await passwordOf(state, state.tries.password > 0)
  state.tries.password++
  begin(state, {kind: 'password', password})
  countTry(state.report, 'a password')
  return {type: 'password', username: state.hop.user, password}
}

function keyboardStep(state: State): AuthStep {
  const attempt = {kind: 'keyboard' as const, asked: 0, password: null, reused: false}
  begin(state, attempt)
  state.tries.keyboard++
  countTry(state.report, 'answers to its questions')
  const prompt = (name: string, instructions: string, _language: string, prompts: Round['prompts'], finish: (answers: string[]) => void) => {
    answersTo(state, {name, instructions, prompts}, attempt)
      .then((answers) => {
        if (!state.over.signal.aborted) finish(answers)
      })
      .catch((error: unknown) => giveUp(state, error))
  }
  return {type: 'keyboard-interactive', username: state.hop.user, prompt}
}

/** ssh2's Client, the parts that are needed; `_protocol` and `config` are private to it, test/unit/ssh/auth.test.ts notices a change. */
interface AuthClient {
  once(event: 'ready', listener: () => void): unknown
  on(event: 'change password', listener: (prompt: string, done: (newPassword: string) => void) => void): unknown
  config: {username?: string; password?: string}
  _protocol?: {_handlers?: Partial<MessageHandlers>}
}

interface MessageHandlers {
  USERAUTH_FAILURE(protocol: unknown, methods: string[], partial: boolean): void
  USERAUTH_INFO_REQUEST(protocol: unknown, name: string, instructions: string, prompts: unknown): void
}

function attach(state: State, client: AuthClient): void {
  const handlers = client._protocol?._handlers
  const {USERAUTH_FAILURE: onFailure, USERAUTH_INFO_REQUEST: onRound} = handlers ?? {}
  if (!handlers || !onFailure || !onRound) throw new JnodeError('unexpected', 'This version of ssh2 is built differently: its login messages cannot be followed')
  handlers.USERAUTH_FAILURE = (protocol, methods, partial) => {
    state.heard = {methods, partial}
    onFailure(protocol, methods, partial)
  }
  handlers.USERAUTH_INFO_REQUEST = (protocol, name, instructions, prompts) => {
    const text = headOf([name, instructions]).trimEnd()
    // ssh2 answers a round without prompts by itself and keeps its text back. It may be a push to a phone: a second factor.
    if (text && !(Array.isArray(prompts) && prompts.length > 0)) {
      state.secrets.needPerson.add(state.hop.label)
      state.needsPerson = true
      state.tell(text)
    }
    onRound(protocol, name, instructions, prompts)
  }
  client.once('ready', () => {
    accept(state, state.attempt ?? {kind: 'none'})
    // Where one password was all, or nothing was asked, the next login can do without anybody.
    if (!state.needsPerson) state.secrets.needPerson.delete(state.hop.label)
  })
  client.on('change password', (prompt, done) => {
    newPassword(state, prompt)
      .then((password) => {
        // ssh2 sends the old ones of its configuration beside the new one.
        client.config.username = state.hop.user
        client.config.password = state.attempt?.kind === 'password' ? state.attempt.password : ''
        begin(state, {kind: 'password', password})
        done(password)
      })
      .catch((error: unknown) => giveUp(state, error))
  })
}
