/** Logging in with the system's ssh: which words it is given, and what its own words mean. */
import {mkdir} from 'node:fs/promises'
import {dirname} from 'node:path'
import {JnodeError} from '../errors.ts'
import {printable} from '../printable.ts'
import {checkHostName} from '../rules.ts'
import {quote} from '../shell.ts'
import {targetText, type Target} from '../target.ts'
import {refuseWithoutPerson, type DoorOptions, type Node} from './door.ts'
import {resolveHops, type Hop} from './host-config.ts'
import {addressBehind, isGone, isOneOfSeveral, machineOf, remember, wordsFor} from './machine.ts'
import {notTheJobsKey, revokedLines} from './known-hosts.ts'
import {joinMaster, openMaster, type Master, type MasterOptions} from './master.ts'
import {needsOf, type Secrets} from './login.ts'
import {fileNames} from './option-text.ts'
import type {Prompter} from './prompt.ts'

export function opensshDoor({env, prompter, secrets, machines, witness, tell, knownHosts, nodesFile}: Pick<DoorOptions, 'env' | 'prompter' | 'secrets' | 'machines' | 'witness' | 'tell' | 'knownHosts' | 'nodesFile'>) {
  const options = (hop: Hop, signal: AbortSignal): MasterOptions => {
    let answered = false
    const asker: Prompter = {
      ...prompter,
      async ask(question, asking) {
        // All hops ask in the name of the last one, and what is answered is ssh's alone.
        if (question.kind === 'passphrase') secrets.typed.add(hop.label)
        if (question.kind === 'code' || question.kind === 'password') secrets.needPerson.add(hop.label)
        const text = await prompter.ask(question, asking)
        answered ||= secrets.needPerson.has(hop.label)
        return text
      },
    }
    return {env, prompter: asker, label: hop.label, tell, signal, failure: (said) => failureOf(hop, said, {answered, secrets})}
  }
  const userFiles = ({userKnownHostsFiles}: Hop) => (knownHosts === null ? userKnownHostsFiles : [knownHosts, ...userKnownHostsFiles])
  /** Words for ssh to come back to the machine that is meant, and the gateway that was asked whether it would go there by itself. */
  const cameFrom = async (target: Target, hops: readonly Hop[], signal: AbortSignal): Promise<{words: string[]; gateway: Master | null}> => {
    const hop = hops.at(-1)!
    const words = await wordsFor(target, hop, {env, signal})
    if (words.length === 0) return {words, gateway: null}
    const gate = hops.at(-2)
    if (!gate) return {words: (await isOneOfSeveral(hop, hop.address!)) ? words : [], gateway: null}
    // One login to it, as without, and in the same name: the head is reached over this one.
    const theirs = gate.controlPath === null ? null : await joinMaster(gate.controlPath, {env, label: gate.label})
    const way = hops.slice(0, -1).map(({user, alias, port}) => ({user, host: alias, port}))
    const gateway = theirs ?? (await openMaster([...signsOfLife(gate), ...argumentsFor(way)], options(hop, signal)))
    return {words: (await addressBehind(gateway, hop, signal)) === null ? [] : words, gateway}
  }
  return {
    /** Over the user's own ControlMaster where there is one; it is left open. `machine`: as for ssh2's door. */
    async open(targets: readonly Target[], signal: AbortSignal, before?: string): Promise<{head: Master; hop: Hop; machine: Promise<string | null>}> {
      if (process.platform === 'win32') throw new JnodeError('usage', 'The ssh program of Windows cannot share one connection, so jnode cannot log in with it', {hint: 'Leave out --transport openssh.'})
      const hops = await resolveHops(targets, {env, signal})
      witness?.({kind: 'way', hops: hops.map(({label}) => label)})
      const hop = hops.at(-1)!
      const theirs = hop.controlPath === null ? null : await joinMaster(hop.controlPath, {env, label: hop.label})
      if (theirs) return {head: theirs, hop, machine: Promise.resolve(null)}
      if (!prompter.canAsk) refuseWithoutPerson([hop], secrets)
      const files = knownHosts === null ? [] : ['-o', `UserKnownHostsFile=${fileNames(userFiles(hop))}`]
      hop.address = machines.get(hop.label) ?? before ?? null
      const {words, gateway} = await cameFrom(targets.at(-1)!, hops, signal)
      const there = gateway === null ? argumentsFor(targets) : ['-o', `ProxyCommand=${gateway.proxyCommand}`, ...argumentsFor(targets.slice(-1))]
      const logIn = (pin: readonly string[]) => openMaster([...pin, ...files, ...signsOfLife(hop), ...there], options(hop, signal))
      const last = await logIn(words).catch((error: unknown) => {
        if (words.length === 0 || !isGone(error)) throw error
        return logIn([])
      }).catch(async (error: unknown) => {
        await gateway?.close()
        throw error
      })
      const head = gateway === null ? last : endingWith(last, gateway)
      // Before anything else is run there: the host may take one command at a time.
      const told = await machineOf(head, signal)
      const machine = Promise.resolve(told === null || hops.length > 1 || (await isOneOfSeveral(hop, told)) ? told : null)
      remember(machines, hop.label, machine)
      return {head, hop, machine}
    },
    /** `proxyCommand`: what leads to the node's sshd; null where this computer reaches it itself. */
    async nodeThrough({proxyCommand}: {proxyCommand: string | null}, headHop: Hop, node: Node, signal: AbortSignal): Promise<Master> {
      checkHostName(node.name)
      const hop = {...headHop, alias: node.name, host: node.name, port: 22, label: `${headHop.user}@${node.name}`}
      if (!prompter.canAsk) refuseWithoutPerson([hop], secrets)
      const files = userFiles(hop)
      const pinned = node.hostKeys.map((key) => `${node.name} ${key}\n`).join('')
      // Taken on first sight, a key is remembered; those that the job has found are all there is to accept. What else the user's
      // configuration says of host keys (RevokedHostKeys, KnownHostsCommand, ...) is not touched.
      const policy = pinned === '' ? [`UserKnownHostsFile=${fileNames([nodesFile, ...files])}`, 'StrictHostKeyChecking=accept-new'] : ['StrictHostKeyChecking=yes', 'GlobalKnownHostsFile=/dev/null']
      if (pinned === '') await mkdir(dirname(nodesFile), {recursive: true, mode: 0o700})
      const known = [...policy, 'HashKnownHosts=no', 'UpdateHostKeys=no', `HostKeyAlias=${node.name}`]
      const through = proxyCommand === null ? [] : ['-o', `ProxyCommand=${proxyCommand}`]
      const keys = hop.identityFiles.flatMap((identity) => ['-i', identity])
      const words = [...known.flatMap((option) => ['-o', option]), ...through, ...signsOfLife(hop), ...keys, '-l', hop.user, '-p', '22', '--', node.name]
      if (pinned === '') return openMaster(words, options(hop, signal))
      const revoked = revokedLines({...hop, userKnownHostsFiles: files})
      const master = options(hop, signal)
      return openMaster(words, {...master, failure: (said) => pinnedFailureOf(hop, said) ?? master.failure(said), pinned: revoked + pinned})
    },
  }
}

