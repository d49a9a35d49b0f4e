/**
 * Whose connection to use. A process that keeps a session lends its connection to all others of this computer that go the
 * same way, so that logging in, and a second factor, are needed once. One lends, the others borrow and never lend on.
 */
import {createHash} from 'node:crypto'
import type {ClusterTarget} from '../config/cluster.ts'
import {JnodeError, throwIfAborted} from '../errors.ts'
import {isAlive} from '../flows/alive.ts'
import type {ClusterLink, ConnectOptions, NodeAddress} from '../flows/deps.ts'
import type {Tell} from '../flows/events.ts'
import type {Remote} from '../ssh/remote.ts'
import {borrow} from './borrow.ts'
import {LEND_PROTOCOL, takePlace, type Lender} from './lend.ts'
import {errorOf} from './messages.ts'
import {privateSocket} from './private-socket.ts'
import {shareLink, type OwnLink, type SharedLink} from './shared-link.ts'

export interface LinksOptions {
  stateDir: string
  /**
   * Lend from the login on, since this process stays as long as somebody borrows. A command in the foreground does not: it
   * would take down with it, when it fails or is interrupted, what others are in the middle of; it lends once it is asked to `offer`.
   */
  lending: boolean
  tell: Tell
  canAsk: boolean
  logIn(cluster: ClusterTarget, options: ConnectOptions): Promise<OwnLink>
  /** At the host with this label a person had to answer, and not to this process. */
  needPerson(label: string): void
  /** Logs in to a node through a head node that is lent. `quiet`: asks nobody; null where this process was told nothing for that node. */
  nodeBehind(cluster: ClusterTarget, head: Remote, node: NodeAddress, options: {signal: AbortSignal | undefined; quiet: boolean}): Promise<Remote | null>
}

/** Lenders that come and go in the moment of asking are not waited for without end. */
const TRIES = 10

export function links({stateDir, tell, logIn, nodeBehind, needPerson, canAsk, ...options}: LinksOptions) {
  let {lending} = options
  /** The connections of this process, each held until it needs a new one or ends. */
  const own = new Map<string, {shared: SharedLink; base: ClusterLink; path: string | null}>()
  const tellWaiting = () => tell({kind: 'progress', text: 'another jnode is logging in; waiting for it'})

  async function makeLogin(cluster: ClusterTarget, options: ConnectOptions, lender: Lender | null): Promise<ClusterLink> {
    try {
      const shared = shareLink(await logIn(cluster, options))
      const link = shared.hold()
      const base = shared.hold()
      own.set(wayTo(cluster), {shared, base, path: placeOf(stateDir, cluster)})
      // A reconnect ends what it replaces, so it must be able to end this.
      if (options.silent) await base.close()
      void shared.closed.then(() => {
        if (own.get(wayTo(cluster))?.shared === shared) own.delete(wayTo(cluster))
        return base.close()
      })
      lender?.lend(shared)
      return link
    } catch (error) {
      lender?.refuse(error)
      throw error
    }
  }

  async function borrowOrLogIn(cluster: ClusterTarget, options: ConnectOptions): Promise<ClusterLink> {
    const path = placeOf(stateDir, cluster)
    const logInHere = (lender: Lender | null) => {
      if (options.onlyLent) throw new JnodeError('unreachable', `Nobody has a connection to ${cluster.label} open`)
      return makeLogin(cluster, options, lender)
    }
    for (let tries = 0; path !== null && tries < TRIES; tries++) {
      const found = await borrow(path, {signal: options.signal, onWaiting: tellWaiting})
      switch (found.kind) {
        case 'lent':
          for (const label of found.link.asked ?? []) needPerson(label)
          if (options.silent && !(await isAlive(found.link, options.signal))) {
            await found.link.close()
            throw new JnodeError('connection-lost', `The connection to ${found.link.head.label} that another jnode has open does not answer`)
          }
          tell({kind: 'trace', text: `using the connection to ${found.link.head.label} that another jnode has open`})
          return cluster.transport === 'openssh' ? found.link : asking(found.link, cluster, canAsk && !options.silent)
        case 'refused':
          // Where nobody can be asked, its bad luck is ours: twenty sessions need not all knock at a host that is down.
          if (options.silent && (found.failure.code === 'unreachable' || found.failure.needs === 'person')) throw errorOf(found.failure)
          break
        case 'silent':
          return logInHere(null)
        case 'nobody': {
          if (!options.lend || !lending) return logInHere(null)
          const lender = await takePlace(path)
          if (lender) return logInHere(lender)
        }
      }
    }
    return logInHere(null)
  }

  /**
   * A lender has nobody to ask, and was not told what this process was. What a node wants of a person is given here, in a login
   * of this process behind the head that is lent.
   */
  function asking(link: ClusterLink, cluster: ClusterTarget, mayAsk: boolean): ClusterLink {
    return {
      ...link,
      canAsk: mayAsk,
      async toNode(node, signal, quiet = !mayAsk) {
        let refused: unknown
        try {
          return await link.toNode(node, signal)
        } catch (error) {
          if (!isRefusedLogin(error)) throw error
          refused = error
        }
        const remote = await nodeBehind(cluster, link.head, node, {signal, quiet})
        if (remote === null) throw refused
        void link.head.closed.then(() => remote.close())
        return remote
      },
    }
  }

  return {
    async connect(cluster: ClusterTarget, options: ConnectOptions): Promise<ClusterLink> {
      // Whoever wants to see a login wants one.
      if (options.witness) return makeLogin(cluster, options, null)
      const mine = own.get(wayTo(cluster))
      if (mine?.shared.usable() && !options.silent) return mine.shared.hold()
      // After a loss a new one, unless others still use the old one well.
      await mine?.base.close()
      if (mine?.shared.usable()) {
        const link = mine.shared.hold(options.silent)
        if (await isAlive(link, options.signal)) return link
        await link.close()
        throwIfAborted(options.signal)
        await mine.shared.end()
      }
      return borrowOrLogIn(cluster, options)
    },
    /** From now on this process keeps a session: what it has is lent, and what it will have. */
    async offer(): Promise<void> {
      lending = true
      for (const {shared, path} of own.values()) if (path !== null) (await takePlace(path))?.lend(shared)
    },
    /** This process is done; what it lends stays as long as somebody uses it. */
    async leave(): Promise<void> {
      await Promise.all([...own.values()].map(({base}) => base.close()))
    },
    /** Closes every connection of this process. */
    async end(): Promise<void> {
      await Promise.all([...own.values()].map(({shared}) => shared.end()))
    },
  }
}

function isRefusedLogin(error: unknown): boolean {
  return error instanceof JnodeError && error.cause instanceof JnodeError && error.cause.code === 'login-failed'
}

/** Two commands go the same way when all of this is the same. */
function wayTo({name, hops, knownHosts}: ClusterTarget): string {
  return JSON.stringify([LEND_PROTOCOL, name, hops, knownHosts])
}

/** Where the lender of this way listens. Null where there is none: without SSH, and on Windows, where a pipe's owner cannot be known. */
function placeOf(stateDir: string, cluster: ClusterTarget): string | null {
  if (cluster.kind === 'local' || process.platform === 'win32') return null
  const id = createHash('sha256').update(`${stateDir}\n${wayTo(cluster)}`).digest('hex').slice(0, 16)
  return privateSocket(stateDir, `lent-${id}`)
}
