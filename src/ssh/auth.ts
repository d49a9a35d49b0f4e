/**
 * Logging in to one hop: which method next, with what, asked of whom. Driven by ssh2's authHandler, which is first
 * called when the key exchange is over, that is after the host key was accepted: nothing here runs for a refused host.
 */
import {JnodeError, messageOf} from '../errors.ts'
import type {Hop} from './host-config.ts'
import {listIdentities, signWith, type Identities, type Identity, type KeyTools} from './identities.ts'
import type {ParsedKey} from './key-file.ts'
import type {Prompter, Question} from './prompt.ts'

/** What the user has given in this process, so that no secret is asked for twice. Never written anywhere. */
export interface Secrets {
  /** Per hop label. */
  passwords: Map<string, string>
  /** Unlocked keys per file; null: the user declined, do not ask again. */
  keys: Map<string, ParsedKey | null>
  /** Labels of hops where something other than a password was asked: nothing is answered there without the user. */
  secondFactor: Set<string>
}

export function emptySecrets(): Secrets {
  return {passwords: new Map(), keys: new Map(), secondFactor: new Set()}
}

export interface AuthDeps {
  tools: KeyTools
  prompter: Prompter
  secrets: Secrets
  signal?: AbortSignal
  /** Text the server wants the user to see while logging in (a push was sent to your phone). */
  tell?: (text: string) => void
}

/** What ssh2 is told to do next; false: give up. */
export type AuthStep = {type: string; username: string; [more: string]: unknown} | false
type Next = (step: AuthStep) => void
type Answers = (answers: string[]) => void

/** ssh2's Client, the parts that are needed; `_protocol` and `config` are private to it. */
export interface AuthClient {
  on(event: 'change password', listener: (prompt: string, done: (newPassword: string) => void) => void): unknown
  config: {username?: string; password?: string}
  _protocol?: {_handlers: {USERAUTH_FAILURE: (protocol: unknown, methods: string[], partial: boolean) => void; USERAUTH_INFO_REQUEST: (protocol: unknown, name: string, instructions: string, prompts: unknown) => void}}
}

export interface AuthSession {
  /** ssh2's `authHandler`. */
  handler(methodsLeft: readonly string[] | null, partialSuccess: boolean | null, next: Next): void
  /** To be called once, right after `client.connect()`. */
  attach(client: object): void
  /** true while a person is being asked, false when the answer is there. */
  onWaiting(listener: (waiting: boolean) => void): void
  /** Whether the server has been asked for a login: then the end of the connection is `failure`, not an unreachable host. */
  begun(): boolean
  /** Why it did not work; `reason` in words when it was the connection that ended. */
  failure(reason?: string): JnodeError
  /** The login is over, well or not: a question still open is withdrawn. */
  done(): void
}

type Attempt =
  | {kind: 'none'}
  | {kind: 'key'; identity: Identity}
  | {kind: 'password'}
  /** `asked`: questions the user answered; `password`: the password was among the answers; `reused`: it came from an earlier one. */
  | {kind: 'keyboard'; asked: number; password: boolean; reused: boolean}

/** What one round up to a partial success has used up. */
interface Phase {
  keys: Identity[] | null
  passwordTries: number
  keyboardTries: number
  keyboardDead: boolean
}

