/** The system's ssh, told how to reach a session's compute node through this very program. */
import {spawn} from 'node:child_process'
import {once} from 'node:events'
import {openSync} from 'node:fs'
import {rm, writeFile} from 'node:fs/promises'
import {createServer} from 'node:net'
import {constants} from 'node:os'
import {join} from 'node:path'
import {ReadStream} from 'node:tty'
import type {ClusterTarget} from './config/cluster.ts'
import {JnodeError} from './errors.ts'
import type {NodeShell} from './flows/node-shell.ts'
import {fileNameOf} from './session/file-name.ts'
import {findProgram} from './program.ts'
import type {SessionStore} from './session/local-store.ts'
import {resolveHops} from './ssh/host-config.ts'
import {sshArguments, type NodeConfig} from './ssh/node-config.ts'
import {privateDirectory} from './ssh/private-directory.ts'
import type {StandIn} from './ssh/remote.ts'
import {targetText} from './target.ts'
import {join as forward} from './tunnel/forward.ts'

export interface NodeSshOptions {
  env: NodeJS.ProcessEnv
  stateDir: string
  store: SessionStore
  /** Whether the cluster has a section in config.toml. */
  configured: boolean
}

/** Writes the node's keys to where ssh finds them: a file that goes with the session's own. */
export async function nodeConfigOf({session, node, user, hostKeys}: NodeShell, cluster: ClusterTarget, {env, stateDir, store, configured}: NodeSshOptions): Promise<NodeConfig> {
  const hops = await resolveHops(cluster.hops, {env})
  return {
    alias: session,
    node,
    user,
    pinnedFile: hostKeys.length === 0 ? null : await store.keepHostKeys(cluster.name, session, hostKeys.map((key) => `${node} ${key}\n`).join('')),
    nodesFile: join(stateDir, 'known_nodes', fileNameOf(cluster.name)),
    // The keys of the head node serve on its nodes too.
    identityFiles: hops.at(-1)?.identityFiles ?? [],
    proxy: [process.execPath, process.argv[1]!, 'ssh', session, ...flagsTo(cluster, configured), '--stdio', '--quiet'],
  }
}

function flagsTo({kind, name, hops, transport}: ClusterTarget, configured: boolean): string[] {
  const by = transport === null ? [] : ['--transport', transport]
  if (configured) return ['--cluster', name, ...by]
  if (kind === 'local') return ['--host', 'local']
  return ['--host', name, ...hops.slice(0, -1).flatMap((hop) => ['--jump', targetText(hop)]), ...by]
}

/** Carries its stdin and stdout to and from a socket: what stands between ssh and this process. */
const CARRY = "const s=require('net').connect(process.argv[1]);process.stdin.pipe(s).pipe(process.stdout)"

/**
 * The same node, by a stand-in for it that only this process can reach: there ssh logs in with nothing. Not on Windows,
 * where others could open the pipe.
 */
export async function behind(standIn: StandIn, config: NodeConfig): Promise<{config: NodeConfig; close(): Promise<void>}> {
  const directory = await privateDirectory()
  const [path, pinnedFile] = [join(directory, 's'), join(directory, 'known')]
  const server = createServer((socket) => {
    standIn.open().then((stream) => forward(socket, stream), () => socket.destroy())
  })
  server.listen(path)
  await Promise.all([once(server, 'listening'), writeFile(pinnedFile, `${config.node} ${standIn.hostKey}\n`, {mode: 0o600})])
  return {
    config: {...config, pinnedFile, identityFiles: [], proxy: [process.execPath, '-e', CARRY, path]},
    async close() {
      server.close()
      await rm(directory, {recursive: true, force: true})
    },
  }
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
