/** The Debian packages a lab is made of. */
import {rm, writeFile} from 'node:fs/promises'
import {existsSync} from 'node:fs'
import {run, tryRun} from './run.ts'

const PACKAGES = [
  'gridengine-master', 'gridengine-exec', 'gridengine-client',
  'openssh-server', 'openssh-client', 'iproute2', 'nftables', 'util-linux', 'procps', 'rsync',
  'jupyter-server', 'jupyter-notebook', 'python3-ipykernel', 'jupyter-client', 'jupyter-console',
  'chromium', 'firefox-esr', 'csh', 'tcsh', 'fish', 'zsh',
  'libpam-google-authenticator', 'python3-venv',
]

/** What `test/sites/logins.test.ts` needs beside them. */
export const FOR_LOGINS = ['krb5-kdc', 'krb5-admin-server', 'krb5-user', 'softhsm2', 'putty-tools', 'openssh-tests']

const POLICY = '/usr/sbin/policy-rc.d'

/** What keeps this machine from being a lab, as one sentence; undefined if nothing does. */
export function obstacle(): string | undefined {
  if (process.platform === 'linux' && process.getuid?.() === 0 && existsSync('/usr/bin/dpkg-query')) return undefined
  return 'The test cluster is made of kernel namespaces and Debian packages, so it needs root on Debian or Ubuntu; run it in such a machine or leave it to CI.'
}

/** Installs what is missing of a lab's packages, or of others; answers with the names of what it installed. */
export async function ensurePackages(wanted: readonly string[] = PACKAGES): Promise<string[]> {
  const {stdout} = await tryRun(['dpkg-query', '-W', '-f', '${db:Status-Status} ${Package}\\n', ...wanted])
  const installed = new Set(stdout.split('\n').filter((line) => line.startsWith('installed ')).map((line) => line.split(' ')[1]))
  const missing = wanted.filter((name) => !installed.has(name))
  if (missing.length === 0) return []
  // Debian starts the daemons it installs; the lab wants them in its own hosts only, not on the machine.
  const quiet = !existsSync(POLICY)
  if (quiet) await writeFile(POLICY, '#!/bin/sh\nexit 101\n', {mode: 0o755})
  try {
    const env = {...process.env, DEBIAN_FRONTEND: 'noninteractive'}
    await run(['apt-get', 'update', '-q'], {env})
    await run(['apt-get', 'install', '-q', '-y', '--no-install-recommends', ...missing], {env})
  } finally {
    if (quiet) await rm(POLICY)
  }
  return missing
}
