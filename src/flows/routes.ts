/**
 * Which route it is: the one asked for, or the one that worked last, or the first of all in the order of safety. Each that
 * falls out is kept with its reason.
 */
import {JnodeError} from '../errors.ts'
import type {JobRecord} from '../jupyter/record.ts'
import type {Remote} from '../ssh/remote.ts'
import type {Clock} from '../time.ts'
import type {ClusterLink, NodeAddress} from './deps.ts'
import {closed, hostOf, loginsToNodes, mustForward, NODES_MUST_FORWARD, ROUTE_ORDER, type RouteContext, type RouteName, type RouteTrial, type ServerWay, Stranger} from './route-context.ts'
import {ATTEMPTS} from './route-ways.ts'

export interface RouteWish {
  /** The only one to take; null for any. */
  asked: RouteName | null
  /** The one that worked last on this cluster. */
  last: RouteName | null
}

export interface RouteSearch {
  way: ServerWay | null
  /** In the order of safety; routes that were not needed are not among them. */
  trials: RouteTrial[]
  /** The failures as errors, the safest route's first. */
  failures: JnodeError[]
}

/** What a search starts from. */
export type Ground = Omit<RouteContext, 'login'>

/** Tries until one works. Throws only what is no matter of routes: the job's end, a lost connection. */
export async function findRoute(ground: Ground, {asked, last}: RouteWish): Promise<RouteSearch> {
  const tried = searching(ground)
  const found = async (): Promise<ServerWay | null> => {
    if (asked !== null) return tried.attempt(asked, true)
    const first = last === null ? null : await tried.attempt(last, false)
    if (first) return first
    const safest = await ownLoginOrHead(tried)
    if (safest) return safest
    // Nobody is asked for a password of the node while the cluster can do without.
    if (ground.link.canAsk && tried.refusedLogin()) {
      const asking = (await tried.attempt('socket', true)) ?? (await tried.attempt('node', true))
      if (asking) return asking
    }
    return staggered(tried.clock, [() => tried.once('direct'), () => tried.once('reverse')])
  }
  try {
    const way = await found()
    const wrongKey = tried.wrongKey()
    // Where no route works this is the error.
    if (way && wrongKey) ground.deps.tell({kind: 'warning', text: wrongKey.message, ...withHint(wrongKey.cause as JnodeError)})
    return {way, ...tried.told()}
  } finally {
    tried.end()
  }
}

/** Tries each route by itself and closes it again: for looking, not for use. */
export async function tryEveryRoute(ground: Ground, onTrial: (trial: RouteTrial) => void): Promise<RouteTrial[]> {
  const trials: RouteTrial[] = []
  for (const route of ROUTE_ORDER) {
    const search = await findRoute(ground, {asked: route, last: null})
    await search.way?.close()
    const trial = search.trials.find((each) => each.route === route)!
    trials.push(trial)
    onTrial(trial)
  }
  return trials
}

/** The error when no route works: each with its reason, and what to ask for. A wrong host key is more than a route that is closed. */
export function noRoute({trials, failures}: RouteSearch, {nodeName, link}: Pick<Ground, 'nodeName' | 'link'>): JnodeError {
  const wrongKey = failures.find(isWrongKey)
  if (wrongKey) return new JnodeError('host-key', wrongKey.message, withHint(wrongKey.cause as JnodeError))
  const from = `from ${hostOf(link.head)} to the server on ${nodeName}`
  const message = trials.length === 1 ? `Route ${trials[0]!.route} ${from} does not work: ${trials[0]!.seen}` : `No way ${from} works (${reasonsOf(trials)})`
  const asks = whatToAsk(trials, link)
  const hint = asks.length === 0 ? 'Show this to the cluster’s support.' : `Ask the cluster’s support for ${asks.join(', or for ')}.`
  return new JnodeError('no-route', message, {hint, cause: failures[0]})
}

/** The safest first, and no more than one to choose in its place. */
export function whatToAsk(trials: readonly Pick<RouteTrial, 'ask'>[], {head}: ClusterLink): string[] {
  const asks = [...new Set(trials.map(({ask}) => ask).filter((ask) => ask !== null))]
  // A head that opens nothing is in the way of every route: nothing else helps without that.
  if (asks[0] === mustForward(hostOf(head))) return [asks[0]]
  // Where a login was let in and then got no streams, another login gets none either.
  const isIn = asks.includes(NODES_MUST_FORWARD)
  return asks.filter((ask) => !isIn || ask !== loginsToNodes(head)).slice(0, 2)
}

