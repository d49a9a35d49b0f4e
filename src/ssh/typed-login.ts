/** What a person types to log in: the password, a new one, the answers of keyboard-interactive. */
import {JnodeError} from '../errors.ts'
import {printable, refusal, type Login} from './login.ts'

export interface Round {
  name: string
  instructions: string
  prompts: {prompt: string; echo?: boolean}[]
}

/** One keyboard-interactive try: what its answers were made of. */
export interface Answered {
  /** Questions the user answered. */
  asked: number
  /** The password was among the answers. */
  password: boolean
  /** It was one given earlier. */
  reused: boolean
}

/** Prompts for the account's password, so that it is not asked for twice; every other one is taken for a code. */
const PASSWORD_PROMPT = /^\s*(\([^)]*\) *)?(\S+'s |unix |ldap |kerberos )?password( for \S+)?\s*:?\s*$/i

/** Prompts of a change of password, the last line of what PAM says: the old one, the new one, and that again. */
const CHANGE_PROMPT = /^\s*(\([^)]*\) *)?((enter|re-?type|re-?enter|repeat|confirm) )?(current|old|new) (\S+ )?password( \(again\))?\s*:?\s*$/im

/** The password of this hop, asked for when it is not known; `again`: the last one was refused. */
export async function passwordOf(login: Login, again: boolean): Promise<string> {
  const {hop, secrets} = login
  const known = secrets.passwords.get(hop.label)
  if (known !== undefined) return known
  const sorry = again ? 'Permission denied, please try again.\n' : ''
  const password = await login.ask({text: `${sorry}${hop.user}@${hop.host}'s password: `, echo: false, kind: 'password'})
  secrets.passwords.set(hop.label, password)
  return password
}

/** A new password, typed twice, for one that has expired. */
export async function newPassword(login: Login, serverText: string): Promise<string> {
  const {hop} = login
  if (!login.canAsk) {
    throw new JnodeError('login-failed', `The password on ${hop.label} has expired, and there is no terminal to ask for a new one`, {
      hint: `Run \`${hop.sshCommand}\` in a terminal and change it.`,
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
  const isPassword = !echo && PASSWORD_PROMPT.test(prompt)
  const known = secrets.passwords.get(hop.label)
  if (isPassword && known !== undefined && !answered.reused && answered.asked === 0) {
    answered.reused = answered.password = true
    return known
  }
  if (!login.canAsk) {
    login.report.wanted.add(`an answer to "${prompt.trim()}"`)
    throw refusal(hop, login.report)
  }
  answered.asked++
  const given = await login.ask({text: `${head}(${hop.user}@${hop.host}) ${prompt}`, echo, kind: isPassword ? 'password' : 'code'})
  if (isPassword || (!echo && CHANGE_PROMPT.test(prompt))) {
    answered.password = true
    secrets.passwords.set(hop.label, given)
  } else secrets.needPerson.add(hop.label)
  return given
}

/** The lines above a prompt, each with its newline. */
export function headOf(texts: readonly string[]): string {
  return texts
    .map((text) => printable(text).trim())
    .filter(Boolean)
    .map((text) => `${text}\n`)
    .join('')
}
