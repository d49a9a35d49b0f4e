/** `qacct -j ID`: the accounting record of an ended job. Seconds late, often unreadable or absent: one witness among others. */
import {seconds} from './limits.ts'
import {parseMemory} from './memory.ts'

export interface Accounting {
  name: string
  owner: string
  queue: string
  node: string
  slots: number
  /** sge_status(5): 0 none, 100 ended by a signal, others before the start or at a limit. */
  failed: number
  /** Grid Engine's words for `failed`; empty for 0. */
  failedText: string
  /** Exit status of the job script, 128 + n for signal n; says nothing when `failed` lies before the start. */
  exitStatus: number
  /** Null when the job never ran. */
  wallSeconds: number | null
  /** Largest use of memory (maxvmem); null when not measured. */
  memoryBytes: number | null
  /** Who removed it, where the engine says so (Univa, Altair). */
  deletedBy: string | null
  /** Limits that were asked for, of time in seconds and of memory for the whole job; null where the engine does not keep them. */
  runSeconds: number | null
  memoryLimitBytes: number | null
}

/** The last record of the job called `name` (of any, when null): numbers are used again, and a restart adds a record. Null when there is none. */
export function parseAccounting(text: string, name: string | null): Accounting | null {
  const records = splitRecords(text)
    .map((record) => new Map(record.map((line) => [line.split(/\s/, 1)[0]!, line.replace(/^\S+\s*/, '').trim()])))
    .filter((record) => record.has('exit_status') && record.has('failed'))
  const own = name === null ? records : records.filter((record) => record.get('jobname') === name)
  const last = own.at(-1)
  return last ? toAccounting(last) : null
}

/** Whether the record is of a run after which Grid Engine starts the job again: it was migrated, or rescheduled. */
export function isRestart({failed}: Accounting): boolean {
  return failed === 24 || failed === 25
}

/** Each record begins with `qname`; the rule of `=` above it is missing on some engines. */
function splitRecords(text: string): string[][] {
  const records: string[][] = [[]]
  for (const line of text.split('\n')) {
    if (/^qname\s/.test(line)) records.push([])
    records.at(-1)!.push(line)
  }
  return records
}

function toAccounting(record: ReadonlyMap<string, string>): Accounting {
  const value = (key: string) => record.get(key) ?? ''
  const wall = Number.parseFloat(value('ru_wallclock') || value('wallclock'))
  const started = !value('start_time').startsWith('-/-')
  const deletedBy = value('deleted_by')
  const slots = leadingInteger(value('slots')) || 1
  const asked = new Map(value('category').split(/[\s,]+/).map((item) => item.split('=', 2) as [string, string | undefined]))
  const memory = parseMemory(asked.get('h_vmem') ?? asked.get('h_rss') ?? '')
  return {
    name: value('jobname'),
    owner: value('owner'),
    queue: value('qname'),
    node: value('hostname'),
    slots,
    failed: leadingInteger(value('failed')),
    failedText: value('failed').split(':').slice(1).join(':').trim(),
    exitStatus: leadingInteger(value('exit_status')),
    wallSeconds: started && Number.isFinite(wall) ? wall : null,
    // SoGE writes 65.613MB, others 65.613M or bytes.
    memoryBytes: parseMemory(value('maxvmem').replace(/B$/, '')) || null,
    deletedBy: deletedBy === '' || deletedBy === 'NONE' ? null : deletedBy,
    runSeconds: seconds(asked.get('h_rt') ?? ''),
    memoryLimitBytes: memory === null ? null : memory * slots,
  }
}

/** SoGE adds words: `137   (Killed)`, `100 : assumedly after job`. */
function leadingInteger(value: string): number {
  return Number.parseInt(value, 10) || 0
}
