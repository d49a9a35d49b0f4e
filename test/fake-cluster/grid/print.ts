/** Jobs as Grid Engine 8.1.9 prints them. */
import type {AccountingRecord} from './grid.ts'
import {nodeOf, type Job} from './job.ts'

const SCHEMA = 'http://arc.liv.ac.uk/repos/darcs/sge/source/dist/util/resources/schemas/qstat/qstat.xsd'

/** `qstat -xml`. */
export function listXml(jobs: readonly Job[]): string {
  const running = jobs.filter((job) => nodeOf(job) !== null)
  const waiting = jobs.filter((job) => nodeOf(job) === null)
  return `<?xml version='1.0'?>
<job_info  xmlns:xsd="${SCHEMA}">
  <queue_info>
${running.map((job) => jobXml(job, 'running')).join('')}  </queue_info>
  <job_info>
${waiting.map((job) => jobXml(job, 'pending')).join('')}  </job_info>
</job_info>
`
}

function jobXml(job: Job, list: 'running' | 'pending'): string {
  const time = list === 'running' ? `<JAT_start_time>${isoLocal(job.startedAt!)}</JAT_start_time>` : `<JB_submission_time>${isoLocal(job.submittedAt)}</JB_submission_time>`
  return `    <job_list state="${list}">
      <JB_job_number>${job.id}</JB_job_number>
      <JAT_prio>${priority(job)}</JAT_prio>
      <JB_name>${escape(job.request.name)}</JB_name>
      <JB_owner>${escape(job.owner)}</JB_owner>
      <state>${job.state}</state>
      ${time}
      <queue_name>${instanceOf(job)}</queue_name>
      <slots>${job.request.slots}</slots>
    </job_list>
`
}

function instanceOf(job: Job): string {
  const node = nodeOf(job)
  return node === null ? '' : `${job.queue}@${node}`
}

/** `<` becomes `%lt;`: a slip of the engine that every client meets. */
function escape(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '%lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;').replaceAll("'", '&apos;')
}

function priority(job: Job): string {
  return Date.now() - job.submittedAt.getTime() < 50 ? '0.00000' : '0.55500'
}

export function unknownJobXml(asked: string): string {
  return `<?xml version='1.0'?>
<unknown_jobs >
    <ST_name>${escape(asked)}</ST_name>
</unknown_jobs>
`
}

/** `qstat`: nothing at all without jobs. */
export function listText(jobs: readonly Job[]): string {
  if (jobs.length === 0) return ''
  const rows = jobs.map((job) => {
    const time = slashed(job.startedAt ?? job.submittedAt)
    return `${pad(job.id, 7, true)} ${priority(job)} ${pad(job.request.name, 10)} ${pad(job.owner, 12)} ${pad(job.state, 5)} ${time} ${pad(instanceOf(job), 30)} ${pad(job.request.slots, 5, true)}        \n`
  })
  return `job-ID  prior   name       user         state submit/start at     queue                          slots ja-task-ID \n${'-'.repeat(117)}\n${rows.join('')}`
}

function pad(value: string | number, width: number, right = false): string {
  const text = String(value).slice(0, width)
  return right ? text.padStart(width) : text.padEnd(width)
}

/** `qstat -j ID`. */
export function detailsText(job: Job, {home, reasons}: {home: string; reasons: readonly string[]}): string {
  const {request} = job
  const resources = [...request.resources].map(([name, value]) => `${name}=${value}`).join(',')
  const fields: (readonly [string, string | null])[] = [
    ['job_number', String(job.id)],
    ['exec_file', `job_scripts/${job.id}`],
    ['submission_time', ctime(job.submittedAt)],
    ['owner', job.owner],
    ['uid', '4001'],
    ['group', job.owner],
    ['gid', '4001'],
    ['sge_o_home', home],
    ['sge_o_log_name', job.owner],
    ['sge_o_path', '/usr/local/bin:/usr/bin:/bin'],
    ['sge_o_shell', '/bin/sh'],
    ['sge_o_workdir', request.workDir],
    ['sge_o_host', 'head'],
    ['account', request.account ?? 'sge'],
    ['merge', request.join ? 'y' : null],
    ['hard resource_list', resources || null],
    ['mail_list', `${job.owner}@head.local`],
    ['notify', request.notify ? 'TRUE' : 'FALSE'],
    ['job_name', request.name],
    ['stdout_path_list', request.stdout === null ? null : `NONE:NONE:${request.stdout}`],
    ['jobshare', '0'],
    ['hard_queue_list', request.queues.join(',') || null],
    ['restart', request.restart],
    ['shell_list', request.shell === null ? null : `NONE:${request.shell}`],
    ['env_list', ['TERM=NONE', ...Object.entries(request.env).map(([name, value]) => `${name}=${value}`)].join(',')],
    ['job_args', request.scriptArgs.join(',') || null],
    ['script_file', request.scriptFile],
    ['project', request.project],
    ['binding', 'NONE'],
    ['job_type', 'NONE'],
  ]
  const lines = fields.flatMap(([key, value]) => (value === null ? [] : [`${key}:`.padEnd(28) + value]))
  // The engine itself leaves this one out of the column.
  if (request.pe !== null) lines.splice(lines.findIndex((line) => line.startsWith('binding:')), 0, `parallel environment:  ${request.pe} range: ${request.slots}`)
  if (job.run) lines.push('usage         1:            cpu=00:00:00, mem=0.00000 GB s, io=0.00000 GB, vmem=N/A, maxvmem=N/A', 'binding       1:            NONE')
  if (job.errorReason !== null) lines.push(`error reason          1:      ${slashed(job.submittedAt)} [4001:166]: error: ${job.errorReason}`)
  lines.push(...reasons.map((reason, i) => (i === 0 ? 'scheduling info:' : '').padEnd(28) + reason))
  return `${'='.repeat(62)}\n${lines.join('\n')}\n`
}

