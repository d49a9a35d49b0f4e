/**
 * Sessions as this computer remembers them: `<state>/sessions/<cluster>/<NAME>.json`, for the user's eyes only,
 * because each holds its token. Every write is a rename, so that a file is whole whoever else writes it.
 */
import {readdir, readFile, rm, stat} from 'node:fs/promises'
import {basename, dirname, join} from 'node:path'
import {JnodeError, messageOf} from '../errors.ts'
import {PART, replaceFile} from '../replace-file.ts'
import {isToken, sessionFactsSchema, type SessionFacts} from './facts.ts'
import {fileNameOf} from './file-name.ts'
import {jobNameOf} from './remote-store.ts'

export interface StoredSessions {
  /** The oldest first. */
  sessions: SessionFacts[]
  /** Files that are not usable, and why in words. They are left as they are. */
  broken: {file: string; why: string}[]
}

export interface SessionStore {
  /** Keys that this version does not know stay in the file, as long as it is the same session's. Throws `config`. */
  save(facts: SessionFacts): Promise<void>
  /** Null where there is no such session. Throws `config` for a file that is not usable. */
  load(cluster: string, name: string): Promise<SessionFacts | null>
  list(): Promise<StoredSessions>
  remove(cluster: string, name: string): Promise<void>
  /** Writes known_hosts text beside the session's file, to go with it; answers with the path. */
  keepHostKeys(cluster: string, name: string, text: string): Promise<string>
  /** Files that are of no use to any version: cut short, or left by a save that did not get to its end. */
  debris(): Promise<{file: string; why: string}[]>
  removeFile(file: string): Promise<void>
}

type Read =
  | {kind: 'session'; facts: SessionFacts}
  | {kind: 'missing'}
  | {kind: 'newer'; why: string}
  /** `cut`: it was read, and is no file of ours. */
  | {kind: 'broken'; why: string; cut: boolean}

const VERSION = 1

/** Where a session is kept; it is there as long as the session is remembered. */
export function sessionFile(stateDir: string, cluster: string, name: string): string {
  return join(stateDir, 'sessions', fileNameOf(cluster), `${fileNameOf(name)}.json`)
}

/** The store below `stateDir`; nothing is made there before the first save. */
export function openStore(stateDir: string): SessionStore {
  const root = join(stateDir, 'sessions')
  const fileOf = (cluster: string, name: string) => sessionFile(stateDir, cluster, name)
  const keysOf = (cluster: string, name: string) => join(root, fileNameOf(cluster), `${fileNameOf(name)}.known_hosts`)
  return {
    save: (facts) => save(fileOf(facts.cluster, facts.name), facts),
    load: (cluster, name) => load(fileOf(cluster, name), name),
    list: () => list(root),
    async remove(cluster, name) {
      const [keys, facts] = [keysOf(cluster, name), fileOf(cluster, name)]
      // A save that was killed has left its part beside, with the token.
      const parts = (await entries(dirname(facts))).filter((entry) => PART.test(entry) && [keys, facts].some((file) => entry.replace(PART, '') === basename(file)))
      for (const file of [keys, ...parts.map((entry) => join(dirname(facts), entry)), facts]) await removeFile(file)
    },
    async keepHostKeys(cluster, name, text) {
      const file = keysOf(cluster, name)
      try {
        await replaceFile(file, text)
      } catch (cause) {
        throw cannot('be written', file, cause)
      }
      return file
    },
    debris: () => debris(root),
    removeFile,
  }
}

async function removeFile(file: string): Promise<void> {
  await rm(file, {force: true}).catch((cause: unknown) => {
    throw cannot('be removed', file, cause)
  })
}

async function save(file: string, facts: SessionFacts): Promise<void> {
  const before = await read(file)
  if (before.kind === 'newer') throw unusable(file, facts.name, before.why)
  const known = before.kind === 'session' && before.facts.id === facts.id ? before.facts : {}
  try {
    await replaceFile(file, `${JSON.stringify({...known, ...facts}, null, 2)}\n`)
  } catch (cause) {
    throw cannot('be written', file, cause)
  }
}

async function load(file: string, name: string): Promise<SessionFacts | null> {
  const found = await read(file)
  switch (found.kind) {
    case 'session':
      return found.facts
    case 'missing':
      return null
    case 'newer':
    case 'broken':
      throw unusable(file, name, found.why)
  }
}

