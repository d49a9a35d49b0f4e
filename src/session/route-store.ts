/** The route that worked last on each cluster, and why others did not: `<state>/routes/<cluster>.json`. Only a memory: without it all are tried again. */
import {readFile, rm} from 'node:fs/promises'
import {join} from 'node:path'
import * as z from 'zod'
import {replaceFile} from '../replace-file.ts'
import {fileNameOf} from './file-name.ts'

const memorySchema = z.object({
  /** Null when none worked the last time. */
  route: z.string().nullable(),
  trials: z.array(z.object({route: z.string(), works: z.boolean(), seen: z.string(), ask: z.string().nullable()})),
})

export type RouteMemory = z.infer<typeof memorySchema>

export interface RouteStore {
  /** Null where nothing is known, or what is there cannot be read. */
  load(cluster: string): Promise<RouteMemory | null>
  /** Null to forget. Never throws: a computer that cannot note it tries again the next time. */
  save(cluster: string, memory: RouteMemory | null): Promise<void>
}

export function routeStore(stateDir: string): RouteStore {
  const fileOf = (cluster: string) => join(stateDir, 'routes', `${fileNameOf(cluster)}.json`)
  return {
    async load(cluster) {
      try {
        return memorySchema.parse(JSON.parse(await readFile(fileOf(cluster), 'utf8')))
      } catch {
        return null
      }
    },
    async save(cluster, memory) {
      const saved = memory === null ? rm(fileOf(cluster), {force: true}) : replaceFile(fileOf(cluster), `${JSON.stringify(memory, null, 2)}\n`)
      await saved.catch(() => {})
    },
  }
}
