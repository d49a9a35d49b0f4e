/** Opening hops with this user's configuration, known hosts and keys: what the transport needs, put together. */
import {JnodeError} from '../errors.ts'
import {BeyondSsh2, onlySshCanJudge, optionOfSsh} from './beyond-ssh2.ts'
import {makeAuth, type Secrets} from './auth.ts'
import {resolveHops, type Hop} from './host-config.ts'
import {hostTrustIn} from './host-trust.ts'
import {byAuthorityAlone, checkHostKey, described, hostKeyAlgorithms} from './known-hosts.ts'
import {machineOf, remember} from './machine.ts'
import {checkHostName} from '../rules.ts'
import type {Prompter} from './prompt.ts'
import {settingsOf} from './ssh-settings.ts'
import type {Remote, Witness} from './remote.ts'
import {asHop, keyTools, openSsh, type DoorKeeper, type SshRemote} from './transport.ts'
import type {Target} from '../target.ts'

export interface DoorOptions {
  env: NodeJS.ProcessEnv
  prompter: Prompter
  /** What the user has typed so far; more is added. */
  secrets: Secrets
  /** By label of a head node: the machine that its name meant at the last login, to come back to; kept up to date here. */
  machines: Map<string, string>
  /** Is told what is seen on the way to a cluster. */
  witness?: Witness | undefined
  /** Text of a server that the user should see while logging in. */
  tell(text: string): void
  /** A known_hosts file of the cluster, read before the user's own; null for none. */
  knownHosts: string | null
  /** Our own known_hosts file for the cluster's compute nodes. */
  nodesFile: string
  /** Whether a password that was typed for the head node may be sent to its compute nodes, too; else one is asked for there. */
  nodePassword?: 'ask' | 'same'
  /** Whether the system's ssh may log in, and can. Where it is needed, `BeyondSsh2` is thrown before anything is dialled. */
  mayGiveWay?: () => Promise<boolean>
}

/** A compute node and, where its job could read them, the keys its sshd must show. */
export interface Node {
  name: string
  hostKeys: string[]
  /** What Grid Engine calls it: only that node may be sent the head's password. */
  granted?: string | null | undefined
}

export interface Door {
  /** `machine`: the address of the one that the last target's name meant before, to come back to. */
  open(targets: readonly Target[], signal?: AbortSignal, machine?: string): Promise<SshRemote & {machine: Promise<string | null>}>
  nodeThrough(head: SshRemote, node: Node, signal?: AbortSignal): Promise<SshRemote>
  /** Behind a head node that another process is logged in to, by this way. */
  nodeBehind(head: Remote, targets: readonly Target[], node: Node, signal?: AbortSignal): Promise<SshRemote>
  nodeFromHere(node: Node, signal?: AbortSignal): Promise<SshRemote>
}

