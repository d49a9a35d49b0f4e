/** `jnode start`: from nothing to a server that answers on this computer. */
import {ask} from '../ask.ts'
import {undoStack, type Undo} from '../cleanup.ts'
import type {StartOptions} from '../config/start-options.ts'
import {JnodeError} from '../errors.ts'
import {proofOf} from '../jupyter/api.ts'
import {jobScript} from '../jupyter/job-script.ts'
import {sharedPart, type SessionFacts} from '../session/facts.ts'
import {createRemoteSession, remoteDir, updateRemoteFacts} from '../session/remote-store.ts'
import {chooseParallelEnvironment, chooseResources} from '../sge/choose.ts'
import {gridEngine, type GridEngine} from '../sge/client.ts'
import {qsubArguments, qsubLine, type Submission} from '../sge/qsub.ts'
import {discoverSite, type Site} from '../sge/site.ts'
import {openTunnel} from '../tunnel/tunnel.ts'
import type {ClusterLink, Deps} from './deps.ts'
import type {OpenSession} from './open-session.ts'
import {viewOf, type SessionView} from './session-view.ts'
import {deleteJob, removeFiles} from './remove-job.ts'
import {limited, waitForServer} from './wait-for-server.ts'
import {EAGER, watchJob} from './watch-job.ts'

export interface StartInput {
  name: string
  options: StartOptions
  signal: AbortSignal
}

/** What `--dry-run` shows. */
export interface Plan {
  qsub: string
  jobScript: string
}

interface Prepared {
  site: Site
  args: string[]
  script: string
  facts: SessionFacts
}

const DEFAULT_PORT = 8888

export async function planStart(input: StartInput, deps: Deps): Promise<Plan> {
  const link = await deps.connect(input.options.cluster, {signal: input.signal})
  try {
    const {args, script, facts} = await prepare(input, link, deps)
    return {qsub: qsubLine(args, `${facts.remoteDir}/job.sh`), jobScript: script}
  } finally {
    await link.close()
  }
}

/** Submits, waits, tunnels, proves. Whatever fails before the server is ready, nothing is left; the first error wins. */
export function start(input: StartInput, deps: Deps): Promise<OpenSession> {
  return undoing(input, deps, async (undo) => {
    const {options} = input
    const signal = limited(input.signal, options.waitSeconds)
    // Before anything on the cluster: a port that is taken must not cost a job.
    const tunnel = await openTunnel({port: options.port ?? DEFAULT_PORT, orNext: options.port === null})
    undo.add('the local port', () => tunnel.close())
    const {facts, link, engine, user} = await submit({...input, signal, localPort: tunnel.port, undo}, deps)
    const watch = watchJob({head: link.head, engine, user, facts, clock: deps.clock, tell: deps.tell, signal}, EAGER)
    try {
      const way = await waitForServer({facts, link, watch, tunnel, signal}, deps)
      await saveFacts(facts, link, deps, signal)
      return {facts, link, engine, user, tunnel, way}
    } finally {
      watch.stop()
    }
  })
}

/** Submits and returns: `--no-wait`. */
export function submitOnly(input: StartInput, deps: Deps): Promise<SessionView> {
  return undoing(input, deps, async (undo) => {
    const {facts, link} = await submit({...input, localPort: null, undo}, deps)
    await saveFacts(facts, link, deps, input.signal)
    await link.close()
    return viewOf(facts, {state: 'queued', reason: null, node: null}, null)
  })
}

async function undoing<T>({name}: StartInput, deps: Deps, story: (undo: Undo) => Promise<T>): Promise<T> {
  const undo = undoStack()
  try {
    return await story(undo)
  } catch (error) {
    deps.tell({kind: 'step', id: 'clean', title: 'Clean up'})
    const left = await undo.run()
    for (const what of left) deps.tell({kind: 'warning', text: `Could not clean up: ${what}`, hint: `Run \`jnode stop ${name}\` later.`})
    if (left.length === 0 && error instanceof JnodeError && error.code === 'interrupted') {
      throw new JnodeError('interrupted', 'Interrupted before the server was ready; nothing is left of the session', {cause: error})
    }
    throw error
  }
}

async function saveFacts(facts: SessionFacts, link: ClusterLink, deps: Deps, signal: AbortSignal): Promise<void> {
  await deps.store.save(facts)
  await ask(link.head.run, updateRemoteFacts(sharedPart(facts)), {signal})
}

interface Submitted {
  facts: SessionFacts
  link: ClusterLink
  engine: GridEngine
  user: string
}

