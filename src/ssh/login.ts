/** What the parts of one login to one hop share: whom to ask, what is known already, and the account of it for an error. */
import {JnodeError, type LoginNeeds} from '../errors.ts'
import {oneLine} from '../printable.ts'
import {BeyondSsh2} from './beyond-ssh2.ts'
import type {Hop} from './host-config.ts'
import type {KeyTools} from './identities.ts'
import type {ParsedKey} from './key-file.ts'
import type {Question} from './prompt.ts'

/** What the user has given in this process, so that no secret is asked for twice. Never written anywhere. */
export interface Secrets {
  /**
   * The account's password, per hop label. It is taken out to be sent and comes back when it was accepted, so one whose fate is
   * not known is never sent again.
   */
  passwords: Map<string, string>
  /** Unlocked keys per file; null: the user declined, do not ask again. */
  keys: Map<string, ParsedKey | null>
  /** Labels of hops where something other than a password was asked, a secret was not accepted, or another process was told it: no login there without the user. */
  needPerson: Set<string>
  /** Labels of hops for which the ssh program was told something that it may not need again, such as a passphrase. */
  typed: Set<string>
}

export function emptySecrets(): Secrets {
  return {passwords: new Map(), keys: new Map(), needPerson: new Set(), typed: new Set()}
}

/** The one to send now, if there is one. What becomes of this login is not known yet, and until then there is none. */
export function takePassword({passwords, needPerson}: Secrets, label: string): string | undefined {
  const password = passwords.get(label)
  if (password === undefined) return undefined
  passwords.delete(label)
  needPerson.add(label)
  return password
}

/** What would help where a login has failed, as far as this process can know. */
export function needsOf({passwords, needPerson, typed}: Secrets, label: string): LoginNeeds {
  return needPerson.has(label) || typed.has(label) || passwords.has(label) ? 'person' : 'patience'
}

export interface Login {
  hop: Hop
  tools: KeyTools
  secrets: Secrets
  report: LoginReport
  /** Secrets that the server has accepted so far in this login. */
  accepted: number
  /** More is asked for than one password: a login of this kind needs the user each time. */
  needsPerson: boolean
  canAsk: boolean
  ask(question: Omit<Question, 'hop'>): Promise<string>
}

/** What ssh2 is told to do next; false: give up. */
export type AuthStep = {type: string; username: string; [more: string]: unknown} | false

export interface LoginReport {
  /** The methods the server offers at this point. */
  offered: readonly string[]
  /** What was tried, and how often. */
  tried: Map<string, number>
  /** What could not be asked for. */
  wanted: Set<string>
  /** Why keys that the user may count on were not tried. */
  notes: string[]
}

export function emptyReport(): LoginReport {
  return {offered: [], tried: new Map(), wanted: new Set(), notes: []}
}

export function countTry({tried}: LoginReport, what: string): void {
  tried.set(what, (tried.get(what) ?? 0) + 1)
}

/** The login that did not work, in one sentence; `reason` where it was the connection that ended. */
export function refusal({hop, report, secrets}: Pick<Login, 'hop' | 'report' | 'secrets'>, reason?: string): JnodeError {
  const tried = [...report.tried].map(([what, times]) => (times > 1 ? `${what} (${times} times)` : what))
  const parts = [
    `${hop.label} refused the login${reason ? ` (${oneLine(reason)})` : ''}`,
    `it takes ${oneLine(report.offered.join(', ')) || 'nothing that it names'}`,
    tried.length > 0 ? `tried ${tried.join(', ')}` : 'there was nothing to try',
    ...report.notes,
    ...(report.wanted.size > 0 ? [`it wants ${[...report.wanted].join(' or ')}, and there is no terminal to ask on`] : []),
  ]
  const [message, hint] = [parts.join('; '), hintFor(hop, report)]
  const needs = [...report.wanted].some((what) => what.includes('passphrase')) ? 'person' : needsOf(secrets, hop.label)
  if (hop.gssapi && report.offered.includes('gssapi-with-mic')) return new BeyondSsh2('the host takes Kerberos', message, {hint, needs})
  return new JnodeError('login-failed', message, {hint, needs})
}

/** The server hung up in place of an answer, which is how some refuse a password (MaxAuthTries 1). */
export function hungUp({hop}: Pick<Login, 'hop'>, reason: string): JnodeError {
  return new JnodeError('login-failed', `${hop.label} ended the connection after a password or code was sent (${reason}); it is not sent again`, {
    hint: `It was probably wrong. See whether \`${hop.sshCommand}\` lets you in.`,
    needs: 'person',
  })
}

function hintFor(hop: Hop, {offered, wanted}: LoginReport): string {
  if (wanted.size > 0) return 'Run it in a terminal, load the key into an agent (ssh-add), or set SSH_ASKPASS.'
  if (offered.length > 0 && !offered.some((method) => ['publickey', 'password', 'keyboard-interactive'].includes(method))) {
    return `This login needs ${oneLine(offered.join(' or '))}, which ssh2 does not speak: try --transport openssh, or ask the admins of ${hop.host} for a key or password login.`
  }
  if (offered.length === 1 && offered[0] === 'publickey') {
    return `Only keys are taken: check which one ${hop.host} knows, and that it is in your agent or named by IdentityFile.`
  }
  return `See whether \`${hop.sshCommand}\` lets you in.`
}