async function list(root: string): Promise<StoredSessions> {
  const result: StoredSessions = {sessions: [], broken: []}
  for (const folder of await entries(root)) {
    for (const entry of await entries(join(root, folder))) {
      // Others are the half-written files of a save.
      if (!entry.endsWith('.json')) continue
      const file = join(root, folder, entry)
      const found = await read(file)
      if (found.kind === 'session') result.sessions.push(found.facts)
      else if (found.kind !== 'missing') result.broken.push({file, why: found.why})
    }
  }
  result.sessions.sort((a, b) => a.submittedAt.localeCompare(b.submittedAt))
  return result
}

/** A save takes no longer than this. */
const SAVED_WITHIN_MS = 60_000

async function debris(root: string): Promise<{file: string; why: string}[]> {
  const found: {file: string; why: string}[] = []
  for (const folder of await entries(root)) {
    for (const entry of await entries(join(root, folder))) {
      const file = join(root, folder, entry)
      if (PART.test(entry)) {
        const changed = await stat(file).catch(() => null)
        if (changed && Date.now() - changed.mtimeMs > SAVED_WITHIN_MS) found.push({file, why: 'a save was cut short'})
      } else if (entry.endsWith('.json')) {
        const content = await read(file)
        if (content.kind === 'broken' && content.cut) found.push({file, why: content.why})
      }
    }
  }
  return found
}

async function entries(folder: string): Promise<string[]> {
  try {
    return (await readdir(folder)).sort()
  } catch (cause) {
    if (['ENOENT', 'ENOTDIR'].includes((cause as NodeJS.ErrnoException).code ?? '')) return []
    throw cannot('be read', folder, cause)
  }
}

async function read(file: string): Promise<Read> {
  let text: string
  try {
    text = await readFile(file, 'utf8')
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return {kind: 'missing'}
    return {kind: 'broken', why: whyOf(cause), cut: false}
  }
  return understand(text, file)
}

function understand(text: string, file: string): Read {
  let raw: unknown
  try {
    raw = JSON.parse(text)
  } catch {
    return {kind: 'broken', why: text.trim() === '' ? 'it is empty' : 'it is cut short or not JSON', cut: true}
  }
  const version = (raw as {version?: unknown} | null)?.version
  if (typeof version === 'number' && version > VERSION) return {kind: 'newer', why: `a newer jnode made it (version ${version}, this one reads ${VERSION})`}
  const parsed = sessionFactsSchema.safeParse(raw)
  const keys = parsed.success ? misfits(parsed.data, file) : [...new Set(parsed.error.issues.map((issue) => issue.path.join('.') || 'everything'))]
  if (parsed.success && keys.length === 0) return {kind: 'session', facts: parsed.data}
  return {kind: 'broken', why: `it lacks a right value for ${keys.join(', ')}`, cut: true}
}

/** Facts that do not go with the file they stand in, or with each other. */
function misfits({cluster, name, jobName, remoteDir, id, token, foreign}: SessionFacts, file: string): string[] {
  const isOf = foreign
    ? {remoteDir: remoteDir === '', id: id === `foreign-${name}`}
    : {jobName: jobName === jobNameOf(name), remoteDir: remoteDir.endsWith(`/.jnode/sessions/${name}`), token: isToken(token)}
  const fits = {cluster: fileNameOf(cluster) === basename(dirname(file)), name: `${fileNameOf(name)}.json` === basename(file), ...isOf}
  return Object.entries(fits).filter(([, is]) => !is).map(([key]) => key)
}

function unusable(file: string, name: string, why: string): JnodeError {
  return new JnodeError('config', `What this computer keeps of session "${name}" cannot be used: ${why} (${file})`, {
    hint: why.startsWith('a newer') ? 'Update jnode on this computer.' : `Remove that file and run the command again: \`jnode connect ${name}\` finds the session on its cluster.`,
  })
}

/** What went wrong with a file or folder of the state directory, as `config`. */
export function cannot(what: string, path: string, cause: unknown): JnodeError {
  return new JnodeError('config', `${path} cannot ${what}: ${whyOf(cause)}`, {
    hint: 'Make room and check that the folder is yours to write to, or set XDG_STATE_HOME to one that is.',
    cause,
  })
}

function whyOf(cause: unknown): string {
  switch ((cause as NodeJS.ErrnoException).code) {
    case 'ENOSPC':
      return 'the disk is full'
    case 'EDQUOT':
      return 'your disk quota is used up'
    case 'EROFS':
      return 'the file system is read-only'
    case 'EFBIG':
      return 'a limit on the size of files is in the way'
    case 'EACCES':
    case 'EPERM':
      return 'permission denied'
    case 'ENOTDIR':
    case 'EEXIST':
      return 'a part of that path is not a folder'
    default:
      return messageOf(cause)
  }
}