/** Routes that failed alike are named together. */
function reasonsOf(trials: readonly RouteTrial[]): string {
  const reasons = [...new Set(trials.map(({seen}) => seen))]
  return reasons.map((reason) => `${trials.filter(({seen}) => seen === reason).map(({route}) => route).join(', ')}: ${reason}`).join('; ')
}

/**
 * The node shows another host key than its job has found. It is not logged in to, but \`direct\` and \`reverse\` need no such login and
 * prove the server by other means.
 */
function isWrongKey({cause}: JnodeError): boolean {
  return cause instanceof JnodeError && cause.code === 'host-key'
}

const withHint = ({hint}: JnodeError) => (hint === null ? {} : {hint})

type Searching = ReturnType<typeof searching>

/** Connecting and logging in to a node, nobody being asked. */
const LOGIN_MS = 8000

function searching(ground: Ground) {
  const trials = new Map<RouteName, RouteTrial>()
  const failures = new Map<RouteName, JnodeError>()
  const begun = new Set<RouteName>()
  const logins = new Map<boolean, Promise<Remote>>()
  const done = new AbortController()
  const signal = AbortSignal.any([ground.signal, done.signal])
  let isLoggedIn = false
  let taken = false
  let lose!: (error: JnodeError) => void
  const lost = new Promise<never>((_, reject) => (lose = reject))
  lost.catch(() => {})
  const watchOver = ({label, closed: ended}: Remote) => void ended.then((why) => lose(new JnodeError('connection-lost', `The connection to ${label} was lost: ${why}`)))
  watchOver(ground.link.head)
  const login = (asking: boolean) => {
    const made = logins.get(asking) ?? logInToNode(ground, asking, signal)
    logins.set(asking, made)
    made.then((node) => {
      isLoggedIn = true
      watchOver(node)
    }, () => {})
    return made
  }
  const context: RouteContext = {...ground, signal, login}

  async function attempt(route: RouteName, asking: boolean): Promise<ServerWay | null> {
    begun.add(route)
    try {
      const way = await Promise.race([ATTEMPTS[route](context, asking), lost])
      if (taken || done.signal.aborted) {
        await way.close()
        return null
      }
      taken = true
      trials.set(route, {route, works: true, seen: 'it works', ask: null})
      return way
    } catch (error) {
      ground.signal.throwIfAborted()
      if (!(error instanceof JnodeError) || error instanceof Stranger || (error.code !== 'no-route' && error.code !== 'remote-storage')) throw error
      failures.set(route, error)
      trials.set(route, {route, works: false, seen: error.message, ask: error.hint})
      ground.deps.tell({kind: 'trace', text: `route ${route}: ${error.message}`})
      return null
    }
  }

  return {
    attempt,
    /** Not again what has failed in this search. */
    once: async (route: RouteName) => (trials.has(route) ? null : attempt(route, false)),
    isLoggedIn: () => isLoggedIn,
    wrongKey: () => [...failures.values()].find(isWrongKey),
    refusedLogin: () => (failures.get('socket')?.cause as JnodeError | undefined)?.code === 'login-failed',
    told(): Pick<RouteSearch, 'trials' | 'failures'> {
      const unfinished = (route: RouteName): RouteTrial | undefined => (begun.has(route) ? {route, works: false, seen: 'it takes its time, and another one was there sooner', ask: null} : undefined)
      const inOrder = <T>(of: (route: RouteName) => T | undefined) => ROUTE_ORDER.map(of).filter((each) => each !== undefined)
      return {trials: inOrder((route) => trials.get(route) ?? unfinished(route)), failures: inOrder((route) => failures.get(route))}
    },
    end: () => done.abort(new JnodeError('interrupted', 'Another route was taken')),
    clock: ground.deps.clock,
  }
}

/** With a firewall that says nothing, a route takes long to fail: then the next is tried beside it. */
const PATIENCE_MS = 3000

function ownLoginOrHead(tried: Searching): Promise<ServerWay | null> {
  const own = async () => (await tried.once('socket')) ?? tried.once('node')
  // The head's own ssh would meet the same key.
  const head = async () => (tried.wrongKey() ? null : tried.once('head'))
  return staggered(tried.clock, [own, head], tried.isLoggedIn)
}