/** Saves the session before the job exists, so that a crash at any moment leaves a name to clean up by. */
async function submit(input: StartInput & {localPort: number | null; undo: Undo}, deps: Deps): Promise<Submitted> {
  const {undo, signal} = input
  const {store, clock, tell} = deps
  const {link, prepared} = await logInAndPrepare(input, deps)
  undo.add('the connection', () => link.close())
  const {site, args, script} = prepared
  const facts = {...prepared.facts, localPort: input.localPort}
  const engine = gridEngine(site)
  tell({kind: 'step', id: 'submit', title: 'Submit the job'})
  // The undoing has time of its own: the signal of this command may be what ended it.
  const removal = () => ({head: link.head, engine, user: site.user, clock, tell, signal: AbortSignal.timeout(120_000)})
  // First the directory there, which takes the name: a session of that name must not lose its file here to this one.
  undo.add('the session’s directory', () => removeFiles(removal(), facts))
  await ask(link.head.run, createRemoteSession({facts: sharedPart(facts), token: facts.token, proof: proofOf(facts.token), jobScript: script}), {signal})
  undo.add('the session’s file on this computer', () => store.remove(facts.cluster, facts.name))
  await store.save(facts)
  // Before qsub and not after: when its answer is lost, the job is looked for by its name.
  undo.add('the job', () => deleteJob(removal(), facts))
  const submission = await ask(link.head.run, engine.submit(args, `${facts.remoteDir}/job.sh`), {signal})
  facts.jobId = await jobIdOf(submission, {facts, engine, link, user: site.user, signal})
  await store.save(facts)
  tell({kind: 'done', text: `Job ${facts.jobId} submitted`})
  return {facts, link, engine, user: site.user}
}

async function logInAndPrepare(input: StartInput, deps: Deps): Promise<{link: ClusterLink; prepared: Prepared}> {
  deps.tell({kind: 'step', id: 'login', title: `Log in to ${input.options.cluster.label}`})
  const link = await deps.connect(input.options.cluster, {signal: input.signal})
  try {
    return {link, prepared: await prepare(input, link, deps)}
  } catch (error) {
    await link.close()
    throw error
  }
}

/** Learns what the site calls things, and says in its words what the user asked for. */
async function prepare({name, options, signal}: StartInput, {head}: ClusterLink, deps: Deps): Promise<Prepared> {
  const {cluster} = options
  const learn = {parallelEnvironments: options.cores > 1 || options.pe !== null, resources: options.memoryBytes !== null || options.gpus > 0}
  const site = await ask(head.run, discoverSite({setup: cluster.sgeSetup, learn}), {signal})
  const dir = remoteDir(site.home, name)
  const jobName = `jnode-${name}`
  const args = qsubArguments(
    {
      name: jobName,
      slots: options.cores,
      parallelEnvironment: chooseParallelEnvironment(site, {slots: options.cores, queue: options.queue, asked: options.pe}),
      memoryBytes: options.memoryBytes,
      gpus: options.gpus,
      runSeconds: options.runSeconds,
      queue: options.queue,
      node: options.node,
      project: options.project,
      account: options.account,
      extraArgs: options.sgeArgs,
      logPath: `${dir}/log`,
      shell: '/bin/sh',
    },
    chooseResources(site, options, cluster),
  )
  const id = deps.randomHex(16)
  const {app, dir: workDir, modules, conda, setup} = options
  const script = jobScript({name, sessionDir: dir, app, listen: options.route === 'node' ? 'loopback' : 'socket', dir: workDir, modules, conda, setup})
  const facts: SessionFacts = {
    version: 1,
    id,
    name,
    cluster: cluster.name,
    hops: cluster.hops,
    host: head.label,
    jobId: null,
    jobName,
    slots: options.cores,
    memoryBytes: options.memoryBytes,
    runSeconds: options.runSeconds,
    app,
    remoteDir: dir,
    submittedAt: new Date(deps.clock.now()).toISOString(),
    startedAt: null,
    localPort: null,
    page: '',
    token: deps.randomHex(24),
  }
  return {site, args, script, facts}
}

async function jobIdOf(submission: Submission, context: {facts: SessionFacts; engine: GridEngine; link: ClusterLink; user: string; signal: AbortSignal}): Promise<string> {
  switch (submission.kind) {
    case 'submitted':
      return submission.jobId
    case 'rejected':
      throw new JnodeError(submission.code, submission.message, {...(submission.hint ? {hint: submission.hint} : {})})
    case 'uncertain': {
      const {facts, engine, link, user, signal} = context
      const list = await ask(link.head.run, engine.list(user), {signal})
      const job = list.kind === 'known' ? list.jobs.find((candidate) => candidate.name === facts.jobName) : undefined
      if (!job) throw new JnodeError('rejected', `qsub gave an answer that is not understood: ${submission.said}`, {hint: 'Run the line of --dry-run on the head node to see what it says there.'})
      return job.id
    }
  }
}
