/** The Grid Engine programs of the fake head node: arguments in, Grid Engine's own words out. */
import type {ActiveFaults} from '../faults.ts'
import type {Answer, Answerer, Program, Request} from './door.ts'
import type {Grid} from './grid.ts'
import {nodeOf, type Job} from './job.ts'
import {accountText, detailsText, listText, listXml, unknownJobXml, withSiteNotes} from './print.ts'
import {QsubError, readQsub, refusedFor, type QsubRequest} from './qsub.ts'
import {judge} from './scheduler.ts'
import {allocationRule, captured, SITE_NODES} from './site.ts'

interface ProgramOptions {
  grid: Grid
  faults: ActiveFaults
  home: string
  user: string
}

export function makePrograms(options: ProgramOptions): Answerer {
  const programs: Record<Program, (request: Request) => Answer> = {
    qsub: (request) => qsub(request, options),
    qstat: (request) => qstat(request, options),
    qdel: (request) => qdel(request, options),
    qacct: (request) => qacct(request, options),
    qconf: (request) => qconf(request, options),
    qselect: (request) => qselect(request, options),
    qalter: (request) => qalter(request, options),
  }
  return (request) => programs[request.program](request)
}

function qsub(request: Request, {grid, faults, home}: ProgramOptions): Answer {
  if (faults['qmaster-down']) return {stderr: captured('qsub-unreachable.txt')!, exitCode: 1}
  try {
    if (faults['qsub-rejects'] !== undefined) throw refusedFor(faults['qsub-rejects'])
    const asked = readQsub(request, home)
    if (asked.verify === 'v') return verify(asked)
    if (asked.verify === 'e' && judge(asked, SITE_NODES).kind === 'waits') throw refusedFor('error: no suitable queues')
    const job = grid.submit(asked)
    if (faults['qsub-answer-lost']) return {exitCode: 1}
    const answer = asked.terse ? `${job.id}\n` : `Your job ${job.id} ("${asked.name}") has been submitted\n`
    return {stdout: faults['qsub-banner'] ? withSiteNotes(answer) : answer}
  } catch (error) {
    if (error instanceof QsubError) return {stderr: error.message, exitCode: error.exitCode}
    throw error
  }
}

/** `-w v`: could it ever run, on the empty cluster? */
function verify(asked: QsubRequest): Answer {
  const verdict = judge(asked, SITE_NODES)
  if (verdict.kind === 'placed') return {stdout: 'verification: found suitable queue(s)\n'}
  const reasons = verdict.reasons.map((reason) => `Job 4294967295 ${reason}\n`)
  return {stderr: `Unable to run job: ${reasons.join('')}verification: no suitable queues\nExiting.\n`, exitCode: 1}
}

function qstat({args}: Request, {grid, faults, home}: ProgramOptions): Answer {
  // The complaint about an option is the help and one line more.
  if (args.includes('-help')) return {stdout: captured('qstat-bad-option.txt')!.replace(/.*\n$/, '')}
  const wrong = args.find((arg) => /^-./.test(arg) && !QSTAT_OPTIONS.has(arg))
  if (wrong !== undefined) return {stderr: captured('qstat-bad-option.txt')!.replace('-wrong', wrong), exitCode: 1}
  const xml = args.includes('-xml')
  const asked = valueOf(args, '-j')
  if (faults['qmaster-down'] || faults['qstat-fails']) {
    if (xml && asked !== undefined) return {stdout: captured('qstat-j-unreachable.xml')!, stderr: captured('qstat-j-unreachable.stderr.txt')!}
    return {stderr: captured('qstat-unreachable.txt')!, exitCode: 1}
  }
  if (faults['qstat-nonsense']) return {stdout: '<html>\n<h1>503 queue full</h1> 17 18 19\n'}
  if (faults['qstat-empty']) return {}
  if (asked !== undefined) {
    const job = grid.find(Number(asked))
    if (job) return {stdout: detailsText(job, {home, reasons: grid.reasons(job)})}
    return xml ? {stdout: unknownJobXml(asked)} : {stderr: `Following jobs do not exist: \n${asked}\n`, exitCode: 1}
  }
  const owners = valueOf(args, '-u')?.split(',') ?? ['*']
  const jobs = grid.jobs().filter(({owner}) => owners.includes('*') || owners.includes(owner))
  const text = xml ? listXml(jobs) : listText(jobs)
  // Cut at a tag: what is left looks like a whole document with fewer jobs.
  return {stdout: faults['qstat-truncated'] ? text.slice(0, text.indexOf('  <job_info>')) : text}
}

