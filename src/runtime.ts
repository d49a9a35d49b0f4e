/** The only builder of the real outside world: transports, files, keepers, browser. */
import {randomBytes} from 'node:crypto'
import {fileURLToPath} from 'node:url'
import {clusterOfSession, resolveCluster, withTransport, type ClusterTarget} from './config/cluster.ts'
import {loadConfig, type Config} from './config/load.ts'
import {checkSessionName, makeUpName} from './config/name.ts'
import {userPaths} from './config/paths.ts'
import {resolveInit, type InitPlace} from './config/init-place.ts'
import {resolvePlace, resolveStart, resolveTunnel, type StartFlags, type StartOptions} from './config/start-options.ts'
import {keeperDirectory} from './daemon/control.ts'
import {links} from './daemon/links.ts'
import {messageOf} from './errors.ts'
import type {Answer, Deps} from './flows/deps.ts'
import type {Tell} from './flows/events.ts'
import type {Wanted} from './flows/find-session.ts'
import {endedViewShape} from './flows/last-end.ts'
import {withForeignName} from './flows/foreign.ts'
import type {NodeShell, OpenNode} from './flows/node-shell.ts'
import {logInWith} from './log-in.ts'
import {hasProgram} from './program.ts'
import {endStore} from './session/end-store.ts'
import {openStore} from './session/local-store.ts'
import {originStore} from './session/origins.ts'
import {routeStore} from './session/route-store.ts'
import type {NodeConfig} from './ssh/node-config.ts'
import type {Prompter} from './ssh/prompt.ts'
import type {Remote} from './ssh/remote.ts'
import {sshVersion} from './ssh/ssh-settings.ts'
import {systemClock} from './time.ts'
import {answerIn} from './ui/answers.ts'
import {showNotice} from './ui/notice.ts'
import {nextUpheaval} from './upheaval.ts'

export interface Outside {
  env: NodeJS.ProcessEnv
  tell: Tell
  prompter: Prompter
  /** Whether this process is a keeper in the background. */
  background: boolean
}

async function open(url: string, browser: string | null, signal?: AbortSignal): Promise<void> {
  const {openBrowser} = await import('./ui/browser.ts')
  await openBrowser(url, browser, signal)
}

type PlaceFlags = {cluster?: string; host?: string; jump?: string[]; transport?: string}
type ConnectFlags = {port?: string; wait?: string; browser?: string; 'no-browser'?: boolean}

export type Runtime = ReturnType<typeof makeRuntime>

/** Nothing is opened, read or loaded before it is asked for. */
export function makeRuntime({env, tell, prompter, background}: Outside) {
  const {configFile, siteConfigFiles, stateDir} = userPaths(env)
  const config = once(() => loadConfig(configFile, siteConfigFiles))
  const hasLocalQsub = once(() => hasProgram('qsub', env))
  const place = async (flags: PlaceFlags): Promise<ClusterTarget> => resolveCluster(resolvePlace(flags, env), await config(), hasLocalQsub())
  const {connect, ...connections} = links({stateDir, tell, lending: background, canAsk: prompter.canAsk, ...logInWith({env, tell, prompter, stateDir})})
  const deps: Deps = {
    async connect(cluster, options) {
      const link = await connect(cluster, options)
      return {...link, head: traced(link.head, tell)}
    },
    store: openStore(stateDir),
    origins: originStore(stateDir),
    routes: routeStore(stateDir),
    ends: endStore(stateDir, endedViewShape),
    keepers: keeperDirectory(stateDir, {guard: fileURLToPath(new URL('guard.js', import.meta.url))}),
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
    /** What ssh is told to reach a session's node. */
    async nodeConfig(node: NodeShell, cluster: ClusterTarget): Promise<NodeConfig> {
      const {nodeConfigOf} = await import('./node-ssh.ts')
      return nodeConfigOf(node, cluster, {env, stateDir, store: deps.store, configured: (await config()).clusters.has(cluster.name)})
    },
    /** ssh to a session's node in this terminal; resolves with its exit status. */
    async runSsh({shell, standIn}: OpenNode, cluster: ClusterTarget, words: readonly string[], {quiet}: {quiet: boolean}): Promise<number> {
      const {behind, runSsh} = await import('./node-ssh.ts')
      const config = await this.nodeConfig(shell, cluster)
      const own = standIn === null || process.platform === 'win32' ? null : await behind(standIn, config)
      return runSsh(own?.config ?? config, words, {env, quiet}).finally(() => own?.close())
    },
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
    /** Which cluster `init` learns, and under which name; the file that it writes need not exist. */
    async resolveInit(name: string | null, flags: PlaceFlags): Promise<InitPlace & {configFile: string}> {
      return {...resolveInit(name, resolvePlace(flags, env), {config: await config(), hasLocalQsub: hasLocalQsub()}), configFile}
    },
    /** Whether anything says where a cluster is. */
    async knowsCluster(name: string | null, flags: PlaceFlags): Promise<boolean> {
      return isPlace(flags) || hasLocalQsub() || name !== null || (await config()).clusters.size > 0
    },
    resolveTunnel: (flags: ConnectFlags) => resolveTunnel(flags, env),
    /** Asks the person about something on this cluster; null where nobody is there, or a program that says the same to everything. */
    answer: ({label}: ClusterTarget, signal: AbortSignal): Answer | null => (prompter.canAsk && !prompter.unattended ? answerIn(prompter, label, signal) : null),
    /** What a command needs to find the session that is meant. */
    async wanted(name: string | null, flags: PlaceFlags): Promise<Wanted> {
      const settings: Config = await config()
      const {transport} = resolvePlace(flags, env)
      return {
        name: name === null || /^\d+$/.test(name) ? name : checkSessionName(withForeignName(name)),
        cluster: isPlace(flags) ? await place(flags) : null,
        clusterOf: (facts) => withTransport(clusterOfSession(facts, settings), transport),
        defaultCluster: () => resolveCluster({transport}, settings, hasLocalQsub()),
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
      const {transport} = resolvePlace(flags, env)
      const {sessions} = await deps.store.list()
      const clusters = new Map(sessions.map((facts) => [facts.cluster, withTransport(clusterOfSession(facts, settings), transport)]))
      try {
        const usual = resolveCluster({transport}, settings, hasLocalQsub())
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
