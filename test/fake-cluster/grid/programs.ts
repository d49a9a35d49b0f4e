/** The Grid Engine programs of the fake head node: arguments in, Grid Engine's own words out. */
import {withSiteNotes, QSTAT_DOWN} from './noise.ts'
import type {ActiveFaults} from '../faults.ts'
import type {Answer, Answerer, Request} from './door.ts'
import type {Grid} from './grid.ts'
import type {Job} from './job.ts'
import {accountText, detailsText, listText, listXml, unknownJobXml} from './print.ts'
import {QsubError, readQsub, type QsubRequest} from './qsub.ts'
import {COMPLEXES, PARALLEL_ENVIRONMENTS, QUEUE, resourceName, SITE_NODES, sizeOf} from './site.ts'

interface ProgramOptions {
  grid: Grid
  faults: ActiveFaults
  home: string
  user: string
}

export function makePrograms(options: ProgramOptions): Answerer {
  const programs: Record<string, (request: Request) => Answer> = {
    qsub: (request) => qsub(request, options),
    qstat: (request) => qstat(request, options),
    qdel: (request) => qdel(request, options),
    qacct: (request) => qacct(request, options),
    qconf: (request) => qconf(request),
    qselect: (request) => qselect(request),
    qalter: (request) => qalter(request, options),
  }
  return (request) => programs[request.program]!(request)
}

function qsub(request: Request, {grid, faults, home}: ProgramOptions): Answer {
  if (faults['qstat-fails']) return refused(`unable to send message to qmaster using port 6444 on host "head.local": got send error.`)
  if (faults['qsub-rejects'] !== undefined) return refused(faults['qsub-rejects'])
  try {
    const asked = readQsub(request, home)
    const denied = refusal(asked)
    if (denied !== null) return refused(denied)
    if (asked.verify === 'v') return verify(asked)
    const job = grid.submit(asked)
    if (faults['qsub-answer-lost']) return {exitCode: 1}
    const answer = asked.terse ? `${job.id}\n` : `Your job ${job.id} ("${asked.name}") has been submitted\n`
    return {stdout: faults['qsub-banner'] ? withSiteNotes(answer) : answer}
  } catch (error) {
    if (error instanceof QsubError) return {stderr: error.message, exitCode: error.exitCode}
    throw error
  }
}

function refused(reason: string): Answer {
  return {stderr: `Unable to run job: ${reason}\nExiting.\n`, exitCode: 1}
}

function refusal(asked: QsubRequest): string | null {
  if (asked.pe !== null && PARALLEL_ENVIRONMENTS[asked.pe] === undefined) {
    return `job rejected: the requested parallel environment "${asked.pe}" does not exist.`
  }
  const queue = asked.queues.find((name) => name.split('@')[0] !== QUEUE && !name.includes('*'))
  if (queue !== undefined) return `Job was rejected because job requests unknown queue "${queue}".`
  const resource = [...asked.resources.keys()].find((name) => resourceName(name) === undefined)
  if (resource !== undefined) return `unknown resource "${resource}".`
  if (asked.project !== null) return `job rejected: project "${asked.project}" does not exist.`
  return null
}

/** `-w v`: could it ever run on the empty cluster? */
function verify(asked: QsubRequest): Answer {
  const fits = SITE_NODES.some((node) => neverReasons(asked, node).length === 0)
  if (fits) return {stdout: 'verification: found suitable queue(s)\n'}
  const reasons = SITE_NODES.flatMap((node) => neverReasons(asked, node)).map((reason) => `Job ${NOT_SUBMITTED} ${reason}\n`)
  return {stderr: `Unable to run job: ${reasons.join('')}verification: no suitable queues.\nExiting.\n`, exitCode: 1}
}

const NOT_SUBMITTED = 4294967295

function neverReasons(asked: QsubRequest, node: (typeof SITE_NODES)[number]): string[] {
  const reasons: string[] = []
  const host = asked.resources.get('hostname') ?? asked.resources.get('h')
  if (host !== undefined && host !== node.host && host !== node.host.split('.')[0]) reasons.push(`(-l hostname=${host}) cannot run at host "${node.host}"`)
  for (const [name, amount] of Object.entries(node.consumables)) {
    const wanted = asked.resources.get(name)
    if (wanted !== undefined && sizeOf(wanted) * asked.slots > amount) reasons.push(`(-l ${name}=${wanted}) cannot run at host "${node.host}" because it offers only hc:${name}=${amount.toFixed(6)}`)
  }
  const room = asked.pe !== null && PARALLEL_ENVIRONMENTS[asked.pe] !== '$pe_slots' ? SITE_NODES.reduce((sum, {slots}) => sum + slots, 0) : node.slots
  if (asked.slots > room) reasons.push(`cannot run in PE "${asked.pe}" because it only offers 0 slots`)
  return reasons
}

