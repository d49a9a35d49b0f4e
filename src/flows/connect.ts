/** `jnode connect`: back to a session, also one that another computer started. The same story as `start`, entered at qstat. */
import {ask, askAll} from '../ask.ts'
import type {ClusterTarget} from '../config/cluster.ts'
import {JnodeError} from '../errors.ts'
import {sharedPart, type SessionFacts} from '../session/facts.ts'
import {readRemoteSessions, updateRemoteFacts} from '../session/remote-store.ts'
import {gridEngine} from '../sge/client.ts'
import {discoverSite} from '../sge/site.ts'
import {NOTHING} from './learn.ts'
import {openTunnel} from '../tunnel/tunnel.ts'
import type {ClusterLink, Deps} from './deps.ts'
import type {OpenSession} from './open-session.ts'
import {limited, waitForServer} from './wait-for-server.ts'
import {EAGER, watchJob} from './watch-job.ts'

export interface ConnectInput {
  name: string
  cluster: ClusterTarget
  /** Local port asked for; null for the session's own, or the next free one. */
  port: number | null
  waitSeconds: number | null
  signal: AbortSignal
}

const DEFAULT_PORT = 8888

/** Leaves the job alone whatever fails. Throws `no-session`, `job-ended`, `port-taken`, `no-route` and what a login throws. */
export async function connect(input: ConnectInput, deps: Deps): Promise<OpenSession> {
  const {cluster, name} = input
  const signal = limited(input.signal, input.waitSeconds)
  deps.tell({kind: 'step', id: 'login', title: `Log in to ${cluster.label}`})
  const link = await deps.connect(cluster, {signal})
  try {
    return await connectOver(link, {...input, signal}, deps)
  } catch (error) {
    await link.close()
    throw error instanceof JnodeError && error.code === 'job-ended' ? endedBefore(name, error) : error
  }
}

function endedBefore(name: string, error: JnodeError): JnodeError {
  return new JnodeError('job-ended', error.message, {hint: error.hint ?? `Remove what is left of it with \`jnode stop ${name}\`.`, cause: error})
}

async function connectOver(link: ClusterLink, {name, cluster, port, signal}: ConnectInput, deps: Deps): Promise<OpenSession> {
  const site = await ask(link.head.run, discoverSite({setup: cluster.sgeSetup, learn: NOTHING}), {signal})
  const engine = gridEngine(site)
  const [jobs, listing] = await askAll(link.head.run, [engine.list(site.user), readRemoteSessions(name)], {signal})
  const there = listing.sessions[0]
  if (!there) {
    const broken = listing.broken[0]
    throw new JnodeError('no-session', broken ? `Session "${name}" on ${cluster.label} cannot be read: ${broken.why}` : `There is no session "${name}" on ${cluster.label}`, {
      hint: broken ? `Remove it with \`jnode stop ${name}\`.` : '`jnode list` shows those there are.',
    })
  }
  const job = jobs.kind === 'known' ? jobs.jobs.find((candidate) => candidate.name === there.facts.jobName) : undefined
  const facts: SessionFacts = {...there.facts, cluster: cluster.name, hops: cluster.hops, token: there.token, jobId: there.facts.jobId ?? job?.id ?? null}
  if (facts.jobId === null) throw new JnodeError('job-ended', `Session "${name}" never got a job`)
  const wantedPort = port ?? facts.localPort ?? DEFAULT_PORT
  const tunnel = await openTunnel({port: wantedPort, orNext: port === null})
  try {
    if (facts.localPort !== null && tunnel.port !== facts.localPort) {
      deps.tell({kind: 'warning', text: `Port ${facts.localPort} of this computer is taken, so the URL has changed: it is now ${tunnel.port}`})
    }
    facts.localPort = tunnel.port
    const watch = watchJob({head: link.head, engine, user: site.user, facts, clock: deps.clock, tell: deps.tell, signal}, EAGER)
    try {
      const way = await waitForServer({facts, link, watch, tunnel, signal}, deps)
      await deps.store.save(facts)
      await ask(link.head.run, updateRemoteFacts(sharedPart(facts)), {signal})
      return {facts, link, engine, user: site.user, tunnel, way}
    } finally {
      watch.stop()
    }
  } catch (error) {
    await tunnel.close()
    throw error
  }
}
