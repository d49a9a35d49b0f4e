/**
 * HTTP between processes of one user, over a private socket. On Windows, where anybody can take a pipe's name and connect to a pipe,
 * both ends first prove that they can read the user's secret, each by an answer to the other's challenge; on Unix the
 * socket's directory is the proof.
 */
import {createHmac, randomBytes, timingSafeEqual} from 'node:crypto'
import {Agent, request, type IncomingMessage, type RequestListener} from 'node:http'
import type {Socket} from 'node:net'
import {textOf} from './private-socket.ts'
import {userSecret} from './user-secret.ts'

/** What both ends prove to know; null where they need not. */
export type PipeSecret = Buffer | null

export function pipeSecret(stateDir: string, platform = process.platform): PipeSecret {
  return platform === 'win32' ? userSecret(stateDir) : null
}

const HELLO = '/hello'
const CHALLENGE = 'x-jnode-challenge'
const PROOF = 'x-jnode-proof'
/** Says why a tunnel is to be closed. A header, which older keepers pass over, and not a part of the path, which they would not know. */
export const WHY_HEADER = 'x-jnode-why'

/** Of this very socket, direction and question, so that it serves nowhere else and no second time. */
function proofOf(secret: Buffer, ...words: string[]): string {
  return createHmac('sha256', secret).update(JSON.stringify(words)).digest('hex')
}

function isProof(given: unknown, expected: string): boolean {
  return typeof given === 'string' && given.length === expected.length && timingSafeEqual(Buffer.from(given), Buffer.from(expected))
}

/** What a client's proof is of. */
const question = (path: string, challenge: string, {method = '', url = '', why = ''}) => ['client', path, challenge, method, url, why] as const

/** Answers only those who have proved themselves on the same connection. */
export function guarded(path: string, secret: PipeSecret, answer: RequestListener): RequestListener {
  if (secret === null) return answer
  const challenges = new WeakMap<Socket, string>()
  return (req, res) => {
    const theirs = req.headers[CHALLENGE]
    if (req.url === HELLO && typeof theirs === 'string') {
      const challenge = randomBytes(32).toString('hex')
      challenges.set(req.socket, challenge)
      return void res.writeHead(200, {[CHALLENGE]: challenge, [PROOF]: proofOf(secret, 'server', path, theirs, challenge)}).end()
    }
    const challenge = challenges.get(req.socket)
    challenges.delete(req.socket)
    const {method, url} = req
    const expected = challenge && proofOf(secret, ...question(path, challenge, {method, url, why: String(req.headers[WHY_HEADER] ?? '')}))
    if (!expected || !isProof(req.headers[PROOF], expected)) return void res.writeHead(401).end()
    answer(req, res)
  }
}

export interface AskOptions {
  secret: PipeSecret
  timeoutMs: number
  why?: string | undefined
  signal?: AbortSignal
}

/** Asks who listens there; rejects with ETIMEDOUT when nothing comes for `timeoutMs`, and when it is not a process of this user's. */
export async function askPrivately<T>(path: string, method: 'GET' | 'POST', url: string, {secret, why, ...limits}: AskOptions): Promise<T> {
  // A proof holds for one connection.
  const agent = new Agent({keepAlive: true, maxSockets: 1})
  const send = (how: {method: string; path: string; headers: Record<string, string>}) => sendOver(path, agent, {...how, ...limits})
  try {
    const headers: Record<string, string> = why === undefined ? {} : {[WHY_HEADER]: why}
    if (secret !== null) {
      const mine = randomBytes(32).toString('hex')
      const hello = await send({method: 'GET', path: HELLO, headers: {[CHALLENGE]: mine}})
      const theirs = String(hello.headers[CHALLENGE])
      if (!isProof(hello.headers[PROOF], proofOf(secret, 'server', path, mine, theirs))) throw new Error('another program answers there')
      await textOf(hello)
      headers[PROOF] = proofOf(secret, ...question(path, theirs, {method, url, ...(why !== undefined && {why})}))
    }
    const answer = await send({method, path: url, headers})
    const text = await textOf(answer)
    if (answer.statusCode !== 200) throw new Error(text)
    return JSON.parse(text) as T
  } finally {
    agent.destroy()
  }
}

interface SendOptions {
  method: string
  path: string
  headers: Record<string, string>
  timeoutMs: number
  signal?: AbortSignal
}

function sendOver(socketPath: string, agent: Agent, {timeoutMs, ...more}: SendOptions): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const req = request({socketPath, agent, timeout: timeoutMs, ...more}, resolve)
    req.on('timeout', () => req.destroy(Object.assign(new Error('no answer'), {code: 'ETIMEDOUT'})))
    req.on('error', reject)
    req.end()
  })
}
