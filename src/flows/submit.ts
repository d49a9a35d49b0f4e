/** From what the user asked for to a job in the queue, with a session that is saved before the job exists. */
import {ask} from '../ask.ts'
import type {Undo} from '../cleanup.ts'
import type {ClusterTarget} from '../config/cluster.ts'
import type {StartOptions} from '../config/start-options.ts'
import {JnodeError, throwIfAborted} from '../errors.ts'
import {proofOf} from '../jupyter/api.ts'
import {jobScript} from '../jupyter/job-script.ts'
import {sharedPart, type SessionFacts} from '../session/facts.ts'
import {createRemoteSession, JOB_SCRIPT, jobNameOf, remoteDir} from '../session/remote-store.ts'
import {tightAddressSpace} from '../sge/address-space.ts'
import {chooseResources} from '../sge/choose-resources.ts'
import {chooseParallelEnvironment} from '../sge/choose.ts'
import {gridEngine, type GridEngine} from '../sge/client.ts'
import type {Learn} from '../sge/discovery.ts'
import {qsubArguments, type Submission} from '../sge/qsub.ts'
import {discoverSite, type Site} from '../sge/site.ts'
import type {Remote} from '../ssh/remote.ts'
import type {Answer, ClusterLink, Deps} from './deps.ts'
import {noteMachine} from './note-machine.ts'
import {listOurJobs} from './our-jobs.ts'
import {deleteJob, removeFiles} from './remove-job.ts'

export interface StartInput {
  name: string
  options: StartOptions
  /** Asks what becomes of a job that cannot start; left out where nobody can be asked. */
  answer?: Answer | null
  signal: AbortSignal
  onWaiting?: (url: string) => void
}

interface Prepared {
  site: Site
  args: string[]
  script: string
  facts: SessionFacts
}

export interface Submitted {
  facts: SessionFacts
  /** Replaced when it was lost and made again: what undoes the submission needs the one that lives. */
  link: ClusterLink
  engine: GridEngine
  /** User name on the cluster. */
  user: string
}

/** Where the tunnel is open already. */
type LocalPlace = Pick<SessionFacts, 'localPort' | 'origin'>

/** Saves the session before the job exists, so that a crash at any moment leaves a name to clean up by. */
export async function submit(input: StartInput & {place: LocalPlace | null; undo: Undo}, deps: Deps): Promise<Submitted> {
  const {undo, signal} = input
  const {store, tell} = deps
  const {link, prepared} = await logInAndPrepare(input, {lend: input.place !== null}, deps)
  const {site, args, script} = prepared
  const facts = {...prepared.facts, ...input.place}
  const engine = gridEngine(site)
  const submitted: Submitted = {facts, link, engine, user: site.user}
  undo.add('the connection', () => submitted.link.close())
  tell({kind: 'step', id: 'submit', title: 'Submit the job'})
  const progress: Progress = {name: 'unknown', mayHaveJob: false}
  undo.add('the session', () => takeBack(submitted, progress, input.options.cluster, deps))
  // These two are not cut short by Ctrl-C: half a submission is a job that nobody knows of.
  try {
    await ask(link.head.run, createRemoteSession({facts: sharedPart(facts), token: facts.token, proof: proofOf(facts.token), jobScript: script}))
  } catch (error) {
    if (error instanceof JnodeError && error.code === 'session-exists') progress.name = 'taken'
    throw error
  }
  progress.name = 'ours'
  await store.save(facts)
  throwIfAborted(signal)
  progress.mayHaveJob = true
  const submission = await ask(link.head.run, engine.submit(args, `${facts.remoteDir}/${JOB_SCRIPT}`))
  if (submission.kind === 'rejected') progress.mayHaveJob = false
  facts.jobId = await jobIdOf(submission, {facts, engine, link, user: site.user, signal})
  await noteMachine(facts, link)
  await store.save(facts)
  if (submission.kind === 'submitted' && submission.warning !== null) tell({kind: 'warning', text: submission.warning})
  tell({kind: 'done', text: `Job ${facts.jobId} submitted`})
  throwIfAborted(signal)
  return submitted
}

interface Progress {
  /** Whose directory it is that has the name on the cluster; `unknown` where the answer was lost. */
  name: 'unknown' | 'ours' | 'taken'
  mayHaveJob: boolean
}

/** A qsub that was under way when the link died has its answer by then. */
const LATE_QSUB_MS = 3000

