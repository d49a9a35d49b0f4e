/** What the system's ssh can do for a login and ssh2 cannot. */
import {access, readFile, stat} from 'node:fs/promises'
import {JnodeError, type ErrorDetails} from '../errors.ts'
import type {HostTrust} from './host-trust.ts'
import {named, yes, type Settings} from './ssh-settings.ts'

/** The login needs the system's ssh; `why` in words. */
export class BeyondSsh2 extends JnodeError {
  readonly why: string
  constructor(why: string, message: string, details: ErrorDetails = {}) {
    super('login-failed', message, details)
    this.why = why
  }
}

/** The words of both: a login that goes to the ssh program, and one that nobody can make. */
export function optionOfSsh(option: string): string {
  return `ssh’s configuration sets ${option}`
}

/** The refusal where only the ssh program could judge the host's key, and it may not or cannot log in. */
export function onlySshCanJudge({label}: {label: string}, option: string): JnodeError {
  return new JnodeError('host-key', `The host key of ${label} cannot be checked: ${optionOfSsh(option)}, which only the ssh program can apply`, {
    hint: `Let the ssh program log in: install OpenSSH and leave out --transport ssh2. On Windows that is not possible: take ${option} out of ~/.ssh/config for this host if you can do without it.`,
  })
}

/** Why this hop is better logged in to with the system's ssh, in words; null where ssh2 will do. */
export async function beyondSsh2(settings: Settings, {identityFiles, sshOnlyOption}: {identityFiles: readonly string[]} & Pick<HostTrust, 'sshOnlyOption'>): Promise<string | null> {
  const path = named(settings, 'controlpath')
  if (path !== null && (await stat(path).catch(() => null))?.isSocket()) return 'ssh has a connection open'
  if (sshOnlyOption !== null) return optionOfSsh(sshOnlyOption)
  if (yes(settings, 'gssapikeyexchange', false)) return 'ssh may know the host by Kerberos (GSSAPIKeyExchange)'
  if (settings.has('certificatefile')) return 'ssh’s configuration names a user certificate'
  if (named(settings, 'pkcs11provider') !== null) return 'the key is in a PKCS#11 token'
  if (yes(settings, 'proxyusefdpass', false)) return 'ProxyCommand hands its connection over (ProxyUseFdpass)'
  for (const file of identityFiles) {
    if (await access(`${file}-cert.pub`).then(() => true, () => false)) return `there is a user certificate (${file}-cert.pub)`
    if ((await readFile(`${file}.pub`, 'utf8').catch(() => '')).startsWith('sk-')) return `the key is in a security key (${file})`
  }
  return null
}
