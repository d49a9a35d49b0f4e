/** A user's computer: a home with keys and configuration from which `jnode` reaches the fake cluster. */
import {chmodSync, existsSync, mkdirSync, writeFileSync} from 'node:fs'
import {delimiter, join} from 'node:path'
import {command, quote} from '../../src/shell.ts'
import {writeProgram} from './places.ts'

export interface Laptop {
  home: string
  /**
   * The whole environment for a spawned jnode (nothing of this process's own but PATH). It finds the cluster
   * as `--cluster fake` (the default cluster), `--host head`, or `--host USER@HOST:PORT --jump USER@HOST:PORT`.
   */
  env: Record<string, string>
  configFile: string
}

export interface LaptopOptions {
  directory: string
  user: string
  gatewayPort: number
  headPort: number
  privateKey: string
  knownHosts: string
  /** Answers what jnode asks without a terminal. */
  password: string
}

/**
 * ssh takes ~/.ssh/config from the user database's home, not from $HOME; so PATH begins with an `ssh` that names
 * the right file.
 */
export function makeLaptop(options: LaptopOptions): Laptop {
  const {directory, user, gatewayPort, headPort} = options
  const home = join(directory, 'home')
  const bin = join(directory, 'bin')
  const ssh = join(home, '.ssh')
  const config = join(home, '.config')
  for (const path of [bin, ssh, join(config, 'jnode')]) mkdirSync(path, {recursive: true, mode: 0o700})
  writeFileSync(join(ssh, 'id_ed25519'), options.privateKey, {mode: 0o600})
  writeFileSync(join(ssh, 'known_hosts'), options.knownHosts, {mode: 0o600})
  writeFileSync(join(ssh, 'config'), sshConfig(ssh, {user, gatewayPort, headPort}), {mode: 0o600})
  const configFile = join(config, 'jnode', 'config.toml')
  writeFileSync(
    configFile,
    `default_cluster = "fake"\n\n[clusters.fake]\nhost = "${user}@head.local"\njump = ["${user}@127.0.0.1:${gatewayPort}"]\nknown_hosts = ${JSON.stringify(join(ssh, 'known_hosts'))}\n`,
    {mode: 0o600},
  )
  // Without any ssh, jnode does without its configuration: then the password opens the way.
  if (isOnPath('ssh')) writeProgram(join(bin, 'ssh'), `PATH=\${PATH#${quote(`${bin}${delimiter}`)}}\nexec ssh -F ${quote(join(ssh, 'config'))} "$@"\n`)
  writeProgram(join(bin, 'askpass'), `${command(['printf', '%s\\n', options.password])}\n`)
  chmodSync(home, 0o700)
  return {
    home,
    configFile,
    env: {
      HOME: home,
      PATH: `${bin}${delimiter}${process.env['PATH'] ?? ''}`,
      XDG_CONFIG_HOME: config,
      XDG_STATE_HOME: join(home, '.local', 'state'),
      XDG_CACHE_HOME: join(home, '.cache'),
      XDG_DATA_HOME: join(home, '.local', 'share'),
      SSH_ASKPASS: join(bin, 'askpass'),
      SSH_ASKPASS_REQUIRE: 'force',
      LANG: 'C.UTF-8',
    },
  }
}

function isOnPath(program: string): boolean {
  return (process.env['PATH'] ?? '').split(delimiter).some((path) => existsSync(join(path, program)))
}

function sshConfig(ssh: string, {user, gatewayPort, headPort}: {user: string; gatewayPort: number; headPort: number}): string {
  return `Host gateway
  HostName 127.0.0.1
  Port ${gatewayPort}

Host head
  HostName head.local
  ProxyJump gateway

Host direct
  HostName 127.0.0.1
  Port ${headPort}

Host *
  User ${user}
  IdentityFile ${ssh}/id_ed25519
  IdentitiesOnly yes
  IdentityAgent none
  UserKnownHostsFile ${ssh}/known_hosts
  GlobalKnownHostsFile none
  StrictHostKeyChecking yes
`
}