/** Answers that are the account's password, so that it is not asked for twice; every other prompt is taken for a code. */
const PASSWORD_PROMPT = /^\s*(\([^)]*\) *)?(\S+'s |unix |ldap |kerberos )?password( for \S+)?\s*:?\s*$/i
const MAX_PASSPHRASE_TRIES = 3

export function makeAuth(hop: Hop, deps: AuthDeps): AuthSession {
  const {tools, prompter, secrets} = deps
  const canAsk = prompter.canAsk && !hop.batchMode
  const over = new AbortController()
  const signal = deps.signal ? AbortSignal.any([deps.signal, over.signal]) : over.signal
  const newPhase = (): Phase => ({keys: null, passwordTries: 0, keyboardTries: 0, keyboardDead: false})
  let phase = newPhase()
  let attempt: Attempt | null = null
  let offered: readonly string[] = []
  let answer: {methods: readonly string[]; partial: boolean} | null = null
  let next: Next = () => {}
  let client: AuthClient | null = null
  let identities: Identities | null = null
  let final: JnodeError | null = null
  let onWaiting: (waiting: boolean) => void = () => {}
  const tried = new Map<string, number>()
  const wanted = new Set<string>()

  async function ask(question: Omit<Question, 'hop'>): Promise<string> {
    onWaiting(true)
    try {
      return await prompter.ask({...question, hop: hop.label}, signal)
    } finally {
      onWaiting(false)
    }
  }

  /** Takes a step, and whatever goes wrong in finding it ends the login with that error. */
  function proceed(step: Promise<AuthStep>): void {
    step.then(
      (found) => {
        if (!over.signal.aborted) next(found)
      },
      (error: unknown) => {
        final ??= error instanceof JnodeError ? error : new JnodeError('login-failed', `Cannot log in to ${hop.label}: ${messageOf(error)}`, {cause: error})
        if (!over.signal.aborted) next(false)
      },
    )
  }

  function judgeLast(partial: boolean): void {
    // A server without PAM offers the method and fails it at once, without a question.
    if (attempt?.kind === 'keyboard' && !partial && attempt.asked === 0 && !attempt.reused) phase.keyboardDead = true
    const sentPassword = attempt?.kind === 'password' || (attempt?.kind === 'keyboard' && attempt.password)
    if (sentPassword && !partial) secrets.passwords.delete(hop.label)
    if (partial) phase = newPhase()
    attempt = null
  }

  async function chooseStep(): Promise<AuthStep> {
    return (await nextMethod()) || Promise.reject(refusal())
  }

  async function nextMethod(): Promise<AuthStep> {
    for (const method of hop.preferredAuthentications) {
      if (!offered.includes(method)) continue
      if (method === 'publickey' && hop.pubkeyAuthentication) {
        const step = await keyStep()
        if (step) return step
      }
      if (method === 'keyboard-interactive' && hop.kbdInteractiveAuthentication && mayAsk('keyboard')) return keyboardStep()
      if (method === 'password' && hop.passwordAuthentication && mayAsk('password')) return passwordStep()
    }
    return false
  }

  /** The last method left is asked for as often as the server lets; before that, ssh's number of prompts. */
  function mayAsk(kind: 'keyboard' | 'password'): boolean {
    const tries = kind === 'keyboard' ? phase.keyboardTries : phase.passwordTries
    if (kind === 'keyboard' && phase.keyboardDead) return false
    if (!canAsk && (!secrets.passwords.has(hop.label) || secrets.secondFactor.has(hop.label))) {
      wanted.add(kind === 'keyboard' ? 'an answer' : 'a password')
      return false
    }
    const another = kind === 'keyboard' && hop.passwordAuthentication && offered.includes('password')
    return tries < hop.numberOfPasswordPrompts || !(another || prompter.unattended)
  }

  async function keyStep(): Promise<AuthStep> {
    identities ??= await listIdentities(hop, tools)
    phase.keys ??= [...identities.list]
    for (let identity = phase.keys.shift(); identity; identity = phase.keys.shift()) {
      // Formats that hide the public half must be unlocked to be offered at all.
      const publicKey = identity.publicKey ?? (await unlock(identity))
      if (!publicKey) continue
      attempt = {kind: 'key', identity}
      count(identity.label)
      return {type: 'agent', username: hop.user, agent: agentOfOne(identity, publicKey)}
    }
    return false
  }

  /**
   * An agent with one key in it. So a passphrase is asked for only after the server has said that it takes this key:
   * ssh2 signs with an agent asynchronously, with a key file it does not.
   */
  function agentOfOne(identity: Identity, publicKey: ParsedKey): object {
    return Object.assign(new tools.BaseAgent(), {
      getIdentities: (done: (error: null, keys: ParsedKey[]) => void) => done(null, [publicKey]),
      sign: (_key: unknown, data: Buffer, {hash}: {hash?: string}, done: (error: null, signature: Buffer) => void) => {
        sign(identity, {data, hash}).then(
          (signature) => {
            if (over.signal.aborted) return
            if (signature) done(null, signature)
            // ssh2 would make an unsigned key an error of the whole client, so its callback is left and the next step taken.
            else proceed(chooseStep())
          },
          (error: unknown) => proceed(Promise.reject(error as Error)),
        )
      },
    })
  }

  async function sign(identity: Identity, request: {data: Buffer; hash?: string}): Promise<Buffer | null> {
    const privateKey = identity.agent ? null : await unlock(identity)
    if (!identity.agent && !privateKey) return null
    try {
      return await signWith(identity, privateKey, request)
    } catch (error) {
      identities?.notes.push(`${identity.label} did not sign (${messageOf(error)})`)
      return null
    }
  }

  async function unlock({file}: Identity): Promise<ParsedKey | null> {
    if (!file?.unlock) return null
    const known = secrets.keys.get(file.path)
    if (known !== undefined) return known
    const key = file.encrypted ? await askPassphrase(file.path, file.unlock) : file.unlock()
    const usable = key instanceof Error ? null : key
    if (canAsk || usable) secrets.keys.set(file.path, usable)
    return usable
  }

  async function askPassphrase(path: string, open: (passphrase: string) => ParsedKey | Error): Promise<ParsedKey | null> {
    if (!canAsk) {
      wanted.add(`the passphrase of ${path}`)
      return null
    }
    let again = ''
    for (let tries = 0; tries < MAX_PASSPHRASE_TRIES; tries++) {
      const passphrase = await ask({text: `${again}Enter passphrase for key '${path}': `, echo: false, kind: 'passphrase'})
      if (passphrase === '') break
      const key = open(passphrase)
      if (!(key instanceof Error)) return key
      again = 'Bad passphrase, try again. '
    }
    identities?.notes.push(`${path} was not unlocked`)
    return null
  }

  async function passwordStep(): Promise<AuthStep> {
    const known = secrets.passwords.get(hop.label)
    const again = phase.passwordTries > 0 ? 'Permission denied, please try again.\n' : ''
    const password = known ?? (await ask({text: `${again}${hop.user}@${hop.host}'s password: `, echo: false, kind: 'password'}))
    secrets.passwords.set(hop.label, password)
    attempt = {kind: 'password'}
    phase.passwordTries++
    count('a password')
    return {type: 'password', username: hop.user, password}
  }

  function keyboardStep(): AuthStep {
    const current: Attempt = {kind: 'keyboard', asked: 0, password: false, reused: false}
    attempt = current
    phase.keyboardTries++
    count('the questions it asks')
    const prompt = (name: string, instructions: string, _language: string, prompts: {prompt: string; echo?: boolean}[], finish: Answers) => {
      answerAll({name, instructions, prompts}, current).then(
        (answers) => {
          if (!over.signal.aborted) finish(answers)
        },
        (error: unknown) => proceed(Promise.reject(error as Error)),
      )
    }
    return {type: 'keyboard-interactive', username: hop.user, prompt}
  }

  async function answerAll(round: {name: string; instructions: string; prompts: {prompt: string; echo?: boolean}[]}, current: Extract<Attempt, {kind: 'keyboard'}>): Promise<string[]> {
    const answers: string[] = []
    let head = [round.name, round.instructions].map((line) => printable(line).trim()).filter(Boolean).map((line) => `${line}\n`).join('')
    for (const {prompt, echo = false} of round.prompts) {
      answers.push(await answerOne({head, prompt: printable(prompt), echo}, current))
      head = ''
    }
    return answers
  }

  async function answerOne({head, prompt, echo}: {head: string; prompt: string; echo: boolean}, current: Extract<Attempt, {kind: 'keyboard'}>): Promise<string> {
    const isPassword = !echo && PASSWORD_PROMPT.test(prompt)
    const known = secrets.passwords.get(hop.label)
    if (isPassword && known !== undefined && !current.reused && current.asked === 0) {
      current.reused = current.password = true
      return known
    }
    if (!canAsk) {
      wanted.add(`an answer to "${prompt.trim()}"`)
      throw refusal()
    }
    current.asked++
    const given = await ask({text: `${head}(${hop.user}@${hop.host}) ${prompt}`, echo, kind: isPassword ? 'password' : 'code'})
    if (isPassword) {
      current.password = true
      secrets.passwords.set(hop.label, given)
    } else secrets.secondFactor.add(hop.label)
    return given
  }

  async function changePassword(prompt: string): Promise<string> {
    if (!canAsk) {
      throw new JnodeError('login-failed', `The password on ${hop.label} has expired, and there is no terminal to ask for a new one`, {
        hint: `Run \`${hop.sshCommand}\` in a terminal and change it.`,
      })
    }
    let head = printable(prompt).trim()
    for (;;) {
      const password = await ask({text: `${head ? `${head}\n` : ''}Enter ${hop.user}@${hop.host}'s new password: `, echo: false, kind: 'password'})
      const repeated = await ask({text: `Retype ${hop.user}@${hop.host}'s new password: `, echo: false, kind: 'password'})
      if (password === repeated && password !== '') return password
      head = 'Mismatch; try again, EOF to quit.'
    }
  }

  function count(what: string): void {
    tried.set(what, (tried.get(what) ?? 0) + 1)
  }

  function refusal(reason?: string): JnodeError {
    const takes = offered.length > 0 ? offered.join(', ') : 'nothing that it names'
    const what = [...tried].map(([name, times]) => (times > 1 ? `${name} (${times} times)` : name))
    const parts = [`${hop.label} did not let ${hop.user} in`, reason ? `: ${reason}` : '', `; it takes ${takes}`]
    parts.push(what.length > 0 ? `; tried ${what.join(', ')}` : '; there was nothing to try')
    const notes = identities?.notes ?? []
    if (notes.length > 0) parts.push(`; ${notes.join('; ')}`)
    if (wanted.size > 0) parts.push(`; it wants ${[...wanted].join(' or ')}, and there is no terminal to ask on`)
    return new JnodeError('login-failed', parts.join(''), {hint: hintFor()})
  }

  function hintFor(): string {
    if (wanted.size > 0) return 'Run it in a terminal, load the key into an agent (ssh-add), or set SSH_ASKPASS.'
    if (offered.length > 0 && !offered.some((method) => ['publickey', 'password', 'keyboard-interactive'].includes(method))) {
      return `This login needs ${offered.join(' or ')}, which jnode does not speak; ask the admins of ${hop.host} for a key or password login.`
    }
    if (!offered.includes('password') && !offered.includes('keyboard-interactive')) {
      return `Only keys are taken: check which one ${hop.host} knows, and that it is in your agent or named by IdentityFile.`
    }
    return `See whether \`${hop.sshCommand}\` lets you in.`
  }

  return {
    handler(methodsLeft, partialSuccess, proceedWith) {
      next = proceedWith
      // What was heard from the server itself counts: ssh2 keeps it back after an attempt with an agent.
      const heard = answer ?? {methods: methodsLeft ?? [], partial: partialSuccess ?? false}
      answer = null
      if (methodsLeft === null && attempt === null) {
        // As ssh: ask for "none" to learn the methods; where nothing is needed, that is all.
        attempt = {kind: 'none'}
        return proceed(Promise.resolve({type: 'none', username: hop.user}))
      }
      offered = heard.methods
      judgeLast(heard.partial)
      proceed(chooseStep())
    },
    attach(ssh2Client) {
      client = ssh2Client as AuthClient
      const handlers = client._protocol?._handlers
      if (!handlers) throw new JnodeError('unexpected', 'This version of ssh2 is built differently: its login messages cannot be followed')
      const {USERAUTH_FAILURE, USERAUTH_INFO_REQUEST} = handlers
      // ssh2 does not pass the methods and the partial success on when the attempt was an agent's.
      handlers.USERAUTH_FAILURE = (protocol, methods, partial) => {
        answer = {methods, partial}
        USERAUTH_FAILURE(protocol, methods, partial)
      }
      // ssh2 answers a round without prompts by itself and keeps its text ("a push was sent to your phone") back.
      handlers.USERAUTH_INFO_REQUEST = (protocol, name, instructions, prompts) => {
        const text = [name, instructions].map((line) => printable(line).trim()).filter(Boolean).join('\n')
        if (!(Array.isArray(prompts) && prompts.length > 0) && text) {
          secrets.secondFactor.add(hop.label)
          deps.tell?.(text)
        }
        USERAUTH_INFO_REQUEST(protocol, name, instructions, prompts)
      }
      client.on('change password', (prompt, done) => {
        changePassword(prompt).then(
          (password) => {
            // ssh2 sends these beside the new one.
            client!.config.username = hop.user
            client!.config.password = secrets.passwords.get(hop.label) ?? ''
            secrets.passwords.set(hop.label, password)
            done(password)
          },
          (error: unknown) => proceed(Promise.reject(error as Error)),
        )
      })
    },
    onWaiting(listener) {
      onWaiting = listener
    },
    begun: () => attempt !== null || offered.length > 0,
    failure: (reason) => final ?? refusal(reason),
    done: () => over.abort(),
  }
}

/** A server's words, without what could move the cursor or colour the terminal. */
function printable(text: string | undefined): string {
  return (text ?? '').replaceAll('\r\n', '\n').replaceAll(/[^\P{Cc}\n\t]/gu, '')
}