const QSTAT_OPTIONS = new Set('-ext -explain -f -F -g -help -j -l -ne -ncb -pe -q -qs -r -s -t -u -U -urg -pri -xml'.split(' '))

function valueOf(args: readonly string[], option: string): string | undefined {
  return args.includes(option) ? args[args.indexOf(option) + 1] : undefined
}

function qdel({args}: Request, {grid, faults, user}: ProgramOptions): Answer {
  if (faults['qmaster-down']) return {stdout: captured('qdel-unreachable.txt')!, stderr: captured('qdel-unreachable.stderr.txt')!, exitCode: 1}
  const ids = args.filter((arg) => !arg.startsWith('-')).flatMap((arg) => arg.split(','))
  const answers = ids.map((id) => deleteOne(id, grid.find(Number(id)), {grid, user}))
  return {stdout: answers.map(({text}) => `${text}\n`).join(''), exitCode: answers.some(({failed}) => failed) ? 1 : 0}
}

function deleteOne(id: string, job: Job | undefined, {grid, user}: {grid: Grid; user: string}): {text: string; failed: boolean} {
  if (!job) return {text: `denied: job "${id}" does not exist`, failed: true}
  if (job.owner !== user) return {text: `${user} - you do not have the necessary privileges to delete the job "${id}"`, failed: true}
  if (job.state.startsWith('d')) return {text: `job ${id} is already in deletion`, failed: false}
  const text = nodeOf(job) === null ? `${user} has deleted job ${id}` : `${user} has registered the job ${id} for deletion`
  grid.remove(job)
  return {text, failed: false}
}

function qacct({args}: Request, {grid}: ProgramOptions): Answer {
  const id = valueOf(args, '-j') ?? ''
  const record = grid.accounting(Number(id))
  return record ? {stdout: accountText(record)} : {stderr: `error: job id ${id} not found\n`, exitCode: 1}
}

/** What the real cluster answers to the same question. */
function qconf({args}: Request, {faults}: ProgramOptions): Answer {
  if (faults['qmaster-down']) return {stderr: captured('qconf-unreachable.txt')!, exitCode: 1}
  const [verb = '', name = ''] = args
  if (verb === '-sp' && allocationRule(name) === undefined) return {stderr: `${name} is not a parallel environment\n`, exitCode: 1}
  const stdout = captured(verb === '-sp' ? `qconf-sp-${name}.txt` : `qconf${verb}.txt`)
  if (stdout !== undefined) return {stdout}
  return {stderr: `error: invalid option argument "${verb}"\n`, exitCode: 1}
}

function qselect({args}: Request, {faults}: ProgramOptions): Answer {
  if (faults['qmaster-down']) return {stderr: captured('qconf-unreachable.txt')!, exitCode: 1}
  const pe = valueOf(args, '-pe')
  if (pe !== undefined && allocationRule(pe) === undefined) return {stderr: captured('qselect-pe-unknown.txt')!, exitCode: 1}
  return {stdout: captured('qselect-pe.txt')!}
}

/** `-w p ID` only. */
function qalter({args}: Request, {grid}: ProgramOptions): Answer {
  const id = args.at(-1) ?? ''
  const job = grid.find(Number(id))
  if (!job) return {stdout: `denied: job "${id}" does not exist\n`, exitCode: 1}
  return {stdout: `${grid.reasons(job).map((reason) => `Job ${id} ${reason}\n`).join('')}verification: no suitable queues\n`, exitCode: 1}
}
