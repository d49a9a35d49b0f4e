/** A real SSH server in this process with the login rules of a test, a real client for it, and a typist for the questions. */
import {readFileSync} from 'node:fs'
import type {AddressInfo} from 'node:net'
import ssh2, {type AuthContext, type ParsedKey} from 'ssh2'
import type {JnodeError} from '../../../src/errors.ts'
import {emptySecrets, makeAuth, type Secrets} from '../../../src/ssh/auth.ts'
import type {Hop} from '../../../src/ssh/host-config.ts'
import type {KeyTools} from '../../../src/ssh/identities.ts'
import type {Prompter, Question} from '../../../src/ssh/prompt.ts'
import {makeKeyPair} from '../../fake-cluster/keys.ts'

export const tools: KeyTools = {
  parseKey: ssh2.utils.parseKey,
  createAgent: ssh2.createAgent as unknown as KeyTools['createAgent'],
  BaseAgent: ssh2.BaseAgent as unknown as KeyTools['BaseAgent'],
}

export const hostKey = makeKeyPair()

interface Round {
  name?: string
  instructions?: string
  prompts: {prompt: string; echo?: boolean; answer: string}[]
}

/** One factor: any of the methods named in it is enough. */
export interface Factor {
  password?: string
  /** Answer the password with this request for a new one instead of accepting it. */
  expired?: string
  /** Private key files whose keys are taken. */
  keys?: string[]
  rounds?: Round[]
}

export interface Rules {
  /** All are needed, in this order. */
  factors: Factor[]
  /** Failures until the server closes. */
  maxTries?: number
  /** After each failure, offer this one method alone, in turn. */
  oneAtATime?: string[]
  /** Offer keyboard-interactive and fail it without a question, as sshd without PAM does. */
  refuseKeyboard?: boolean
  /** Called for each password, in place of an answer. */
  onSecret?: () => void
}

/** Everything that arrived at the server, in order, secrets included. */
export interface Outcome {
  error: JnodeError | null
  log: string[]
  told: string[]
}

const methodsOf = (factor: Factor) => [
  ...(factor.keys ? ['publickey'] : []),
  ...(factor.password === undefined ? [] : ['password']),
  ...(factor.rounds ? ['keyboard-interactive'] : []),
]

function answerLogin(rules: Rules, log: string[], end: () => void) {
  const left = [...rules.factors]
  let tries = 0
  const turn = rules.oneAtATime ? [...rules.oneAtATime] : null
  const fail = (ctx: AuthContext) => {
    if (ctx.method !== 'none' && ++tries >= (rules.maxTries ?? 6)) return end()
    ctx.reject((turn && turn.length > 0 ? [turn.shift()!] : methodsOf(left[0]!)) as never)
  }
  const pass = (ctx: AuthContext) => {
    left.shift()
    if (left.length === 0) return ctx.accept()
    ctx.reject(methodsOf(left[0]!) as never, true)
  }
  return (ctx: AuthContext) => {
    const factor = left[0]!
    if (ctx.method === 'password') {
      log.push(`password ${ctx.password}`)
      if (rules.onSecret) return rules.onSecret()
      if (ctx.password !== factor.password) return fail(ctx)
      if (factor.expired === undefined) return pass(ctx)
      return ctx.requestChange(factor.expired, (changed) => {
        log.push(`new password ${changed}`)
        pass(ctx)
      })
    }
    if (ctx.method === 'publickey') {
      const taken = (factor.keys ?? []).map((file) => ssh2.utils.parseKey(readFileSync(`${file}.pub`)) as ParsedKey).find((key) => key.getPublicSSH().equals(ctx.key.data))
      log.push(`${ctx.signature ? 'signed' : 'offered'} ${ctx.key.algo}${taken ? '' : ' (not taken)'}`)
      if (!taken) return fail(ctx)
      if (!ctx.signature) return ctx.accept()
      return taken.verify(ctx.blob!, ctx.signature, ctx.hashAlgo) ? pass(ctx) : fail(ctx)
    }
    if (ctx.method === 'keyboard-interactive' && factor.rounds) {
      log.push('keyboard-interactive')
      if (rules.refuseKeyboard) return fail(ctx)
      const ask = (i: number): void => {
        const round = factor.rounds![i]
        if (!round) return pass(ctx)
        const prompts = round.prompts.map(({prompt, echo}) => ({prompt, echo: echo ?? false}))
        ctx.prompt(prompts, round.name ?? '', round.instructions ?? '', (answers) => {
          log.push(...answers.map((answer) => `answer ${answer}`))
          if (round.prompts.every((prompt, j) => prompt.answer === answers[j])) ask(i + 1)
          else fail(ctx)
        })
      }
      return ask(0)
    }
    if (ctx.method !== 'none') log.push(ctx.method)
    fail(ctx)
  }
}

