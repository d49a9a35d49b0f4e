/** The system's ssh, told how to reach a session's compute node through this very program. */
import {spawn} from 'node:child_process'
import {openSync} from 'node:fs'
import {writeFile} from 'node:fs/promises'
import {constants} from 'node:os'
import {join} from 'node:path'
import {ReadStream} from 'node:tty'
import {carrier} from './carry.ts'
import type {ClusterTarget} from './config/cluster.ts'
import {JnodeError} from './errors.ts'
import type {NodeShell} from './flows/node-shell.ts'
import {checkHostName} from './rules.ts'
import {fileNameOf} from './session/file-name.ts'
import {findProgram} from './program.ts'
import type {SessionStore} from './session/local-store.ts'
import {resolveHops} from './ssh/host-config.ts'
import {revokedLines} from './ssh/known-hosts.ts'
import {sshArguments, type NodeConfig} from './ssh/node-config.ts'
import type {StandIn} from './ssh/remote.ts'
import {targetText} from './target.ts'

export interface NodeSshOptions {
  env: NodeJS.ProcessEnv
  stateDir: string
  store: SessionStore
  /** Whether the cluster has a section in config.toml. */
  configured: boolean
}

/** Writes the node's keys to where ssh finds them: a file that goes with the session's own. */
export async function nodeConfigOf({session, node, user, hostKeys}: NodeShell, cluster: ClusterTarget, {env, stateDir, store, configured}: NodeSshOptions): Promise<NodeConfig> {
  // Where Grid Engine is on this computer there is no head node whose settings would serve.
  const [head] = (await resolveHops(cluster.hops.length > 0 ? cluster.hops : [{user: null, host: checkHostName(node), port: null}], {env})).slice(-1)
  const knownHostsFiles = [...(cluster.knownHosts === null ? [] : [cluster.knownHosts]), ...head!.userKnownHostsFiles]
  const revoked = revokedLines({...head!, userKnownHostsFiles: knownHostsFiles})
  return {
    alias: session,
    node,
    user,
    pinnedFile: hostKeys.length === 0 ? null : await store.keepHostKeys(cluster.name, session, revoked + hostKeys.map((key) => `${node} ${key}\n`).join('')),
    nodesFile: join(stateDir, 'known_nodes', fileNameOf(cluster.name)),
    // The keys of the head node serve on its nodes too.
    identityFiles: head!.identityFiles,
    knownHostsFiles,
    proxy: [process.execPath, process.argv[1]!, 'ssh', session, ...flagsTo(cluster, configured), '--stdio', '--quiet'],
  }
}

function flagsTo({kind, name, hops, transport}: ClusterTarget, configured: boolean): string[] {
  const by = transport === null ? [] : ['--transport', transport]
  if (configured) return ['--cluster', name, ...by]
  if (kind === 'local') return ['--host', 'local']
  return ['--host', name, ...hops.slice(0, -1).flatMap((hop) => ['--jump', targetText(hop)]), ...by]
}

/** The same node, by a stand-in for it that only this process can reach: there ssh logs in with nothing. */
export async function behind(standIn: StandIn, config: NodeConfig): Promise<{config: NodeConfig; close(): Promise<void>}> {
  const {directory, proxy, close} = await carrier(() => standIn.open())
  const pinnedFile = join(directory, 'known')
  await writeFile(pinnedFile, `${config.node} ${standIn.hostKey}\n`, {mode: 0o600})
  return {config: {...config, pinnedFile, identityFiles: [], proxy}, close}
}

/** Runs ssh in this terminal; the exit status is that of the command, 255 where ssh itself has failed. Without words, a shell. */
export function runSsh(config: NodeConfig, words: readonly string[], {env, quiet}: {env: NodeJS.ProcessEnv; quiet: boolean}): Promise<number> {
  const terminal = process.stdin.isTTY && process.stdout.isTTY && !quiet
  const args = [...(words.length > 0 ? [terminal ? '-t' : '-T'] : []), ...sshArguments(config), ...words]
  return new Promise((resolve, reject) => {
    // Under --json stdout is for the document.
    const child = spawn(findProgram('ssh', {env}), args, {env, stdio: ['inherit', quiet ? 2 : 'inherit', 'inherit']})
    child.once('error', (cause) => reject(new JnodeError('config', `The ssh program does not start: ${cause.message}`, {hint: 'Install OpenSSH.', cause})))
    child.once('close', (exitCode, signal) => resolve(exitCode ?? 128 + (signal ? constants.signals[signal] : 0)))
  })
}

/** The terminal of a process whose stdin is something else, as ssh's ProxyCommand; null where there is none. */
export function controllingTerminal(): ReadStream | null {
  try {
    return new ReadStream(openSync('/dev/tty', 'r'))
  } catch {
    return null
  }
}
