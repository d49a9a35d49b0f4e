/** How this computer gets to clusters by itself: through ssh2, the system's ssh, or not at all where Grid Engine is here. */
import {hostname} from 'node:os'
import {join} from 'node:path'
import {carrier} from './carry.ts'
import type {ClusterTarget} from './config/cluster.ts'
import type {OwnLink} from './daemon/shared-link.ts'
import {JnodeError} from './errors.ts'
import type {ConnectOptions, NodeAddress} from './flows/deps.ts'
import type {Tell} from './flows/events.ts'
import {fileNameOf} from './session/file-name.ts'
import {BeyondSsh2} from './ssh/beyond-ssh2.ts'
import type {Door, Node} from './ssh/door.ts'
import {localRemote} from './ssh/local.ts'
import {WrongNodeKey} from './ssh/known-hosts.ts'
import {emptySecrets} from './ssh/login.ts'
import {noPrompter, type Prompter} from './ssh/prompt.ts'
import type {opensshDoor} from './ssh/openssh.ts'
import type {Remote, Witness} from './ssh/remote.ts'
import {programCanLogIn} from './ssh/ssh-settings.ts'
import {command} from './shell.ts'

type ProgramDoor = ReturnType<typeof opensshDoor>

export interface LogInOptions {
  env: NodeJS.ProcessEnv
  tell: Tell
  prompter: Prompter
  stateDir: string
}

/** Makes logins of this process; `nodeBehind` through a head node that another process is logged in to. ssh2 takes 100 ms to load, so it is loaded where a connection is made. */
export function logInWith({env, tell, prompter, stateDir}: LogInOptions) {
  // Of all connections of this process: nothing is asked twice, and a reconnect need not ask for what was only a password.
  const secrets = emptySecrets()
  const machines = new Map<string, string>()
  const nodesFileOf = ({name}: ClusterTarget) => join(stateDir, 'known_nodes', fileNameOf(name))
  const doorOptions = (cluster: ClusterTarget, quiet: boolean, witness: Witness | undefined) => ({
    env, prompter: quiet ? noPrompter : prompter, secrets, machines, witness, tell: (text: string) => tell({kind: 'note', text}), knownHosts: cluster.knownHosts, nodesFile: nodesFileOf(cluster),
  })
  const sshTo = async (cluster: ClusterTarget, {quiet, witness}: {quiet: boolean; witness: Witness | undefined}) => {
    const {sshDoor} = await import('./ssh/door.ts')
    return sshDoor({...doorOptions(cluster, quiet, witness), nodePassword: cluster.nodePassword ?? 'ask', mayGiveWay: async () => isAuto(cluster) && (await programCanLogIn(env))})
  }
  const programTo = async (cluster: ClusterTarget, {quiet, witness}: {quiet: boolean; witness: Witness | undefined}) => {
    const {opensshDoor} = await import('./ssh/openssh.ts')
    return opensshDoor({...doorOptions(cluster, quiet, witness), witness})
  }
  /** The login to a node by ssh2; where only the ssh program can check its key, by that, over the connection that there is. */
  const orByProgram = async (cluster: ClusterTarget, attempt: Promise<Remote>, {head, node, quiet, signal}: {head: Remote | null; node: Node; quiet: boolean; signal: AbortSignal | undefined}) => {
    try {
      return await attempt
    } catch (error) {
      if (!(error instanceof BeyondSsh2) || !isAuto(cluster)) throw error
      tell({kind: 'trace', text: `using the system’s ssh for ${node.name}: ${error.why}`})
      return nodeByProgram({door: await programTo(cluster, {quiet: quiet || error.needs === 'person', witness: undefined}), targets: cluster.hops, head, env}, node, signal)
    }
  }
  const nodeBehind = async (cluster: ClusterTarget, head: Remote, node: NodeAddress, {signal, quiet}: {signal: AbortSignal | undefined; quiet: boolean}) => {
    const asksHere = (label: string) => node.names.some((name) => label.endsWith(`@${name}`))
    if (quiet && ![...secrets.passwords.keys(), ...secrets.needPerson].some(asksHere)) return null
    return firstThatWorks(node, async (name) => {
      const place = {name, hostKeys: node.hostKeys, granted: node.granted}
      return orByProgram(cluster, (await sshTo(cluster, {quiet, witness: undefined})).nodeBehind(head, cluster.hops, place, signal), {head, node: place, quiet, signal})
    })
  }
  /** A password, too: whoever borrows the connection does not know it. */
  const asked = () => [...secrets.needPerson, ...secrets.passwords.keys(), ...secrets.typed]
  const logIn = async (cluster: ClusterTarget, {signal, silent = false, witness}: ConnectOptions): Promise<OwnLink> => {
    const transport = cluster.transport ?? 'auto'
    const ssh = (quiet: boolean) => sshTo(cluster, {quiet, witness})
    const canAsk = !silent && prompter.canAsk
    if (cluster.kind === 'local') return localLink(canAsk, async (node, nodeSignal, quiet = silent) => orByProgram(cluster, (await ssh(quiet)).nodeFromHere(node, nodeSignal), {head: null, node, quiet, signal: nodeSignal}))
    const withProgram = async (silent: boolean) => {
      const door = (quiet: boolean) => programTo(cluster, {quiet, witness})
      const {head, hop, machine} = await (await door(silent)).open(cluster.hops, signal, cluster.headAddress)
      tell({kind: 'trace', text: `logged in to ${head.label} with the system’s ssh`})
      return {
        head,
        canAsk,
        machine,
        asked: asked(),
        toNode: async (node: NodeAddress, nodeSignal = signal, quiet = silent) => firstThatWorks(node, async (name) => (await door(quiet)).nodeThrough(head, hop, {name, hostKeys: node.hostKeys, granted: node.granted}, nodeSignal)),
        close: () => head.close(),
      }
    }
    if (transport === 'openssh') return withProgram(silent)
    let head: Awaited<ReturnType<Door['open']>>
    try {
      head = await (await ssh(silent)).open(cluster.hops, signal, cluster.headAddress)
    } catch (error) {
      // After a login that was refused, too: what the program would say is worse where there is none.
      if (transport !== 'auto' || !(error instanceof BeyondSsh2) || !(await programCanLogIn(env))) throw error
      tell({kind: 'trace', text: `using the system’s ssh: ${error.why}`})
      // What was typed here and refused is not asked for once more by the program.
      return withProgram(silent || error.needs === 'person')
    }
    tell({kind: 'trace', text: `logged in to ${head.label}`})
    return {
      head,
      canAsk,
      machine: head.machine,
      asked: asked(),
      toNode: async (node, nodeSignal, quiet = silent) => firstThatWorks(node, async (name) => {
        const place = {name, hostKeys: node.hostKeys, granted: node.granted}
        return orByProgram(cluster, (await ssh(quiet)).nodeThrough(head, place, nodeSignal), {head, node: place, quiet, signal: nodeSignal})
      }),
      close: () => head.close(),
    }
  }
  /** Where this process knows the password itself it needs nobody. */
  const needPerson = (label: string) => {
    if (!secrets.passwords.has(label)) secrets.needPerson.add(label)
  }
  return {logIn, nodeBehind, needPerson}
}