function qstat({args}: Request, {grid, faults, home}: ProgramOptions): Answer {
  const value = (name: string) => (args.includes(name) ? args[args.indexOf(name) + 1] : undefined)
  if (args.includes('-help')) return {stdout: 'SGE 8.1.9\nusage: qstat [options]\n'}
  if (faults['qstat-fails']) return {stderr: QSTAT_DOWN, exitCode: 1}
  if (faults['qstat-nonsense']) return {stdout: '<html>\n<h1>503 queue full</h1> 17 18 19\n'}
  if (faults['qstat-empty']) return {}
  const xml = args.includes('-xml')
  const asked = value('-j')
  if (asked !== undefined) {
    const job = grid.find(Number(asked))
    if (!job) return xml ? {stdout: unknownJobXml(asked)} : {stderr: `Following jobs do not exist: \n${asked}\n`, exitCode: 1}
    return {stdout: detailsText(job, {home, reasons: grid.reasons(job)})}
  }
  const owner = value('-u') ?? '*'
  const jobs = grid.jobs().filter((job) => owner === '*' || owner.split(',').includes(job.owner))
  const text = xml ? listXml(jobs) : listText(jobs)
  return {stdout: faults['qstat-truncated'] ? text.slice(0, text.lastIndexOf('</job_info>', text.length - 15)) : text}
}

function qdel({args}: Request, {grid, user}: ProgramOptions): Answer {
  const lines = args.filter((arg) => !arg.startsWith('-')).flatMap((arg) => arg.split(',')).map((id) => deleteOne(id, grid.find(Number(id)), {grid, user}))
  return {stdout: lines.map(({text}) => `${text}\n`).join(''), exitCode: lines.some(({failed}) => failed) ? 1 : 0}
}

function deleteOne(id: string, job: Job | undefined, {grid, user}: {grid: Grid; user: string}): {text: string; failed: boolean} {
  if (!job) return {text: `denied: job "${id}" does not exist`, failed: true}
  if (job.owner !== user) return {text: `${user} - you do not have the necessary privileges to delete the job "${id}"`, failed: true}
  if (job.state.startsWith('d')) return {text: `job ${id} is already in deletion`, failed: false}
  const runs = job.node !== null
  grid.remove(job)
  return {text: runs ? `${user} has registered the job ${id} for deletion` : `${user} has deleted job ${id}`, failed: false}
}

function qacct({args}: Request, {grid}: ProgramOptions): Answer {
  const id = args[args.indexOf('-j') + 1] ?? ''
  const record = grid.accounting(Number(id))
  return record ? {stdout: accountText(record)} : {stderr: `error: job id ${id} not found\n`, exitCode: 1}
}

function qconf({args}: Request): Answer {
  const [verb, name = ''] = args
  switch (verb) {
    case '-spl':
      return {stdout: Object.keys(PARALLEL_ENVIRONMENTS).map((pe) => `${pe}\n`).join('')}
    case '-sp':
      return PARALLEL_ENVIRONMENTS[name] === undefined ? {stderr: `${name} is not a parallel environment\n`, exitCode: 1} : {stdout: environmentText(name)}
    case '-sc':
      return {stdout: `#name               shortcut   type      relop requestable consumable default  urgency \n#${'-'.repeat(86)}\n${COMPLEXES}# >#< starts a comment but comments are not saved across edits --------\n`}
    case '-sql':
      return {stdout: `${QUEUE}\n`}
    case '-sel':
      return {stdout: SITE_NODES.map(({host}) => `${host}\n`).join('')}
    default:
      return {stderr: `error: invalid option argument "${verb}"\n`, exitCode: 1}
  }
}

function environmentText(name: string): string {
  return `pe_name            ${name}
slots              999
user_lists         NONE
xuser_lists        NONE
start_proc_args    NONE
stop_proc_args     NONE
allocation_rule    ${PARALLEL_ENVIRONMENTS[name]}
control_slaves     TRUE
job_is_first_task  TRUE
urgency_slots      min
accounting_summary FALSE
qsort_args         NONE
`
}

function qselect({args}: Request): Answer {
  const pe = args.includes('-pe') ? args[args.indexOf('-pe') + 1]! : undefined
  if (pe !== undefined && PARALLEL_ENVIRONMENTS[pe] === undefined) return {stderr: 'error: no such parallel environment\n', exitCode: 1}
  return {stdout: SITE_NODES.map(({host}) => `${QUEUE}@${host}\n`).join('')}
}

function qalter({args}: Request, {grid}: ProgramOptions): Answer {
  const id = args.at(-1) ?? ''
  const job = grid.find(Number(id))
  return job ? {stdout: grid.reasons(job).map((reason) => `Job ${id} ${reason}\n`).join('') + 'verification: no suitable queues\n', exitCode: 1} : {stdout: `denied: job "${id}" does not exist\n`, exitCode: 1}
}
