/** Questions to the person, and the program that asks them where there is no terminal. */
import {spawn} from 'node:child_process'
import {abortReason, JnodeError, messageOf} from '../errors.ts'
import {printable} from '../printable.ts'
import {findProgram} from '../program.ts'

export interface Question {
  /** As ssh words it; may have several lines, the last one is the prompt. */
  text: string
  /** false: what is typed stays hidden. */
  echo: boolean
  /** `user@host` of the hop that wants to know. */
  hop: string
  kind: 'password' | 'passphrase' | 'code' | 'confirm'
}

export interface Prompter {
  /** false: there is nobody to ask; `ask` must not be called. */
  readonly canAsk: boolean
  /** A program answers, perhaps the same for ever: a refused answer is not asked for without end. */
  readonly unattended?: boolean
  /** Rejects with `interrupted` when the person gives up or the signal is aborted. */
  ask(question: Question, signal?: AbortSignal): Promise<string>
}

export const noPrompter: Prompter = {
  canAsk: false,
  ask: () => Promise.reject(new JnodeError('login-failed', 'There is no terminal to ask on')),
}

/**
 * The one to ask, as ssh chooses between the terminal (null: there is none) and SSH_ASKPASS: `SSH_ASKPASS_REQUIRE`
 * force, prefer or never; otherwise the program only without a terminal and with a display.
 */
export function choosePrompter(terminal: Prompter | null, env: NodeJS.ProcessEnv): Prompter {
  const program = askpassPrompter(env)
  const required = env['SSH_ASKPASS_REQUIRE']?.toLowerCase()
  if (required === 'never') return terminal ?? noPrompter
  if (required === 'force') return program
  const usable = program.canAsk && Boolean(env['DISPLAY'] || env['WAYLAND_DISPLAY'])
  if (usable && (required === 'prefer' || terminal === null)) return program
  return terminal ?? noPrompter
}

/** Asks through the program in SSH_ASKPASS: the question is its argument, the answer the first line it prints. */
export function askpassPrompter(env: NodeJS.ProcessEnv): Prompter {
  const program = env['SSH_ASKPASS']
  if (!program) return noPrompter
  return {canAsk: true, unattended: true, ask: (question, signal) => runAskpass(program, question, {env, signal})}
}

function runAskpass(program: string, {text, hop}: Question, {env, signal}: {env: NodeJS.ProcessEnv; signal?: AbortSignal}): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(findProgram(program, {env}), [printable(text)], {env, signal, stdio: ['ignore', 'pipe', 'inherit'], windowsHide: true})
    const chunks: Buffer[] = []
    child.stdout.on('data', (chunk: Buffer) => chunks.push(chunk))
    child.on('error', (error) => {
      if (signal?.aborted) return reject(abortReason(signal))
      reject(new JnodeError('login-failed', `Cannot run SSH_ASKPASS (${program}): ${messageOf(error)}`, {hint: 'Set SSH_ASKPASS to a program that prints the answer, or run jnode in a terminal.'}))
    })
    child.on('close', (exitCode) => {
      if (exitCode === 0) return resolve(Buffer.concat(chunks).toString('utf8').split(/\r?\n/, 1)[0]!)
      // Another exit status is its cancel button.
      reject(new JnodeError('login-failed', `The question for ${hop} was cancelled in ${program}`))
    })
  })
}
