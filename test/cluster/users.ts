/** The lab's people: their accounts (never in the machine's own files), homes and SSH keys. */
import {copyFile, mkdir, readdir, readFile, writeFile} from 'node:fs/promises'
import {join} from 'node:path'
import {labPaths} from './paths.ts'
import {run} from './run.ts'
import {HOST_NAMES, HOSTS, hostsFile, LAPTOPS} from './topology.ts'

interface User {
  name: string
  /** The same on every host; also the gid of a group of the same name. */
  uid: number
  shell: string
}

/** alice owns the sessions; bob must get nothing of hers; the others have other login shells. */
export const USERS: readonly User[] = [
  {name: 'alice', uid: 4001, shell: '/bin/bash'},
  {name: 'bob', uid: 4002, shell: '/bin/bash'},
  {name: 'carol', uid: 4003, shell: '/usr/bin/tcsh'},
  {name: 'dave', uid: 4004, shell: '/usr/bin/fish'},
  {name: 'erin', uid: 4005, shell: '/usr/bin/zsh'},
  {name: 'frank', uid: 4006, shell: '/bin/bsd-csh'},
]

/** Everybody's password; no sshd of the lab asks for it unless a test's own settings say so. */
export const PASSWORD = 'correct horse'

const ROOT: User & {home: string} = {name: 'root', uid: 0, shell: '/bin/bash', home: '/root'}

/** An account of the lab by its name; root too. */
export function account(name: string): User & {home: string} {
  if (name === 'root') return ROOT
  const user = USERS.find((candidate) => candidate.name === name)
  if (!user) throw new Error(`the lab has no user ${name}, only ${USERS.map((each) => each.name).join(', ')}`)
  return {...user, home: `/home/${name}`}
}

/** Writes the files that are bound over those of /etc on every host. */
export async function writeEtc(lab: string): Promise<void> {
  const {etc} = labPaths(lab)
  await mkdir(etc)
  const hash = await hashOf(PASSWORD)
  const lines = {
    passwd: USERS.map(({name, uid, shell}) => `${name}:x:${uid}:${uid}:${name}:/home/${name}:${shell}`),
    group: USERS.map(({name, uid}) => `${name}:x:${uid}:`),
    shadow: USERS.map(({name}) => `${name}:${hash}:19000:0:99999:7:::`),
  }
  const people = await machineUsers()
  for (const [file, ours] of Object.entries(lines)) {
    const kept = (await readFile(`/etc/${file}`, 'utf8')).split('\n').filter((line) => line && !people.has(line.split(':')[0] ?? ''))
    await writeFile(join(etc, file), [...kept, ...ours, ''].join('\n'), {mode: file === 'shadow' ? 0o600 : 0o644})
  }
  await writeFile(join(etc, 'hosts'), hostsFile())
  await writeFile(join(etc, 'nsswitch.conf'), ['passwd', 'group', 'shadow', 'hosts', 'services', 'protocols'].map((db) => `${db}: files\n`).join(''))
}

/** Gives everybody's account another password on all hosts, until it is called with `PASSWORD` again. */
export async function changePassword(lab: string, password: string): Promise<void> {
  const file = join(labPaths(lab).etc, 'shadow')
  const hash = await hashOf(password)
  const people = new RegExp(`^(${USERS.map(({name}) => name).join('|')}):[^:]*:`, 'gm')
  // The file itself is bound over those of the hosts, so it is written over and not replaced.
  await writeFile(file, (await readFile(file, 'utf8')).replaceAll(people, (_, name) => `${name}:${hash}:`))
}

function hashOf(password: string): Promise<string> {
  return run(['perl', '-e', 'print crypt($ARGV[0], q($6$jnode$))', password])
}

/** Names of the machine's own people (uid from 1000), who do not exist in the lab. */
async function machineUsers(): Promise<Set<string>> {
  const passwd = (await readFile('/etc/passwd', 'utf8')).split('\n').map((line) => line.split(':'))
  return new Set(passwd.filter(([, , uid]) => Number(uid) >= 1000 && Number(uid) < 60_000).map(([name = '']) => name))
}

/** Makes every home: the shared one of the cluster, and those of gateway and laptops with keys and SSH configuration. */
export async function makeHomes(lab: string, knownHosts: string): Promise<void> {
  const paths = labPaths(lab)
  const skeleton = await readdir('/etc/skel')
  const homeDirectories = new Set(HOST_NAMES.map((host) => paths.home(host, HOSTS[host].inCluster)))
  for (const user of USERS) {
    for (const directory of homeDirectories) {
      const home = join(directory, user.name)
      await mkdir(join(home, '.ssh'), {recursive: true, mode: 0o700})
      for (const file of skeleton) await copyFile(join('/etc/skel', file), join(home, file))
    }
    const publicKeys = await Promise.all(LAPTOPS.map((laptop) => laptopKey(join(paths.home(laptop, false), user.name), `${user.name}@${laptop}`)))
    for (const laptop of LAPTOPS) await laptopConfig(join(paths.home(laptop, false), user.name), knownHosts)
    for (const server of ['gateway', 'head'] as const) {
      const home = join(paths.home(server, HOSTS[server].inCluster), user.name)
      await writeFile(join(home, '.ssh', 'authorized_keys'), publicKeys.join(''), {mode: 0o600})
    }
    const owned = [...homeDirectories].map((directory) => join(directory, user.name))
    await run(['chmod', '700', ...owned])
    await run(['chown', '-R', `${user.uid}:${user.uid}`, ...owned])
  }
}

/** Makes the user's key pair on a laptop; answers with the public half. */
async function laptopKey(home: string, comment: string): Promise<string> {
  const key = join(home, '.ssh', 'id_ed25519')
  await run(['ssh-keygen', '-q', '-t', 'ed25519', '-N', '', '-C', comment, '-f', key])
  return readFile(`${key}.pub`, 'utf8')
}

async function laptopConfig(home: string, knownHosts: string): Promise<void> {
  await writeFile(join(home, '.ssh', 'known_hosts'), knownHosts, {mode: 0o600})
  await writeFile(join(home, '.ssh', 'config'), 'Host gateway\n\nHost head\n  ProxyJump gateway\n', {mode: 0o600})
}