export function sshDoor({env, prompter, secrets, machines, witness = () => {}, tell, knownHosts, nodesFile, nodePassword = 'ask', mayGiveWay = async () => false}: DoorOptions): Door {
  const keeper = (nodeKeys: string[] | null): DoorKeeper => {
    const acceptNewFile = nodeKeys === null ? {} : {acceptNewFile: nodesFile}
    const pinned = nodeKeys === null || nodeKeys.length === 0 ? {} : {pinned: nodeKeys}
    return {
      witness,
      quiet: !prompter.canAsk,
      async acceptHostKey(hop, key, signal) {
        await checkHostKey({hop, key, prompter, tell, ...pinned, ...acceptNewFile, ...(signal ? {signal} : {})})
        witness({kind: 'host-key', hop: hop.label, key: described(key)})
      },
      hostKeyAlgorithms: (hop) => preferPinned(hostKeyAlgorithms(hop, nodeKeys === null ? undefined : nodesFile), nodeKeys ?? []),
      logIn: (hop, signal) => makeAuth(hop, {tools: keyTools, prompter, secrets, tell, ...(signal ? {signal} : {})}),
    }
  }
  const withKnownHosts = (hop: Hop): Hop => (knownHosts === null ? hop : {...hop, userKnownHostsFiles: [knownHosts, ...hop.userKnownHostsFiles]})
  const configured = async (targets: readonly Target[], signal?: AbortSignal) => (await resolveHops(targets, {env, ...(signal ? {signal} : {})})).map(withKnownHosts)
  /** Gives way to the ssh program for a reason; of an option that only it can apply, nothing less will do. */
  const giveWay = async (hop: Hop, reason = hop.sshOnlyOption === null ? null : optionOfSsh(hop.sshOnlyOption)) => {
    if (reason !== null && (await mayGiveWay())) throw new BeyondSsh2(reason, `${hop.label} needs the system’s ssh: ${reason}`)
    if (hop.sshOnlyOption !== null) throw onlySshCanJudge(hop, hop.sshOnlyOption)
  }
  /** What ssh's configuration says of the node itself, as for `ssh NODE`. */
  const nodeTrust = async ({user}: Hop, {name}: Node, signal?: AbortSignal) => {
    return hostTrustIn(await settingsOf({user, host: checkHostName(name), port: 22}, {env, ...(signal ? {signal} : {})}))
  }
  const nodeThrough = async (head: SshRemote, node: Node, signal?: AbortSignal) => {
    const hop = {...nodeLike(head.hop, node.name), ...(await nodeTrust(head.hop, node, signal))}
    await giveWay(hop)
    const {passwords, needPerson} = secrets
    const password = nodePassword === 'same' && isSameHost(node.name, node.granted) ? passwords.get(head.hop.label) : undefined
    // Only to a node whose key its job has read, and not where it was refused before.
    if (password !== undefined && node.hostKeys.length > 0 && !passwords.has(hop.label) && !needPerson.has(hop.label)) passwords.set(hop.label, password)
    if (!prompter.canAsk) refuseWithoutPerson([hop], secrets)
    return head.next(hop, keeper(node.hostKeys), signal)
  }
  return {
    async open(targets, signal, before) {
      const hops = await configured(targets, signal)
      for (const hop of hops) await giveWay(hop, hop.beyondSsh2 ?? byAuthorityAlone(hop))
      if (!prompter.canAsk) refuseWithoutPerson(hops, secrets)
      witness({kind: 'way', hops: hops.map(({label}) => label)})
      const head = hops.at(-1)!
      head.address = machines.get(head.label) ?? before ?? null
      const remote = await openSsh(hops, keeper(null), signal)
      const machine = remote.address === null ? machineOf(remote) : Promise.resolve(remote.address)
      remember(machines, head.label, machine)
      return {...remote, machine}
    },
    nodeThrough,
    async nodeBehind(head, targets, node, signal) {
      const hops = await configured(targets, signal)
      return nodeThrough(asHop(head, hops.at(-1)!, {depth: hops.length - 1}), node, signal)
    },
    async nodeFromHere(node, signal) {
      const [hop] = (await configured([{user: null, host: checkHostName(node.name), port: null}], signal)).slice(-1)
      await giveWay(hop!)
      if (!prompter.canAsk) refuseWithoutPerson([hop!], secrets)
      return openSsh([hop!], keeper(node.hostKeys), signal)
    },
  }
}

/** Before anything is dialled: even a login that is given up half-way may send a push to a phone, and counts as a failure somewhere. */
export function refuseWithoutPerson(hops: readonly Hop[], {needPerson}: Pick<Secrets, 'needPerson'>): void {
  const asking = hops.find(({label}) => needPerson.has(label))
  if (asking) throw new JnodeError('login-failed', `${asking.label} asks for more than a key to log in, and nobody is here to answer`, {hint: 'Log in yourself.', needs: 'person'})
}

/** The user's keys and account on the head node serve on its nodes too. */
function nodeLike(head: Hop, name: string): Hop {
  checkHostName(name)
  return {...head, alias: name, host: name, address: null, port: 22, label: `${head.user}@${name}`, hostKeyAlias: null, proxyCommand: null, sshCommand: `${head.sshCommand} ssh ${name}`}
}

/** A server shows the key of the type it is asked for first; so the types that are pinned come first. */
function preferPinned(algorithms: string[], keys: string[]): string[] {
  const types = new Set(keys.map((key) => key.split(' ')[0]!).flatMap((type) => (type === 'ssh-rsa' ? ['rsa-sha2-512', 'rsa-sha2-256', 'ssh-rsa'] : [type])))
  return [...algorithms.filter((name) => types.has(name)), ...algorithms.filter((name) => !types.has(name))]
}

/** Grid Engine and the node itself may call it with its domain or without. */
function isSameHost(name: string, granted: string | null | undefined): boolean {
  return granted != null && (name === granted || name.startsWith(`${granted}.`) || granted.startsWith(`${name}.`))
}