export interface LoginOptions {
  person?: Prompter
  hop?: Partial<Hop>
  secrets?: Secrets
  /** false: the host key is refused. */
  acceptHostKey?: boolean
  signal?: AbortSignal
}

/** Logs in once to a server with these rules. */
export async function logIn(rules: Rules, options: LoginOptions = {}): Promise<Outcome> {
  const log: string[] = []
  const told: string[] = []
  const server = new ssh2.Server({hostKeys: [hostKey.private]}, (connection) => {
    connection.on('authentication', answerLogin(rules, log, () => connection.end()))
    connection.on('error', () => {})
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const {port} = server.address() as AddressInfo
  const hop = hopTo({port, ...options.hop})
  const auth = makeAuth(hop, {
    tools,
    prompter: options.person ?? typist({}),
    secrets: options.secrets ?? emptySecrets(),
    signal: options.signal,
    tell: (text) => told.push(text),
  })
  const client = new ssh2.Client()
  options.signal?.addEventListener('abort', () => client.destroy(), {once: true})
  try {
    const error = await new Promise<JnodeError | null>((resolve) => {
      client.once('ready', () => resolve(null))
      client.on('error', (cause) => resolve(auth.failure(cause.message)))
      client.on('close', () => resolve(auth.failure('the connection was closed')))
      client.connect({
        host: '127.0.0.1',
        port,
        username: hop.user,
        readyTimeout: 0,
        hostVerifier: () => options.acceptHostKey ?? true,
        authHandler: auth.handler as never,
      })
      auth.attach(client)
    })
    return {error, log, told}
  } finally {
    auth.done()
    client.destroy()
    await new Promise((resolve) => server.close(resolve))
  }
}

export interface Typist extends Prompter {
  /** The last line of each question, in order. */
  seen: string[]
  questions: Question[]
}

/** Answers each kind of question from its own list; gives up where the list is empty. */
export function typist(answers: Partial<Record<Question['kind'], string[]>>): Typist {
  const left = new Map(Object.entries(answers).map(([kind, list]) => [kind, [...list]]))
  const questions: Question[] = []
  return {
    canAsk: true,
    questions,
    get seen() {
      return questions.map((question) => question.text.split('\n').at(-1)!)
    },
    ask(question) {
      questions.push(question)
      const answer = left.get(question.kind)?.shift()
      return answer === undefined ? Promise.reject(new Error(`nobody answers "${question.text}"`)) : Promise.resolve(answer)
    },
  }
}

export function hopTo(changes: Partial<Hop>): Hop {
  return {
    alias: 'head',
    host: '127.0.0.1',
    address: null,
    port: 22,
    user: 'user',
    label: 'user@127.0.0.1',
    sshCommand: 'ssh head',
    identityFiles: [],
    identitiesOnly: false,
    identityAgent: null,
    hostKeyAlias: null,
    userKnownHostsFiles: [],
    globalKnownHostsFiles: [],
    strictHostKeyChecking: 'ask',
    hashKnownHosts: false,
    preferredAuthentications: ['publickey', 'keyboard-interactive', 'password'],
    pubkeyAuthentication: true,
    passwordAuthentication: true,
    kbdInteractiveAuthentication: true,
    batchMode: false,
    numberOfPasswordPrompts: 3,
    connectTimeoutMs: 10_000,
    serverAliveIntervalMs: 0,
    serverAliveCountMax: 3,
    addressFamily: 0,
    bindAddress: null,
    proxyCommand: null,
    controlPath: null,
    beyondSsh2: null,
    gssapi: false,
    hostKeyAlgorithms: [],
    sshOnlyOption: null,
    requiredRsaBits: 1024,
    kexAlgorithms: [],
    ciphers: [],
    macs: [],
    ...changes,
  }
}