function localLink(canAsk: boolean, toNode: (node: Node, signal?: AbortSignal, silent?: boolean) => Promise<Remote>): OwnLink {
  const head = localRemote()
  // Connections to nodes stand on their own here, in place of inside of one to the head.
  const nodes: Remote[] = []
  return {
    head,
    canAsk,
    async toNode(node, signal, silent) {
      // A head node may run jobs itself.
      if (node.names.includes(hostname())) return localRemote()
      const remote = await firstThatWorks(node, (name) => toNode({name, hostKeys: node.hostKeys, granted: node.granted}, signal, silent))
      nodes.push(remote)
      return remote
    },
    async close() {
      await Promise.all(nodes.map((node) => node.close()))
      await head.close()
    },
  }
}

const isAuto = ({transport}: ClusterTarget) => (transport ?? 'auto') === 'auto'

interface ByProgram {
  door: ProgramDoor
  /** The way to the head node; none where Grid Engine is here. */
  targets: ClusterTarget['hops']
  head: Remote | null
  env: NodeJS.ProcessEnv
}

/** Logs in to a node with the ssh program, by a stream of the head node that this process is logged in to. */
async function nodeByProgram({door, targets, head, env}: ByProgram, node: Node, signal = new AbortController().signal): Promise<Remote> {
  const {resolveHops} = await import('./ssh/host-config.ts')
  const [hop] = (await resolveHops(targets.length > 0 ? targets : [{user: null, host: node.name, port: null}], {env, signal})).slice(-1)
  if (head === null) return door.nodeThrough({proxyCommand: null}, hop!, node, signal)
  const {proxy, close} = await carrier(() => head.open({kind: 'tcp', host: node.name, port: 22}))
  try {
    const remote = await door.nodeThrough({proxyCommand: command(proxy).replaceAll('%', '%%')}, hop!, node, signal)
    void remote.closed.then(close)
    return remote
  } catch (error) {
    await close()
    throw error
  }
}

/**
 * A node's own name may mean nothing to the head node, or lead to another machine (`localhost`), while Grid Engine's name for it
 * does lead there; with keys to compare, trying is safe.
 */
async function firstThatWorks(node: NodeAddress, attempt: (name: string) => Promise<Remote>): Promise<Remote> {
  let first: unknown = null
  for (const name of node.names) {
    try {
      return await attempt(name)
    } catch (error) {
      first ??= error
      if (!(error instanceof WrongNodeKey) && !(error instanceof JnodeError && error.code === 'unreachable')) break
    }
  }
  if (first instanceof WrongNodeKey) throw new JnodeError('no-route', first.message, {cause: first})
  if (first instanceof JnodeError && (first.code === 'unreachable' || first.code === 'login-failed')) {
    throw new JnodeError('no-route', `No way to the compute node: ${first.message}`, {
      cause: first,
      hint: `Ask the cluster's support whether you may log in from the head node to ${node.names[0]} by SSH with your own key.`,
    })
  }
  throw first
}