/** A connection that goes through another one of ours, which nobody else uses. */
function endingWith(head: Master, gateway: Master): Master {
  void head.closed.then(() => gateway.close())
  return {
    ...head,
    async close() {
      await head.close()
      await gateway.close()
    },
  }
}

/** A link that is silent for 12 s is dead, unless the user has said otherwise. */
function signsOfLife({serverAliveIntervalMs, connectTimeoutMs}: Hop): string[] {
  const alive = serverAliveIntervalMs > 0 ? [] : ['-o', 'ServerAliveInterval=4', '-o', 'ServerAliveCountMax=2']
  return [...alive, '-o', `ConnectTimeout=${Math.ceil(connectTimeoutMs / 1000)}`]
}

function argumentsFor(targets: readonly Target[]): string[] {
  const {user, host, port} = targets.at(-1)!
  const jumps = targets.slice(0, -1)
  return [...(jumps.length > 0 ? ['-J', jumps.map(targetText).join(',')] : []), ...(user === null ? [] : ['-l', user]), ...(port === null ? [] : ['-p', String(port)]), '--', host]
}

/** A host that hangs up on an answer has refused it, whatever it says. */
const HUNG_UP = /^Connection (closed|reset) by (?!UNKNOWN)/m

/** As for ssh2, where the key is not one of those that the job has found: ssh names the file that was made for it. */
function pinnedFailureOf(hop: Hop, said: string): JnodeError | null {
  const isOther = /remote host identification has changed|no .* host key is known/i.test(said)
  const [, sent] = /sent by the remote host is\s+(\S+?)\.?\s/.exec(said) ?? []
  return isOther ? notTheJobsKey(hop, sent ?? 'of another type') : null
}

/** What ssh said, as one of our failures. `answered`: it was given a password or a code. */
function failureOf(hop: Hop, said: string, {answered, secrets}: {answered: boolean; secrets: Secrets}): JnodeError {
  const words = printable(said).trim().split('\n').filter((line) => line.trim() !== '').slice(-3).join('; ').slice(0, 400) || 'it said nothing'
  if (/\bssh: (command )?not found/.test(said)) return new JnodeError('config', 'There is no ssh program on this computer', {hint: 'Install OpenSSH, or leave out --transport openssh.'})
  const hint = `See what \`${hop.sshCommand}\` says.`
  if (/host key verification failed|remote host identification has changed|no .* host key is known|no matching host key type|bad server host key/i.test(said)) {
    const file = /Offending .* key in (\S+):(\d+)/.exec(said)
    return new JnodeError('host-key', `ssh did not accept the host key on the way to ${hop.label}: ${file ? `${file[1]} line ${file[2]} has another one` : (/^.*\brevoked\b.*$/im.exec(printable(said))?.[0].trim() ?? words)}`, {
      hint: `Run ${quote(hop.sshCommand)} in a terminal, and compare the fingerprint with what the admins publish.`,
    })
  }
  if (/permission denied|too many authentication failures|no more authentication methods/i.test(said) || (answered && HUNG_UP.test(said))) {
    return new JnodeError('login-failed', `ssh could not log in to ${hop.label}: ${words}`, {hint, needs: needsOf(secrets, hop.label)})
  }
  return new JnodeError('unreachable', `ssh could not reach ${hop.label}: ${words}`, {hint})
}