/**
 * Removes job, directory and file of a session that did not get ready, over a new connection where the old one is dead.
 * Has time of its own, since the command's signal may be what ended it. When it fails, the file here stays: `stop` needs it.
 */
async function takeBack({facts, link, engine, user}: Submitted, {name, mayHaveJob}: Progress, cluster: ClusterTarget, deps: Deps): Promise<void> {
  // The other session may be about to write the facts by which its directory is known not to be ours.
  if (name === 'taken') return
  const signal = AbortSignal.timeout(150_000)
  const remove = async (head: Remote) => {
    const context = {head, engine, user, clock: deps.clock, tell: deps.tell, signal}
    // By its name where qsub's answer was lost. A Grid Engine that took no job need not be able to list any.
    if (mayHaveJob) await deleteJob(context, facts)
    await removeFiles(context, facts)
  }
  try {
    await remove(link.head)
  } catch (error) {
    // Whether it has gone cannot be seen, but a job that is told to end does not run on for days.
    if (error instanceof JnodeError && error.code === 'no-grid-engine' && facts.jobId !== null) await ask(link.head.run, engine.remove(facts.jobId), {signal})
    if (!(error instanceof JnodeError) || error.code !== 'connection-lost') throw error
    await deps.clock.sleep(LATE_QSUB_MS, signal)
    const again = await deps.connect(cluster, {signal, silent: true})
    try {
      await remove(again.head)
    } finally {
      await again.close()
    }
  }
  if (name === 'ours') await deps.store.remove(facts.cluster, facts.name)
}

async function logInAndPrepare(input: StartInput, {lend}: {lend: boolean}, deps: Deps): Promise<{link: ClusterLink; prepared: Prepared}> {
  deps.tell({kind: 'step', id: 'login', title: `Log in to ${input.options.cluster.label}`})
  const link = await deps.connect(input.options.cluster, {signal: input.signal, lend})
  try {
    return {link, prepared: await prepare(input, link, deps)}
  } catch (error) {
    await link.close()
    throw error
  }
}

/** What the configuration names need not be learnt: qsub itself says where it is wrong. */
function neededFor({cluster, cores, pe, memoryBytes, gpus}: StartOptions): Learn {
  return {
    parallelEnvironments: pe === null ? cores > 1 : pe !== cluster.pe,
    resources: (memoryBytes !== null && cluster.memory === null) || gpus > 0,
    account: false,
  }
}

/** Learns what the site calls things, and says in its words what the user asked for. */
export async function prepare({name, options, signal}: StartInput, {head}: ClusterLink, deps: Deps): Promise<Prepared> {
  const {cluster} = options
  const site = await ask(head.run, discoverSite({setup: cluster.sgeSetup, learn: neededFor(options)}), {signal})
  const resources = chooseResources(site, options, cluster)
  const request = {slots: options.cores, memoryBytes: options.memoryBytes, gpus: options.gpus, queue: options.queue}
  const tight = tightAddressSpace(site, request, resources.memory)
  if (tight) deps.tell({kind: 'warning', ...tight})
  const dir = remoteDir(site.home, name)
  const jobName = jobNameOf(name)
  const args = qsubArguments(
    {
      ...request,
      name: jobName,
      parallelEnvironment: chooseParallelEnvironment(site, {...request, asked: options.pe}),
      runSeconds: options.runSeconds,
      node: options.node,
      project: options.project,
      account: options.account,
      extraArgs: options.sgeArgs,
      logPath: `${dir}/log`,
      shell: '/bin/sh',
    },
    resources,
  )
  const id = deps.randomHex(16)
  const {app, dir: workDir, modules, conda, setup, idleSeconds, kernelTransport} = options
  const script = jobScript({name, sessionDir: dir, app, dir: workDir, modules, conda, setup, idleSeconds, kernelTransport})
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
    ...(options.route === 'auto' ? {} : {route: options.route}),
    page: '',
    gpus: null,
    kernelTransport,
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
      const list = await ask(link.head.run, listOurJobs(engine, user), {signal})
      const job = list.kind === 'known' ? list.jobs.find((candidate) => candidate.name === facts.jobName) : undefined
      if (!job) throw new JnodeError('rejected', `qsub gave an answer that is not understood: ${submission.said}`, {hint: 'Run the line of --dry-run on the head node to see what it says there.'})
      return job.id
    }
  }
}
