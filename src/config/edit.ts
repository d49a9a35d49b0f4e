/**
 * config.toml changed as text, so that what its owner wrote stays as it is, comments and all. A line of ours bears the
 * mark `# learnt`; the next time it is replaced, and a line without the mark is never touched.
 */
import {isDeepStrictEqual} from 'node:util'
import {parse} from 'smol-toml'
import {JnodeError} from '../errors.ts'
import {jsonText, oneLine} from '../printable.ts'

/** `key = value  # learnt: why`, or without a key a comment of its own. The value is TOML. */
export interface LearntLine {
  key?: string
  value?: string
  why: string
}

export interface Edited {
  text: string
  /** The cluster's own table in it. */
  table: string
  /** Keys of the cluster that its owner has set, so that what was learnt of them was left out. */
  kept: string[]
}

interface Statement {
  kind: 'header' | 'entry' | 'other'
  /** Of a header, the table's path; of an entry, its key. */
  path: string[]
  text: string
}

const LEARNT = /#\s*learnt\b/i

/** The file's text with the lines in the table of this cluster. Throws `config` where that cannot be done without touching other lines. */
export function withCluster(text: string, name: string, lines: readonly LearntLine[], file: string): Edited {
  const eol = text.includes('\r\n') ? '\r\n' : '\n'
  const all = statements(text)
  const start = all.findIndex(({kind, path}) => kind === 'header' && isDeepStrictEqual(path, ['clusters', name]))
  const end = start < 0 ? -1 : all.findIndex(({kind}, i) => i > start && kind === 'header')
  const old = start < 0 ? [] : all.slice(start + 1, end < 0 ? undefined : end)
  const own = old.filter((statement) => !isLearnt(statement))
  const kept = [...own.filter(({kind}) => kind === 'entry'), ...all.filter(({kind, path}) => kind === 'header' && path[0] === 'clusters' && path[1] === name).map(({path}) => ({path: path.slice(2)}))]
    .flatMap(({path}) => path.slice(0, 1))
  const written = lines.filter(({key}) => key === undefined || !kept.includes(key)).map((line) => `${lineText(line)}${eol}`).join('')
  const join = (parts: readonly Statement[]) => parts.map((statement) => statement.text).join('')
  const before = start < 0 ? text : join(all.slice(0, start))
  const header = start < 0 ? `[clusters.${keyText(name)}]${eol}` : all[start]!.text
  const gap = start < 0 && text.trim() !== '' ? eol : ''
  const after = end < 0 ? '' : join(all.slice(end))
  const table = ended(header, eol) + written + join(own)
  const edited = {text: ended(before, eol) + gap + table + after, table: table.trim(), kept: kept.filter((key) => lines.some((line) => line.key === key))}
  checkOnly(text, edited.text, {name, file})
  return edited
}

/** The file's text with a default cluster as its first line. */
export function withDefaultCluster(text: string, name: string, why: string): string {
  const [, mark = '', rest = ''] = /^(\uFEFF?)([^]*)$/.exec(text)!
  return `${mark}${lineText({key: 'default_cluster', value: textValue(name), why})}${text.includes('\r\n') ? '\r\n' : '\n'}${rest}`
}

/** A text as TOML writes it. */
export function textValue(value: string): string {
  return jsonText(value)
}

function keyText(key: string): string {
  return /^[\w-]+$/.test(key) ? key : textValue(key)
}

function lineText({key, value, why}: LearntLine): string {
  // TOML takes no control characters in comments.
  const comment = `# learnt: ${oneLine(why.replace(/\s+/g, ' '), 2000)}`
  return key === undefined ? comment : `${key} = ${value}  ${comment}`
}

function ended(text: string, eol: string): string {
  return text === '' || text.endsWith('\n') ? text : text + eol
}

/** A value over several lines is none of ours, whatever is in it. */
function isLearnt({kind, text}: Statement): boolean {
  return kind !== 'header' && LEARNT.test(text) && !text.trimEnd().includes('\n')
}

/** Each statement with its own lines: as many of them as it takes until they are TOML. */
function statements(text: string): Statement[] {
  const found: Statement[] = []
  let pending = ''
  for (const line of text.split(/(?<=\n)/).filter((part) => part !== '')) {
    pending += line
    const table = tableOf(pending)
    if (table === null) continue
    const path = pathOf(table)
    const kind = path.length === 0 ? 'other' : /^\uFEFF?\s*\[/.test(pending) ? 'header' : 'entry'
    found.push({kind, path: kind === 'entry' ? path.slice(0, 1) : path, text: pending})
    pending = ''
  }
  return found
}

function tableOf(text: string): Record<string, unknown> | null {
  try {
    return parse(text)
  } catch {
    return null
  }
}

function pathOf(value: unknown): string[] {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return []
  const [key] = Object.keys(value)
  return key === undefined ? [] : [key, ...pathOf((value as Record<string, unknown>)[key])]
}

/** That nothing else than this cluster's own table has changed. */
function checkOnly(before: string, after: string, {name, file}: {name: string; file: string}): void {
  const others = (text: string) => {
    const {clusters, ...rest} = tableOf(text) ?? {clusters: null}
    const {[name]: ours, ...theirs} = (clusters ?? {}) as Record<string, unknown>
    return {ours, others: {...rest, theirs}}
  }
  if (tableOf(after) !== null && others(after).ours !== undefined && isDeepStrictEqual(others(before).others, others(after).others)) return
  throw new JnodeError('config', `The cluster ${name} is written in ${file} in a way that cannot be changed without touching other lines`, {
    hint: `Write it as a table of its own, [clusters.${keyText(name)}], or give init another name. Nothing was changed.`,
  })
}
