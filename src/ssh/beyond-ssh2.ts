/** What the system's ssh can do for a login and ssh2 cannot. */
import {access, readFile, stat} from 'node:fs/promises'
import {JnodeError, type ErrorDetails} from '../errors.ts'
import {named, yes, type Settings} from './ssh-settings.ts'

/** The login needs the system's ssh; `why` in words. */
export class BeyondSsh2 extends JnodeError {
  readonly why: string
  constructor(why: string, message: string, details: ErrorDetails = {}) {
    super('login-failed', message, details)
    this.why = why
  }
}

/** Why this hop is better logged in to with the system's ssh, in words; null where ssh2 will do. */
export async function beyondSsh2(settings: Settings, identityFiles: readonly string[]): Promise<string | null> {
  const path = named(settings, 'controlpath')
  if (path !== null && (await stat(path).catch(() => null))?.isSocket()) return 'ssh has a connection open'
  if (settings.has('certificatefile')) return 'ssh’s configuration names a user certificate'
  if (named(settings, 'pkcs11provider') !== null) return 'the key is in a PKCS#11 token'
  if (yes(settings, 'proxyusefdpass', false)) return 'ProxyCommand hands its connection over (ProxyUseFdpass)'
  for (const file of identityFiles) {
    if (await access(`${file}-cert.pub`).then(() => true, () => false)) return `there is a user certificate (${file}-cert.pub)`
    if ((await readFile(`${file}.pub`, 'utf8').catch(() => '')).startsWith('sk-')) return `the key is in a security key (${file})`
  }
  return null
}
