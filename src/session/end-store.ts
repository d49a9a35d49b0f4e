/**
 * How sessions ended of which nothing else is left: `<state>/ended/<cluster>/<NAME>.json`, without token, for a week. Only a memory, so that
 * `status` can tell in the morning what the night has done; a failure to write or read it is no failure of the session.
 */
import {readdir, readFile, rm, stat} from 'node:fs/promises'
import {basename, dirname, join} from 'node:path'
import type * as z from 'zod'
import {replaceFile} from '../replace-file.ts'
import {fileNameOf} from './file-name.ts'

const KEPT_MS = 7 * 86_400_000

export interface SessionEnd {
  name: string
  cluster: string
  jobId: string | null
}

/** `T`: what is shown of it. */
export interface EndStore<T extends SessionEnd> {
  note(end: T): Promise<void>
  /** The latest one of this name or job number, or of all; on this cluster, or on any. */
  latest(wanted: {name: string | null; cluster: string | null}): Promise<T | null>
  /** A new session has the name. */
  forget(cluster: string, name: string): Promise<void>
}

/** `shape`: what an end must be to be written or believed. */
export function endStore<T extends SessionEnd>(stateDir: string, shape: z.ZodType<T>): EndStore<T> {
  const root = join(stateDir, 'ended')
  const fileOf = (cluster: string, name: string) => join(root, fileNameOf(cluster), `${fileNameOf(name)}.json`)
  return {
    async note(end) {
      for (const {file, endedAtMs} of await files(root)) if (Date.now() - endedAtMs > KEPT_MS) await rm(file, {force: true}).catch(() => {})
      if (shape.safeParse(end).success) await replaceFile(fileOf(end.cluster, end.name), `${JSON.stringify(end, null, 2)}\n`).catch(() => {})
    },
    async latest({name, cluster}) {
      for (const {file, endedAtMs} of (await files(root)).sort((a, b) => b.endedAtMs - a.endedAtMs)) {
        if (Date.now() - endedAtMs > KEPT_MS) return null
        const end = await readFile(file, 'utf8').then((text) => shape.parse(JSON.parse(text))).catch(() => null)
        if (end === null || `${fileNameOf(end.name)}.json` !== basename(file) || fileNameOf(end.cluster) !== basename(dirname(file))) continue
        if ((name === null || end.name === name || end.jobId === name) && (cluster === null || end.cluster === cluster)) return end
      }
      return null
    },
    forget: (cluster, name) => rm(fileOf(cluster, name), {force: true}).catch(() => {}),
  }
}

async function files(root: string): Promise<{file: string; endedAtMs: number}[]> {
  const names = await readdir(root, {recursive: true}).catch(() => [])
  const found = names.filter((name) => name.endsWith('.json')).map(async (name) => {
    const file = join(root, name)
    return {file, endedAtMs: (await stat(file).catch(() => null))?.mtimeMs ?? 0}
  })
  return Promise.all(found)
}
