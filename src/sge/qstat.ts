/**
 * `qstat -xml`: text → jobs. Every engine has its own way of spoiling this XML, and a list read wrongly as
 * empty would make a running job look gone. So the answer is a list that can be trusted, or `unknown`.
 */
import {XMLParser, XMLValidator} from 'fast-xml-parser'
import {phaseOf, type JobPhase} from './job-state.ts'
import {quoted} from './said.ts'
import {isHostName, isJobNumber, isWord} from '../rules.ts'

export interface Job {
  /** Job number; a string, since nothing is ever computed with it. */
  id: string
  name: string
  owner: string
  /** State letters as Grid Engine writes them, e.g. `hqw`. */
  letters: string
  phase: Exclude<JobPhase, 'finished'>
  /** Cluster queue; null while the job is pending. */
  queue: string | null
  /** Host that runs the job script, as Grid Engine names it; null while the job is pending. */
  node: string | null
  slots: number
  /** `7`, `1-5:1` or `8,9` of an array job; null for an ordinary one. */
  taskId: string | null
}

export type JobList = {kind: 'known'; jobs: Job[]} | {kind: 'unknown'; why: string}

/** Bytes of XML that are read, jobs in it, characters of a tag and of a value. A session's list has some hundred jobs, as the head node drops all others. */
export const XML_BYTES = 16_000_000
export const XML_JOBS = 30_000
const TAG_CHARS = 4096
const VALUE_CHARS = 4096

type Element = Record<string, unknown>

const parser = new XMLParser({
  ignoreAttributes: false,
  attributeNamePrefix: '@',
  // A job named 1e5 or 007 stays a name.
  parseTagValue: false,
  parseAttributeValue: false,
  // One child would be an object, several an array.
  isArray: (name) => name === 'job_list' || name === 'Queue-List',
})

