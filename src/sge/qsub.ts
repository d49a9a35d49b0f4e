/** `qsub`: a request → its arguments, its answer → a job number. */
import type {ErrorCode} from '../errors.ts'
import {JnodeError} from '../errors.ts'
import {command} from '../shell.ts'
import {clockText} from '../time.ts'
import {memoryText} from './memory.ts'
import {readRefusal} from './refusal.ts'
import {folded, quoted} from './said.ts'

export interface JobRequest {
  /** Begins with a letter; letters, digits, `_.-` only. */
  name: string
  slots: number
  /** Null only for one slot. */
  parallelEnvironment: string | null
  /** For the whole job, whatever the site counts per slot. */
  memoryBytes: number | null
  /** For the whole job. */
  gpus: number
  runSeconds: number | null
  queue: string | null
  node: string | null
  project: string | null
  account: string | null
  /** Arguments of qsub, one word each, passed on as they are. */
  extraArgs: readonly string[]
  /** Absolute path on the nodes; its directory must exist there. */
  logPath: string
  shell: '/bin/sh'
}

/** A resource of the site, and what one unit of a request for it stands for. */
export interface ResourceUse {
  resource: string
  /** `slot`: Grid Engine multiplies a request by the slots; `job`: it does not. */
  per: 'slot' | 'job'
  /** A part of one can be asked for. */
  divisible?: boolean
}

export interface ResourceChoice {
  /** All of them are asked for; empty when the request asks for no memory. */
  memory: ResourceUse[]
  /** Null when the request asks for no GPU. */
  gpu: ResourceUse | null
}

/** The options of qsub for a request; the script's path follows them. Nothing secret goes in: qstat shows them to everybody. */
export function qsubArguments(request: JobRequest, resources: ResourceChoice): string[] {
  const {slots, parallelEnvironment, account, extraArgs} = request
  const chosen = (slots === 1 || parallelEnvironment !== null) && (request.memoryBytes === null || resources.memory.length > 0) && (request.gpus === 0 || resources.gpu)
  if (!chosen) throw new TypeError('what is asked for must have been chosen before: parallel environment, memory and GPU resource')
  if (extraArgs.length > 0 && !extraArgs[0]!.startsWith('-')) {
    // qsub would take it for the script.
    throw new JnodeError('usage', `--sge-arg ${extraArgs[0]} is no option of qsub`, {hint: 'Give each word its own flag: --sge-arg=-l --sge-arg=name=value.'})
  }
  if (account !== null && !/^[!-~]+$/.test(account)) {
    // qsub itself says nothing but "Error reading answer list from qmaster".
    throw new JnodeError('usage', `--account "${account}" holds characters that Grid Engine refuses`, {hint: 'Use plain letters and digits, without blanks.'})
  }
  return [
    '-terse',
    // A site's sge_request may say -b y, and the queue's own shell is often csh.
    ...['-b', 'n', '-S', request.shell, '-N', request.name],
    ...['-o', logOption(request.logPath), '-j', 'y'],
    // A restart would be a second Jupyter on another node, and without -notify the end is SIGKILL.
    ...['-r', 'n', '-notify', '-m', 'n'],
    ...(parallelEnvironment === null ? [] : ['-pe', parallelEnvironment, String(slots)]),
    ...resourceList(request, resources).flatMap((item) => ['-l', item]),
    ...(request.queue === null ? [] : ['-q', request.queue]),
    ...(request.project === null ? [] : ['-P', request.project]),
    ...(account === null ? [] : ['-A', account]),
    ...extraArgs,
  ]
}

/** -o takes `[host]:path`, so a path with a colon needs the colon of an empty host. */
function logOption(path: string): string {
  return path.includes(':') ? `:${path}` : path
}

function resourceList(request: JobRequest, {memory, gpu}: ResourceChoice): string[] {
  const {slots, memoryBytes, gpus, runSeconds, node} = request
  const list = runSeconds === null ? [] : [`h_rt=${clockText(runSeconds)}`]
  if (memoryBytes !== null) list.push(...memory.map(({resource, per}) => `${resource}=${memoryText(per === 'slot' ? memoryBytes / slots : memoryBytes)}`))
  if (gpus > 0 && gpu) list.push(`${gpu.resource}=${gpu.per === 'slot' ? gpusPerSlot(gpus, slots, gpu) : gpus}`)
  if (node !== null) list.push(`hostname=${node}`)
  return list
}

/** Asking for one GPU per slot where one was wanted would wait for ever. */
function gpusPerSlot(gpus: number, slots: number, {resource, divisible}: ResourceUse): number {
  if (gpus % slots === 0) return gpus / slots
  // Rounded down: a hair more than one GPU would be two.
  if (divisible) return Math.floor((gpus / slots) * 1e6) / 1e6
  throw new JnodeError('usage', `This cluster counts ${resource} per slot: ${slots} slots cannot share ${gpus} of them`, {
    hint: `Ask for a multiple of --cores with --gpus, for fewer --cores, or in the site's own way with --sge-arg.`,
  })
}

/** The command as one would type it on the head node. */
export function qsubLine(args: readonly string[], scriptPath: string): string {
  return command(['qsub', ...args, scriptPath])
}

export type Submission =
  | {kind: 'submitted'; jobId: string; warning: string | null}
  | {kind: 'rejected'; code: ErrorCode; message: string; hint: string}
  /** Perhaps submitted: look for the job's name in the list before trying again. */
  | {kind: 'uncertain'; said: string}

/** Reads what `qsub -terse` answered; banners, JSV notes and linker warnings around it are normal. */
export function readSubmission({exitCode, stdout, stderr}: {exitCode: number; stdout: string; stderr: string}): Submission {
  const both = `${stdout}\n${stderr}`
  // Comes with "Unable to run job: warning: ..." and exit status 1 too, though the job stands in the list.
  const sentence = /Your job(?:-array)? (\d{1,19})(?:\.\d+-\d+:\d+)? \(.{0,600}?\) has been submitted/i.exec(folded(both))
  const warning = /warning: (.{0,600}?) Your job/i.exec(folded(stderr))?.[1] ?? null
  if (sentence) return {kind: 'submitted', jobId: sentence[1]!, warning}
  const refused = /unable to run job|because of error|^qsub: /im.test(both)
  const tersely = stdout.split('\n').map((line) => /^(\d{1,19})(\.\d+-\d+:\d+)?$/.exec(line.trim())?.[1]).findLast(Boolean)
  if (tersely !== undefined && !refused) return {kind: 'submitted', jobId: tersely, warning: null}
  const said = quoted(both, 600)
  if (exitCode <= 0 || folded(both) === '') return {kind: 'uncertain', said}
  const refusal = readRefusal(both)
  return refusal === 'maybe-submitted' ? {kind: 'uncertain', said} : {kind: 'rejected', ...refusal}
}
