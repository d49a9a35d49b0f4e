/** What lies on each fake host: its programs, the user's start-up files, and what tells a node who it is. */
import {existsSync, mkdirSync, writeFileSync} from 'node:fs'
import {join} from 'node:path'
import {fileURLToPath} from 'node:url'
import {quote} from '../../src/shell.ts'
import {HOPS, type ActiveFaults, type HopName} from './faults.ts'
import type {Keys} from './keys.ts'
import {writeHostPrograms, writeProgram, type Places} from './places.ts'

const STAND_IN = fileURLToPath(new URL('stand-in-jupyter.js', import.meta.url))

export function shortName(host: string): string {
  return host.split('.')[0]!
}

/** Writes each host's programs; answers with how to get a node's PATH (asked anew for each job, as faults change it). */
export function installPrograms(places: Places, {user, jupyter, faults}: {user: string; jupyter: 'stand-in' | 'machine'; faults: ActiveFaults}): (host: string) => string {
  for (const hop of HOPS) writeHostPrograms(places.bin.host(hop), {host: `${hop}.local`, user})
  for (const app of ['server', 'lab', 'notebook']) {
    writeProgram(join(places.bin.jupyter, `jupyter-${app}`), `exec ${quote(process.execPath)} ${quote(STAND_IN)} ${app} "$@"\n`)
  }
  writeProgram(join(places.bin.jupyter, 'jupyter'), 'app=$1\nshift\nexec "jupyter-$app" "$@"\n')
  // A login shell's start-up files reset PATH on many systems; the user's own come last and put it right.
  for (const name of ['.profile', '.bash_profile', '.zprofile']) writeFileSync(join(places.home, name), 'PATH=$FAKE_LOGIN_PATH; export PATH\n')
  writeFileSync(join(places.home, '.login'), 'setenv PATH "$FAKE_LOGIN_PATH"\n')
  mkdirSync(join(places.home, '.config', 'fish'), {recursive: true})
  writeFileSync(join(places.home, '.config', 'fish', 'config.fish'), 'set -gx PATH (string split : $FAKE_LOGIN_PATH)\n')
  const jupyterDirectory = jupyter === 'machine' ? machineJupyter()?.directory : places.bin.jupyter
  return (host) => {
    const own = places.bin.host(shortName(host) as HopName)
    if (faults['no-jupyter'] || jupyterDirectory === undefined) return [own, ...places.systemWithout()].join(':')
    return [own, jupyterDirectory, ...places.system].join(':')
  }
}

const JUPYTER_PROGRAMS = ['jupyter-lab', 'jupyter-notebook', 'jupyter-server']

/** This machine's own Jupyter, the first on PATH. */
export function machineJupyter(): {directory: string; program: string} | undefined {
  const places = (process.env['PATH'] ?? '').split(':').flatMap((directory) => JUPYTER_PROGRAMS.map((name) => ({directory, program: join(directory, name)})))
  return places.find(({program}) => existsSync(program))
}

/** The files by which a job learns who its node is are the node's own: its name, and its SSH host key. */
export function nodeFiles({root}: Places, {host}: Keys): (node: string, script: string) => string {
  const directory = (node: string) => join(root, 'etc', shortName(node))
  for (const node of ['node1', 'node2'] as const) {
    mkdirSync(directory(node), {recursive: true})
    writeFileSync(join(directory(node), 'hostname'), `${node}.local\n`)
    writeFileSync(join(directory(node), 'ssh_host_ed25519_key.pub'), `${host[node].public} root@${node}\n`)
  }
  // This machine's own sshd, where there is one, is none of the nodes'.
  const own = (script: string) => script.replaceAll('ssh-keyscan -T 2 -t ed25519,ecdsa,rsa 127.0.0.1', 'true')
  return (node, script) => own(script).replaceAll('/etc/ssh/ssh_host_', `${directory(node)}/ssh_host_`).replaceAll('/proc/sys/kernel/hostname', `${directory(node)}/hostname`)
}

interface LoginSurroundings {
  places: Places
  user: string
  nodePath(host: string): string
  faults: ActiveFaults
}

/** What sshd gives a command: little. */
export function loginEnv(hop: HopName, {places, user, nodePath, faults}: LoginSurroundings): Record<string, string> {
  const isNode = hop === 'node1' || hop === 'node2'
  const noQsub = faults['no-qsub'] || faults['qsub-only-after-settings']
  const hidden = noQsub || faults['qsub-only-after-login']
  const system = hidden ? places.systemWithout() : places.system
  const bare = isNode ? nodePath(hop) : [places.bin.host(hop), ...system].join(':')
  const full = hop === 'head' ? `${places.bin.sge}:${bare}` : bare
  return {
    HOME: places.home,
    USER: user,
    LOGNAME: user,
    PATH: hidden ? bare : full,
    FAKE_LOGIN_PATH: noQsub ? bare : full,
    SSH_CONNECTION: '127.0.0.1 50000 127.0.0.1 22',
  }
}
