/** The only builder of the real outside world: transports, files, keepers, browser. */
import {randomBytes} from 'node:crypto'
import {accessSync, constants} from 'node:fs'
import {hostname} from 'node:os'
import {delimiter, join} from 'node:path'
import {fileURLToPath} from 'node:url'
import {clusterOfSession, resolveCluster, type ClusterTarget} from './config/cluster.ts'
import {loadConfig, type Config} from './config/load.ts'
import {checkSessionName, makeUpName} from './config/name.ts'
import {userPaths} from './config/paths.ts'
import {resolvePlace, resolveStart, resolveTunnel, type StartFlags, type StartOptions} from './config/start-options.ts'
import {keeperDirectory} from './daemon/control.ts'
import {links} from './daemon/links.ts'
import type {OwnLink} from './daemon/shared-link.ts'
import {JnodeError, messageOf} from './errors.ts'
import type {ConnectOptions, Deps, NodeAddress} from './flows/deps.ts'
import type {Tell} from './flows/events.ts'
import type {Wanted} from './flows/find-session.ts'
import {openStore} from './session/local-store.ts'
import {localRemote} from './ssh/local.ts'
import {emptySecrets} from './ssh/login.ts'
import {noPrompter, type Prompter} from './ssh/prompt.ts'
import type {Remote} from './ssh/remote.ts'
import {sshVersion} from './ssh/ssh-settings.ts'
import {systemClock} from './time.ts'
import {showNotice} from './ui/notice.ts'
import {nextUpheaval} from './upheaval.ts'

export interface Outside {
  env: NodeJS.ProcessEnv
  tell: Tell
  prompter: Prompter
}

async function open(url: string, browser: string | null, signal?: AbortSignal): Promise<void> {
  const {openBrowser} = await import('./ui/browser.ts')
  await openBrowser(url, browser, signal)
}

type PlaceFlags = {cluster?: string; host?: string; jump?: string[]}
type ConnectFlags = {port?: string; wait?: string; browser?: string; 'no-browser'?: boolean}

export type Runtime = ReturnType<typeof makeRuntime>

/** Nothing is opened, read or loaded before it is asked for. */
export function makeRuntime({env, tell, prompter}: Outside) {
  const {configFile, siteConfigFiles, stateDir} = userPaths(env)
  const config = once(() => loadConfig(configFile, siteConfigFiles))
  const hasLocalQsub = once(() => onPath('qsub', env))
  const place = async (flags: PlaceFlags): Promise<ClusterTarget> => resolveCluster(resolvePlace(flags, env), await config(), hasLocalQsub())
  const {connect, ...connections} = links({stateDir, tell, logIn: logInto({env, tell, prompter, stateDir})})
  const deps: Deps = {
    async connect(cluster, options) {
      const link = await connect(cluster, options)
      return {...link, head: traced(link.head, tell)}
    },
    store: openStore(stateDir),
    keepers: keeperDirectory(stateDir),
    clock: systemClock,
    upheaval: nextUpheaval,
    randomHex: (length) => randomBytes(length).toString('hex'),
    tell,
  }
  return {
    deps,
    links: connections,
    stateDir,
    prompter,
    tell,
    version: process.env['JNODE_VERSION'] ?? 'dev',
    program: fileURLToPath(new URL('keeper.js', import.meta.url)),
    open,
    notify: showNotice,
    /** For a command whose main work is done: a browser that does not open is no reason to fail. */
    async tryToOpen(url: string, browser: string | null, signal: AbortSignal): Promise<void> {
      await open(url, browser, signal).catch((error: unknown) => tell({kind: 'warning', text: messageOf(error), hint: 'The URL is good all the same.'}))
    },
    /** Everything `start` needs to know, checked before anybody is asked anything. */
    async resolveStart(name: string | null, flags: StartFlags): Promise<{name: string; options: StartOptions}> {
      const checked = name === null ? null : checkSessionName(name)
      const options = resolveStart(flags, {config: await config(), env, hasLocalQsub: hasLocalQsub(), cwd: process.cwd()})
      return {name: checked ?? (await freeName(deps)), options}
    },
    sshVersion: () => sshVersion(env),
    resolveTunnel: (flags: ConnectFlags) => resolveTunnel(flags, env),
    /** What a command needs to find the session that is meant. */
    async wanted(name: string | null, flags: PlaceFlags): Promise<Wanted> {
      const settings: Config = await config()
      return {
        name: name === null || /^\d+$/.test(name) ? name : checkSessionName(name),
        cluster: isPlace(flags) ? await place(flags) : null,
        clusterOf: (facts) => clusterOfSession(facts, settings),
        defaultCluster: () => resolveCluster({}, settings, hasLocalQsub()),
      }
    },
    /** The name of the cluster that the flags name; null when they name none. */
    async namedCluster(flags: PlaceFlags): Promise<string | null> {
      return isPlace(flags) ? (await place(flags)).name : null
    },
    /** The cluster named, or all that have sessions on this computer and the default one. */
    async clustersToAsk(flags: PlaceFlags): Promise<ClusterTarget[]> {
      if (isPlace(flags)) return [await place(flags)]
      const settings = await config()
      const {sessions} = await deps.store.list()
      const clusters = new Map(sessions.map((facts) => [facts.cluster, clusterOfSession(facts, settings)]))
      try {
        const usual = resolveCluster({}, settings, hasLocalQsub())
        clusters.set(usual.name, usual)
      } catch {
        // no usual cluster: what this computer knows is all there is to ask for
      }
      return [...clusters.values()]
    },
  }
}