/** `qacct -j ID`. */
export function accountText({job, endedAt, failed, exitStatus}: AccountingRecord): string {
  const seconds = job.startedAt ? Math.round((endedAt.getTime() - job.startedAt.getTime()) / 1000) : 0
  const padded = (value: string | number) => String(value).padEnd(20)
  const fields: [string, string][] = [
    ['qname', padded(job.queue)],
    ['hostname', padded(nodeOf(job) ?? '')],
    ['group', padded(job.owner)],
    ['owner', padded(job.owner)],
    ['project', padded(job.request.project ?? 'NONE')],
    ['department', padded('defaultdepartment')],
    ['jobname', padded(job.request.name)],
    ['jobnumber', padded(job.id)],
    ['taskid', 'undefined'],
    ['account', padded(job.request.account ?? 'sge')],
    ['priority', padded(0)],
    ['qsub_time', ctime(job.submittedAt)],
    ['start_time', job.startedAt ? ctime(job.startedAt) : '-/-'],
    ['end_time', job.startedAt ? ctime(endedAt) : '-/-'],
    ['granted_pe', padded(job.request.pe ?? 'NONE')],
    ['slots', padded(job.request.slots)],
    ['failed', `${String(failed).padEnd(3)} ${FAILED_WORDS[failed] ?? ' '}`],
    ['exit_status', exitStatus > 128 ? `${padded(exitStatus)} (${SIGNAL_WORDS[exitStatus - 128] ?? 'Unknown signal'})` : padded(exitStatus)],
    ['ru_wallclock', `${seconds}s`],
    ['ru_utime', '0.000s'],
    ['ru_stime', '0.000s'],
    ['ru_maxrss', '0.000B'],
    ['cpu', '0.000s'],
    ['mem', '0.000Bs'],
    ['io', '0.000B'],
    ['iow', '0.000s'],
    ['maxvmem', '0.000B'],
    ['arid', 'undefined'],
    ['ar_sub_time', 'undefined'],
    ['category', 'NONE'],
  ]
  return `${'='.repeat(62)}\n${fields.map(([key, value]) => `${key.padEnd(13)}${value}\n`).join('')}`
}

const FAILED_WORDS: Record<number, string> = {26: ': opening input/output file', 37: ': qmaster enforced h_rt, h_cpu, or h_vmem limit', 100: ': assumedly after job'}

const SIGNAL_WORDS: Record<number, string> = {1: 'Hangup', 2: 'Interrupt', 9: 'Killed', 10: 'User defined signal 1', 12: 'User defined signal 2', 15: 'Terminated'}

/** qsub's answer between messages full of digits, as sites with a wrapper around qsub print them. */
export function withSiteNotes(answer: string): string {
  return `-----------------------------------------------------------------
      Welcome to the 42 Example Supercomputer 2026
-----------------------------------------------------------------
--> Verifying valid submit host (login2)...OK
--> Verifying availability of your home dir (/home1/01234/user)...OK
${answer}--> Your job used 0 of 5000 hours.
`
}

const two = (n: number) => String(n).padStart(2, '0')

function clock(date: Date): string {
  return `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`
}

function isoLocal(date: Date): string {
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}T${clock(date)}`
}

function slashed(date: Date): string {
  return `${two(date.getMonth() + 1)}/${two(date.getDate())}/${date.getFullYear()} ${clock(date)}`
}

function ctime(date: Date): string {
  const [day, month] = [date.toDateString().slice(0, 3), date.toDateString().slice(4, 7)]
  return `${day} ${month} ${String(date.getDate()).padStart(2)} ${clock(date)} ${date.getFullYear()}`
}