/** The first that works. The other begins when the one has failed, or takes its time and is not `near` its end. */
async function staggered(clock: Clock, [one, other]: readonly [Trying, Trying], near = () => false): Promise<ServerWay | null> {
  const first = one()
  first.catch(() => {})
  const late = await Promise.race([first.then(() => false, () => false), clock.sleep(PATIENCE_MS).then(() => true)])
  if (!late || near()) return (await first) ?? other()
  const second = other()
  second.catch(() => {})
  return Promise.race([first.then((way) => way ?? second), second.then((way) => way ?? first)])
}

type Trying = () => Promise<ServerWay | null>

async function logInToNode({link, record, nodeName, watch}: Ground, asking: boolean, signal: AbortSignal): Promise<Remote> {
  const attempt = (granted: string | null, mayAsk: boolean) => {
    const node = {...nodeAddress(record), granted}
    if (!mayAsk) return logInSilently({link, node, nodeName, limitMs: LOGIN_MS}, signal)
    return link.toNode(node, signal).catch((error: unknown) => {
      throw whyNotIn(error, {link, nodeName})
    })
  }
  const logIn = async () => {
    const known = watch.view.job?.node ?? null
    if (known !== null) return attempt(known, asking)
    // The job is heard sooner than Grid Engine is asked, whose word only a password needs.
    try {
      return await attempt(null, false)
    } catch (error) {
      if (!(error instanceof JnodeError) || isWrongKey(error) || !(asking || isRefusedLogin(error))) throw error
    }
    return attempt(await watch.until(({job}) => job?.node ?? null), asking)
  }
  try {
    return await logIn()
  } catch (error) {
    throw error instanceof JnodeError && isWrongKey(error) ? closed(`${error.message}. ${sourceOf(record)}`, null, error.cause) : error
  }
}

function isRefusedLogin({cause}: JnodeError): boolean {
  return cause instanceof JnodeError && cause.code === 'login-failed'
}

/** Which keys were taken for the node's tells whose mistake it may be. */
function sourceOf({hostKeysFrom}: JobRecord): string {
  return hostKeysFrom === 'sshd' ? 'The job asked the SSH server of its own node' : 'The job read the files in /etc/ssh of its node, which may belong to another SSH server'
}

export interface SilentLogin extends Pick<Ground, 'link' | 'nodeName'> {
  node: NodeAddress
  limitMs: number
}

/** Nobody is asked anything. Throws `no-route` with what to ask for, or `host-key`. */
export async function logInSilently({link, node, nodeName, limitMs}: SilentLogin, signal: AbortSignal): Promise<Remote> {
  const limit = AbortSignal.timeout(limitMs)
  try {
    return await link.toNode(node, AbortSignal.any([signal, limit]), true)
  } catch (error) {
    if (limit.aborted && !signal.aborted) throw closed(`${nodeName} does not answer on port 22 of SSH within ${limitMs / 1000} s`, unreachableAsk(link))
    throw whyNotIn(error, {link, nodeName})
  }
}

function whyNotIn(error: unknown, where: Pick<Ground, 'link' | 'nodeName'>): unknown {
  return error instanceof JnodeError && error.code !== 'host-key' ? loginRefused(error, where) : error
}

const unreachableAsk = ({head}: ClusterLink) => `TCP connections from ${hostOf(head)} to port 22 of the compute nodes, with an SSH server there`

/** What a failed login means, and what would help. */
function loginRefused(error: JnodeError, {link, nodeName}: Pick<Ground, 'link' | 'nodeName'>): JnodeError {
  const why = error.cause instanceof JnodeError ? error.cause : error
  const head = hostOf(link.head)
  if (why.code === 'login-failed') return closed(`${nodeName} does not let you in: ${why.message}`, loginsToNodes(link.head), why)
  if (why.code !== 'unreachable') return closed(why.message, unreachableAsk(link), why)
  if (/prohibited/i.test(why.message)) return closed(`${head} may not open connections for you: ${why.message}`, mustForward(head), why)
  return closed(why.message, unreachableAsk(link), why)
}

export function nodeAddress(record: JobRecord): NodeAddress {
  const hostKeys = record.hostKeys.map(({type, key}) => `${type} ${key}`)
  // An address may be anybody's in another network; with the node's own keys to compare it can be tried.
  return {names: hostKeys.length > 0 ? [...record.names, ...record.addresses] : record.names, hostKeys}
}
