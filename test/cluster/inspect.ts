/** What can be seen on the lab's hosts, to show that something is there or that nothing is left. */
import {XMLParser} from 'fast-xml-parser'
import {execIn} from './guest.ts'
import type {HostName} from './topology.ts'

export interface Job {
  id: string
  name: string
  owner: string
  /** Grid Engine's letters: qw, r, hqw, ... */
  state: string
  /** The queue instance it runs in, empty while it waits. */
  queue: string
  slots: number
}

/** Jobs that Grid Engine lists, of one user or of all. */
export async function jobs(lab: string, user = '*'): Promise<Job[]> {
  const {exitCode, stdout, stderr} = await asRoot(lab, 'head', ['qstat', '-xml', '-u', user])
  if (exitCode !== 0) throw new Error(`qstat on head failed: ${stderr}`)
  const parser = new XMLParser({parseTagValue: false, isArray: (tag) => tag === 'job_list'})
  const {job_info: lists} = parser.parse(stdout) as {job_info: {queue_info: JobList | ''; job_info: JobList | ''}}
  return [lists.queue_info, lists.job_info].flatMap((list) => (list === '' ? [] : list.job_list)).map((job) => ({
    id: job.JB_job_number,
    name: job.JB_name,
    owner: job.JB_owner,
    state: job.state,
    queue: job.queue_name,
    slots: Number(job.slots),
  }))
}

interface JobList {
  job_list: Record<'JB_job_number' | 'JB_name' | 'JB_owner' | 'state' | 'queue_name' | 'slots', string>[]
}

export interface Process {
  pid: number
  command: string
  args: string
}

/** Processes of a user on a host. */
export async function processes(lab: string, host: HostName, user: string): Promise<Process[]> {
  const {stdout} = await asRoot(lab, host, ['ps', '-u', user, '-o', 'pid=,comm=,args=', '-ww'])
  return stdout.split('\n').filter(Boolean).map((line) => {
    const [, pid, command = '', args = ''] = /^\s*(\d+)\s+(\S+)\s*(.*)$/.exec(line) ?? []
    return {pid: Number(pid), command, args}
  })
}

export interface Listener {
  kind: 'tcp' | 'unix'
  /** host:port, or the path of a socket; an abstract socket starts with @. */
  address: string
  /** Programs that hold it, as `ss` tells: name and pid. */
  users: string
}

/** Everything that listens on a host. */
export async function listeners(lab: string, host: HostName): Promise<Listener[]> {
  const [tcp, unix] = await Promise.all([
    asRoot(lab, host, ['ss', '-Hltnp']),
    asRoot(lab, host, ['ss', '-Hlxp']),
  ])
  return [...parse(tcp.stdout, 'tcp', 3), ...parse(unix.stdout, 'unix', 4)]
}

function parse(table: string, kind: Listener['kind'], addressColumn: number): Listener[] {
  return table.split('\n').filter(Boolean).map((line) => {
    const columns = line.trim().split(/\s+/)
    return {kind, address: columns[addressColumn] ?? '', users: columns.find((column) => column.startsWith('users:')) ?? ''}
  })
}

/** Paths of everything below a directory of a host; empty when there is nothing of that name. */
export async function files(lab: string, host: HostName, path: string): Promise<string[]> {
  const {stdout} = await asRoot(lab, host, ['find', path, '-mindepth', '1'])
  return stdout.split('\n').filter(Boolean).sort()
}

function asRoot(lab: string, host: HostName, argv: readonly string[]) {
  return execIn({lab, host, user: 'root'}, argv, {cwd: '/'})
}