function isPlace({cluster, host, jump}: PlaceFlags): boolean {
  return cluster !== undefined || host !== undefined || jump !== undefined
}

async function freeName(deps: Deps): Promise<string> {
  const {sessions} = await deps.store.list()
  return makeUpName(new Set(sessions.map(({name}) => name)))
}

function once<T>(make: () => T): () => T {
  let made: {value: T} | null = null
  return () => (made ??= {value: make()}).value
}

function onPath(program: string, env: NodeJS.ProcessEnv): boolean {
  return (env['PATH'] ?? '').split(delimiter).some((dir) => {
    try {
      accessSync(join(dir, program), constants.X_OK)
      return dir !== ''
    } catch {
      return false
    }
  })
}

/** How this computer gets to clusters by itself. ssh2 takes 100 ms to load, so it is loaded where a connection is made. */
function logInto({env, tell, prompter, stateDir}: Outside & {stateDir: string}) {
  // Of all connections of this process: nothing is asked twice, and a reconnect need not ask for what was only a password.
  const secrets = emptySecrets()
  const machines = new Map<string, string>()
  return async (cluster: ClusterTarget, {signal, silent = false, witness}: ConnectOptions): Promise<OwnLink> => {
    const ssh = async (quiet: boolean) => {
      const {sshDoor} = await import('./ssh/door.ts')
      const asker = quiet ? noPrompter : prompter
      return sshDoor({env, prompter: asker, secrets, machines, witness, tell: (text) => tell({kind: 'note', text}), knownHosts: cluster.knownHosts, nodesFile: join(stateDir, 'known_nodes', encodeURIComponent(cluster.name))})
    }
    if (cluster.kind === 'local') return localLink(async (node, nodeSignal) => (await ssh(silent)).nodeFromHere(node, nodeSignal))
    const head = await (await ssh(silent)).open(cluster.hops, signal)
    tell({kind: 'trace', text: `logged in to ${head.label}`})
    return {
      head,
      toNode: async (node, nodeSignal, quiet = silent) => firstThatWorks(node, async (name) => (await ssh(quiet)).nodeThrough(head, {name, hostKeys: node.hostKeys}, nodeSignal)),
      close: () => head.close(),
    }
  }
}

function localLink(toNode: (node: {name: string; hostKeys: string[]}, signal?: AbortSignal) => Promise<Remote>): OwnLink {
  const head = localRemote()
  // Connections to nodes stand on their own here, in place of inside of one to the head.
  const nodes: Remote[] = []
  return {
    head,
    async toNode(node, signal) {
      // A head node may run jobs itself.
      if (node.names.includes(hostname())) return localRemote()
      const remote = await firstThatWorks(node, (name) => toNode({name, hostKeys: node.hostKeys}, signal))
      nodes.push(remote)
      return remote
    },
    async close() {
      await Promise.all(nodes.map((node) => node.close()))
      await head.close()
    },
  }
}

/** Tells for `-v` what each round trip costs; never what was in it. */
function traced<T extends Remote>(remote: T, tell: Tell): T {
  return {
    ...remote,
    async run(scripts, options) {
      const from = performance.now()
      const results = await remote.run(scripts, options)
      const asked = scripts.map((script) => /\b(qsub|qstat|qdel|qacct|qconf|qalter)\b/.exec(script)?.[1] ?? 'files')
      tell({kind: 'trace', text: `${remote.label}: ${asked.join(', ')} in ${Math.round(performance.now() - from)} ms`})
      return results
    },
  }
}

/** A node's own name may mean nothing to the head node, while Grid Engine's name for it does. */
async function firstThatWorks(node: NodeAddress, attempt: (name: string) => Promise<Remote>): Promise<Remote> {
  let first: unknown = null
  for (const name of node.names) {
    try {
      return await attempt(name)
    } catch (error) {
      first ??= error
      if (!(error instanceof JnodeError) || error.code !== 'unreachable') break
    }
  }
  if (first instanceof JnodeError && (first.code === 'unreachable' || first.code === 'login-failed')) {
    throw new JnodeError('no-route', `No way to the compute node: ${first.message}`, {
      cause: first,
      hint: `Ask the cluster's support whether you may log in from the head node to ${node.names[0]} by SSH with your own key.`,
    })
  }
  throw first
}