/** Jobs from the whole answer of `qstat -xml`: the text only counts when qstat itself says that all went well. */
export function readJobList({exitCode, stdout, stderr}: {exitCode: number; stdout: string; stderr: string}): JobList {
  if (exitCode === 0 || stdout.length > XML_BYTES) return parseJobList(stdout)
  const said = `${stderr}\n${stdout}`
  if (exitCode < 0) return unknown(`the answer of qstat is cut off: ${quoted(said)}`)
  if (/invalid option -- '?[mx]/.test(said)) return unknown('this qstat belongs to PBS or Torque, not to Grid Engine')
  return unknown(`qstat failed with exit status ${exitCode}: ${quoted(said)}`)
}

/** Jobs of a `qstat -xml` document. Never throws: what is not understood is quoted in `why`. */
export function parseJobList(xml: string): JobList {
  if (Buffer.byteLength(xml) > XML_BYTES) return unknown(`qstat printed more than ${XML_BYTES / 1e6} MB: ${quoted(xml.slice(0, 1000))}`)
  try {
    const start = documentStart(xml)
    // Which of two answers is true cannot be told, and the second may be the shorter one.
    if (xml.slice(0, start).includes('<job_info')) return unknown(`qstat answered twice: ${quoted(xml)}`)
    const list = readDocument(xml.slice(start).trim())
    return typeof list === 'string' ? unknown(list) : {kind: 'known', jobs: list}
  } catch (error) {
    return unknown(`qstat printed XML that cannot be read (${quoted(String(error), 80)}): ${quoted(xml)}`)
  }
}

function unknown(why: string): JobList {
  return {kind: 'unknown', why}
}

/** Where the document begins, behind a banner that the parser would take for its parent. Some engines leave the prolog out. */
function documentStart(text: string): number {
  const prolog = text.lastIndexOf('<?xml')
  return Math.max(0, prolog >= 0 ? prolog : text.search(/<job_info[\s>]/))
}

/** Blanks, instructions and comments, as they may stand before the root; one at a time, for each has one way to be read. */
const BEFORE_ROOT = /\s+|<\?[^>]*\?>|<!--[^]*?-->/y

function rootOf(document: string): string | undefined {
  let at = 0
  for (;;) {
    BEFORE_ROOT.lastIndex = at
    if (!BEFORE_ROOT.test(document)) return /^<([\w.-]+)/.exec(document.slice(at, at + TAG_CHARS))?.[1]
    at = BEFORE_ROOT.lastIndex
  }
}

/** What no qstat writes and would cost the parser more than its length; null where there is nothing of it. */
function excess(document: string): string | null {
  let jobs = 0
  for (let at = document.indexOf('<'); at >= 0; at = document.indexOf('<', at + 1)) {
    const end = document.indexOf('>', at)
    if (end < 0 || end - at > TAG_CHARS) return `a tag has no end within ${TAG_CHARS} characters`
    if (document[at + 1] === '!' && !document.startsWith('<!--', at) && !document.startsWith('<![CDATA[', at)) return 'it declares entities or types'
    if (document.startsWith('<job_list', at) && ++jobs > XML_JOBS) return `it has more than ${XML_JOBS} jobs`
    at = end
  }
  return null
}

/** The jobs, or why there is no list to trust. */
function readDocument(document: string): Job[] | string {
  if (document === '') return 'qstat printed nothing'
  const root = rootOf(document)
  if (root === undefined) return `qstat printed no XML: ${quoted(document)}`
  if (root === 'Data') return 'this qstat belongs to PBS or Torque, not to Grid Engine'
  if (root !== 'job_info') return `qstat printed no list of jobs: ${quoted(withoutTags(document))}`
  // The parser accepts text cut at a tag boundary and answers with a shorter list. The inner list has the root's
  // name, so the end of the text alone does not tell: every tag must be closed too.
  if (!document.endsWith('</job_info>')) return `the answer of qstat is cut off or followed by other text: ${quoted(document.slice(-200))}`
  const toomuch = excess(document)
  if (toomuch !== null) return `the XML of qstat is not read, as ${toomuch}: ${quoted(document)}`
  const flaw = XMLValidator.validate(document)
  if (flaw !== true) return `the XML of qstat is damaged: ${quoted(flaw.err.msg)}`
  const content = (parser.parse(document) as Element)['job_info'] as Element
  // Both lists are always there, even when empty; `-g c` and cut-and-mended answers have one or none.
  if (!('queue_info' in content && 'job_info' in content)) return `qstat printed something else than a list of jobs: ${quoted(withoutTags(document))}`
  const found = [...jobElements(content['queue_info']), ...jobElements(content['job_info'])]
  const listed = found.map(([element, queueName]) => toJob(element, queueName))
  // A job without a number might be the one that is looked for.
  if (listed.some(({job}) => !isJobNumber(job.id))) return `qstat listed a job without a number: ${quoted(withoutTags(document))}`
  const masters = new Set(listed.filter(({role}) => role === 'MASTER').map(({job}) => `${job.id} ${job.taskId}`))
  return listed.filter(({job, role, finished}) => !finished && !(role === 'SLAVE' && masters.has(`${job.id} ${job.taskId}`))).map(({job}) => job)
}

/** A site may have qstat tell of more: of jobs that have ended (`-s z`), and of each slot by itself (`-g t`). */
interface Listed {
  job: Job
  finished: boolean
  /** `MASTER` runs the job's script, `SLAVE` stands for another slot; empty where slots are not told one by one. */
  role: string
}

/** Each job_list with its queue instance: in the form of `-f` (a default at some sites) the name stands in the parent Queue-List. */
function* jobElements(list: unknown, queueName: string | null = null): Generator<[Element, string | null]> {
  if (typeof list !== 'object' || list === null) return
  const element = list as Element
  for (const job of (element['job_list'] ?? []) as unknown[]) yield [typeof job === 'object' && job !== null ? (job as Element) : {}, queueName]
  for (const queue of (element['Queue-List'] ?? []) as unknown[]) {
    if (typeof queue === 'object' && queue !== null) yield* jobElements(queue, text((queue as Element)['name']))
  }
}

function toJob(element: Element, parentQueue: string | null): Listed {
  const letters = text(element['state'])
  const phase = phaseOf(letters)
  const [queue, node] = (text(element['queue_name']) || parentQueue || '').split('@', 2)
  const job = {
    id: text(element['JB_job_number']),
    name: text(element['JB_name']),
    owner: text(element['JB_owner']),
    letters,
    phase: phase === 'finished' ? 'unknown' : phase,
    queue: queue && isWord(queue) ? queue : null,
    node: node && isHostName(node) ? node : null,
    slots: Number(/^\d{1,7}$/.exec(text(element['slots']).trim())?.[0]) || 1,
    taskId: text(element['tasks']) || null,
  } as const
  // One that is kept in the list may still carry the letters of its past; then only the list's name tells.
  return {job, finished: phase === 'finished' || /^(zombie|finished)/.test(text(element['@state'])), role: text(element['master'])}
}

/** Text of a leaf. Grid Engine up to 9.1 writes `<` as `%lt;`, and lets control characters through, which would reach a terminal. */
function text(value: unknown): string {
  if (typeof value === 'object' && value !== null) return text((value as Element)['#text'])
  return typeof value === 'string' ? value.slice(0, VALUE_CHARS).replaceAll('%lt;', '<').replace(/\p{Cc}/gu, '?') : ''
}

function withoutTags(document: string): string {
  return document.replace(/<[^<>]*>/g, ' ').trim() || document
}
