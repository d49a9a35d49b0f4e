/** Jobs as Grid Engine 8.1.9 prints them. */
import type {AccountingRecord} from './grid.ts'
import type {Job} from './job.ts'

const SCHEMA = 'http://arc.liv.ac.uk/repos/darcs/sge/source/dist/util/resources/schemas/qstat/qstat.xsd'

/** `qstat -xml`. */
export function listXml(jobs: readonly Job[]): string {
  const running = jobs.filter((job) => job.node !== null)
  const waiting = jobs.filter((job) => job.node === null)
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
      <queue_name>${job.node === null ? '' : `${job.queue}@${job.node}`}</queue_name>
      <slots>${job.request.slots}</slots>
    </job_list>
`
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
    const queue = job.node === null ? '' : `${job.queue}@${job.node}`
    const time = slashed(job.startedAt ?? job.submittedAt)
    return `${pad(job.id, 7, true)} ${priority(job)} ${pad(job.request.name, 10)} ${pad(job.owner, 12)} ${pad(job.state, 5)} ${time} ${pad(queue, 30)} ${pad(job.request.slots, 5, true)}        \n`
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
  const field = (key: string, value: string | null | undefined) => (value === null || value === undefined ? '' : `${`${key}:`.padEnd(28)}${value}\n`)
  const resources = [...request.resources].map(([name, value]) => `${name}=${value}`).join(',')
  const why = reasons.map((reason, i) => (i === 0 ? field('scheduling info', reason) : `${' '.repeat(28)}${reason}\n`)).join('')
  return [
    `${'='.repeat(62)}\n`,
    field('job_number', String(job.id)),
    field('exec_file', `job_scripts/${job.id}`),
    field('submission_time', ctime(job.submittedAt)),
    field('owner', job.owner),
    field('uid', '1000'),
    field('group', job.owner),
    field('gid', '1000'),
    field('sge_o_home', home),
    field('sge_o_log_name', job.owner),
    field('sge_o_shell', '/bin/sh'),
    field('sge_o_workdir', request.workDir),
    field('sge_o_host', 'head'),
    field('account', request.account ?? 'sge'),
    request.join ? field('merge', 'y') : '',
    resources ? field('hard resource_list', resources) : '',
    field('mail_list', `${job.owner}@head.local`),
    field('notify', request.notify ? 'TRUE' : 'FALSE'),
    field('job_name', request.name),
    request.stdout === null ? '' : field('stdout_path_list', `NONE:NONE:${request.stdout}`),
    field('jobshare', '0'),
    request.queues.length > 0 ? field('hard_queue_list', request.queues.join(',')) : '',
    request.restart === null ? '' : field('restart', request.restart),
    field('shell_list', `NONE:${request.shell}`),
    field('env_list', ''),
    request.scriptArgs.length > 0 ? field('job_args', request.scriptArgs.join(',')) : '',
    field('script_file', request.scriptFile),
    request.pe === null ? '' : field('parallel environment', ` ${request.pe} range: ${request.slots}`).replace(/:\s+/, ':  '),
    field('project', request.project),
    field('binding', 'NONE'),
    field('job_type', 'NONE'),
    job.run ? `usage    1:                 cpu=00:00:00, mem=0.00000 GB s, io=0.00000 GB, vmem=N/A, maxvmem=N/A\n` : '',
    job.errorReason === null ? '' : field('error reason    1', `          ${ctime(job.submittedAt)} [1000:4711]: error: ${job.errorReason}`),
    why,
  ].join('')
}

/** `qacct -j ID`. */
export function accountText({job, endedAt, failed, exitStatus}: AccountingRecord): string {
  const field = (key: string, value: string | number) => `${key.padEnd(13)}${String(value).padEnd(20)}\n`
  const seconds = job.startedAt ? Math.round((endedAt.getTime() - job.startedAt.getTime()) / 1000) : 0
  const exit = exitStatus > 128 ? `${String(exitStatus).padEnd(20)} (${SIGNAL_WORDS[exitStatus - 128] ?? 'Unknown signal'})` : exitStatus
  return [
    `${'='.repeat(62)}\n`,
    field('qname', job.queue),
    field('hostname', job.node ?? ''),
    field('group', job.owner),
    field('owner', job.owner),
    field('project', job.request.project ?? 'NONE'),
    field('department', 'defaultdepartment'),
    field('jobname', job.request.name),
    field('jobnumber', job.id),
    field('taskid', 'undefined'),
    field('account', job.request.account ?? 'sge'),
    field('priority', 0),
    field('qsub_time', ctime(job.submittedAt)),
    field('start_time', job.startedAt ? ctime(job.startedAt) : '-/-'),
    field('end_time', ctime(endedAt)),
    field('granted_pe', job.request.pe ?? 'NONE'),
    field('slots', job.request.slots),
    field('failed', failed === 100 ? '100 : assumedly after job' : failed),
    field('exit_status', exit),
    field('ru_wallclock', `${seconds}s`),
    field('ru_utime', '0.000s'),
    field('ru_stime', '0.000s'),
    field('cpu', '0.000s'),
    field('mem', '0.000GBs'),
    field('maxvmem', '0.000B'),
    field('arid', 'undefined'),
  ].join('')
}

const SIGNAL_WORDS: Record<number, string> = {1: 'Hangup', 2: 'Interrupt', 9: 'Killed', 10: 'User defined signal 1', 12: 'User defined signal 2', 15: 'Terminated'}

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
