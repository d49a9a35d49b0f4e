/** What a person types to log in: the password, a new one, the answers of keyboard-interactive. */
import {JnodeError} from '../errors.ts'
import {oneLine, printable} from '../printable.ts'
import {refusal, takePassword, type Login} from './login.ts'
import {isChangePrompt, isPasswordPrompt} from './password-prompt.ts'

export interface Round {
  name: string
  instructions: string
  prompts: {prompt: string; echo?: boolean}[]
}

/** One keyboard-interactive try: what its answers were made of. */
export interface Answered {
  /** Questions the user answered. */
  asked: number
  /** The account's password, where it was among the answers. */
  password: string | null
  /** It was one given earlier. */
  reused: boolean
}

/** The password of this hop, asked for when it is not known; `again`: the last one was refused. */
export async function passwordOf(login: Login, again: boolean): Promise<string> {
  const {hop, secrets} = login
  // Whatever was accepted before it in this login was another secret.
  login.needsPerson ||= login.accepted > 0
  const known = takePassword(secrets, hop.label)
  if (known !== undefined) return known
  const sorry = again ? 'Permission denied, please try again.\n' : ''
  const password = await login.ask({text: `${sorry}${hop.user}@${hop.host}'s password: `, echo: false, kind: 'password'})
  secrets.needPerson.add(hop.label)
  return password
}

/** A new password, typed twice, for one that has expired. */
export async function newPassword(login: Login, serverText: string): Promise<string> {
  const {hop} = login
  if (!login.canAsk) {
    throw new JnodeError('login-failed', `The password on ${hop.label} has expired, and there is no terminal to ask for a new one`, {
      hint: `Run \`${hop.sshCommand}\` in a terminal and change it.`,
      needs: 'person',
    })
  }
  let head = headOf([serverText])
  for (;;) {
    const password = await login.ask({text: `${head}Enter ${hop.user}@${hop.host}'s new password: `, echo: false, kind: 'password'})
    const repeated = await login.ask({text: `Retype ${hop.user}@${hop.host}'s new password: `, echo: false, kind: 'password'})
    if (password === repeated && password !== '') return password
    head = 'Mismatch; try again.\n'
  }
}

/** The answers to one round of questions. Throws `login-failed` where one would have to be asked and cannot. */
export async function answersTo(login: Login, round: Round, answered: Answered): Promise<string[]> {
  const answers: string[] = []
  let head = headOf([round.name, round.instructions])
  for (const {prompt, echo = false} of round.prompts) {
    answers.push(await answerTo(login, {head, prompt: printable(prompt), echo}, answered))
    head = ''
  }
  return answers
}

async function answerTo(login: Login, {head, prompt, echo}: {head: string; prompt: string; echo: boolean}, answered: Answered): Promise<string> {
  const {hop, secrets} = login
  const looksLikePassword = !echo && isPasswordPrompt(prompt)
  const isFirst = answered.asked === 0 && !answered.reused
  const known = looksLikePassword && isFirst && (login.accepted === 0 || mayRepeat(login)) ? takePassword(secrets, hop.label) : undefined
  if (known !== undefined) {
    answered.reused = true
    answered.password = known
    login.needsPerson ||= login.accepted > 0
    return known
  }
  if (!login.canAsk) {
    secrets.needPerson.add(hop.label)
    login.report.wanted.add(`an answer to "${short(prompt)}"`)
    throw refusal(login)
  }
  const given = await login.ask({text: `${head}${ofServer(prompt, `${hop.user}@${hop.host}`)}`, echo, kind: looksLikePassword ? 'password' : 'code'})
  answered.asked++
  secrets.needPerson.add(hop.label)
  // A second secret may be good once only, whatever its prompt says.
  if ((looksLikePassword && isFirst && login.accepted === 0) || (!echo && isChangePrompt(prompt))) answered.password = given
  else login.needsPerson = true
  return given
}

/** The account's password may be wanted by two methods of one login; that the person is there makes a wrong guess harmless, once. */
function mayRepeat({canAsk, needsPerson}: Login): boolean {
  return canAsk && !needsPerson
}

const LONGEST_PROMPT = 200

/** A server's own prompt. Whose it is stands at the end, beside the cursor, where no text of the server can push it out of sight or come after it. */
export function ofServer(prompt: string, host: string): string {
  return `${short(prompt)} (${host}) `
}

/** Blanks of any width would push away what comes after them. */
function short(prompt: string): string {
  return oneLine(prompt.replaceAll(/\s+/gu, ' ').trim(), LONGEST_PROMPT)
}

/** Of what a host says before it asks. */
export const LONGEST_TEXT = 8000

/** The lines above a prompt, each with its newline. */
export function headOf(texts: readonly string[]): string {
  return texts
    .map((text) => printable(text.slice(0, LONGEST_TEXT)).trim())
    .filter(Boolean)
    .map((text) => `${text}\n`)
    .join('')
}
