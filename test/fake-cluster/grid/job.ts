/** A job of the mock Grid Engine, and its processes on a node of the fake cluster. */
import type {ChildProcess} from 'node:child_process'
import {closeSync, mkdirSync, openSync, rmSync, statSync, writeFileSync} from 'node:fs'
import {join} from 'node:path'
import type {Processes} from '../processes.ts'
import type {QsubRequest} from './qsub.ts'
import type {Share} from './scheduler.ts'

/** Pending, held, in error; on its way to a node; running. A `d` in front: to be deleted. */
export type JobState = 'qw' | 'hqw' | 'Eqw' | 't' | 'r' | 'dt' | 'dr'

export interface Job {
  id: number
  owner: string
  request: QsubRequest
  state: JobState
  submittedAt: Date
  startedAt: Date | null
  /** Where it is placed, the host of the script first; empty while it waits. */
  shares: Share[]
  queue: string
  errorReason: string | null
  /** Was told to end because its h_rt was over. */
  overTime: boolean
  run: RunningJob | null
}

/** Full name of the host that runs the script; null while the job waits. */
export function nodeOf(job: Job): string | null {
  return job.shares[0]?.host ?? null
}

export interface RunningJob {
  readonly group: number
  signal(name: NodeJS.Signals): void
}

export interface Ending {
  exitCode: number | null
  signal: NodeJS.Signals | null
}

export interface JobPlaces {
  home: string
  jobTmp: string
  spool: string
  /** PATH of a node's jobs. */
  pathOf(node: string): string
  /** A script as it must read to find a node's own files (all nodes are this machine). */
  onNode(node: string, script: string): string
}

/** Starts the job's script in a process group of its own; `onEnd` is called once nothing of it is left. Throws when its log cannot be opened. */
export function runJob(job: Job, options: {processes: Processes; places: JobPlaces; user: string}, onEnd: (ending: Ending) => void): RunningJob {
  const {processes, places} = options
  const {request} = job
  const tmp = join(places.jobTmp, `${job.id}.1.${job.queue}`)
  const spool = join(places.spool, `${job.id}`)
  mkdirSync(tmp, {recursive: true, mode: 0o755})
  mkdirSync(spool, {recursive: true})
  const script = join(spool, 'script')
  writeFileSync(script, places.onNode(nodeOf(job)!, request.script), {mode: 0o755})
  const out = openSync(outputPath(job, places.home, 'o'), 'a', 0o644)
  const err = request.join ? out : openSync(outputPath(job, places.home, 'e'), 'a', 0o644)
  const [file, ...args] = [...interpreter(request), script, ...request.scriptArgs] as [string, ...string[]]
  const env = jobEnv(job, {...places, tmp, spool, user: options.user})
  const child: ChildProcess = processes.start(file, args, {cwd: request.workDir, env, stdio: ['ignore', out, err]})
  closeSync(out)
  if (err !== out) closeSync(err)
  const group = child.pid ?? 0
  child.once('exit', (exitCode, signal) => {
    // As the execution daemon does: what the script left behind ends with it, its TMPDIR too.
    void processes.killAll(group).then(() => {
      rmSync(tmp, {recursive: true, force: true})
      onEnd({exitCode, signal})
    })
  })
  child.once('error', () => onEnd({exitCode: 127, signal: null}))
  return {
    group,
    signal(name) {
      try {
        process.kill(-group, name)
      } catch {
        // it ended meanwhile
      }
    },
  }
}

const QUEUE_SHELL = '/bin/sh'

/** Queues with `shell_start_mode unix_behavior` obey the `#!` line; without one, -S decides. */
function interpreter(request: QsubRequest): string[] {
  const hashBang = /^#!\s*(\S+)[ \t]*([^\n]*)/.exec(request.script)
  if (!hashBang) return [request.shell ?? QUEUE_SHELL]
  return [hashBang[1]!, ...(hashBang[2]!.trim() ? [hashBang[2]!.trim()] : [])]
}

export function outputPath(job: Job, home: string, kind: 'o' | 'e'): string {
  const given = kind === 'o' ? job.request.stdout : job.request.stderr
  const standard = `${job.request.name}.${kind}${job.id}`
  if (given === null) return join(job.request.workDir, standard)
  const path = given
    .replace(/^[^/:]*:/, '') // [host]:path
    .replaceAll('$JOB_ID', String(job.id))
    .replaceAll('$JOB_NAME', job.request.name)
    .replaceAll('$HOME', home)
    .replaceAll('$USER', job.owner)
    .replaceAll('$HOSTNAME', nodeOf(job) ?? '')
  return isDirectory(path) ? join(path, standard) : path
}

function isDirectory(path: string): boolean {
  return statSync(path, {throwIfNoEntry: false})?.isDirectory() ?? false
}

interface JobSurroundings extends Pick<JobPlaces, 'home' | 'spool' | 'pathOf'> {
  tmp: string
  user: string
}

function jobEnv(job: Job, {home, tmp, spool, pathOf, user}: JobSurroundings): Record<string, string> {
  const {request} = job
  const pe = request.pe
  const path = pathOf(nodeOf(job)!)
  const hostFile = join(spool, 'pe_hostfile')
  if (pe) writeFileSync(hostFile, job.shares.map(({host, slots}) => `${host} ${slots} ${job.queue}@${host} UNDEFINED\n`).join(''))
  return {
    ...request.env,
    HOME: home,
    USER: user,
    LOGNAME: user,
    SHELL: request.shell ?? QUEUE_SHELL,
    PATH: `${tmp}:${path}`,
    FAKE_LOGIN_PATH: path,
    TMPDIR: tmp,
    TMP: tmp,
    ENVIRONMENT: 'BATCH',
    HOSTNAME: nodeOf(job)!,
    JOB_ID: String(job.id),
    JOB_NAME: request.name,
    JOB_SCRIPT: join(spool, 'script'),
    REQUEST: request.name,
    REQNAME: request.name,
    NSLOTS: String(request.slots),
    NHOSTS: String(job.shares.length),
    NQUEUES: String(job.shares.length),
    QUEUE: job.queue,
    RESTARTED: '0',
    ...(pe ? {PE: pe, PE_HOSTFILE: hostFile} : {}),
    SGE_ACCOUNT: request.account ?? 'sge',
    SGE_CELL: 'default',
    SGE_CLUSTER_NAME: 'p6444',
    SGE_JOB_SPOOL_DIR: spool,
    SGE_O_HOME: home,
    SGE_O_HOST: 'head',
    SGE_O_LOGNAME: job.owner,
    SGE_O_SHELL: '/bin/sh',
    SGE_O_WORKDIR: request.workDir,
    SGE_STDERR_PATH: outputPath(job, home, request.join ? 'o' : 'e'),
    SGE_STDIN_PATH: '/dev/null',
    SGE_STDOUT_PATH: outputPath(job, home, 'o'),
    SGE_TASK_FIRST: 'undefined',
    SGE_TASK_ID: 'undefined',
    SGE_TASK_LAST: 'undefined',
    SGE_TASK_STEPSIZE: 'undefined',
  }
}
