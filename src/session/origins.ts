/**
 * Which session has which origin on this computer: `<state>/origins/<session>.json`, and `<state>/origins/taken/<address>` for each
 * address that was ever given away. Nothing here is ever removed, for a browser keeps what a page has stored with it for years.
 */
import {createHash, randomBytes} from 'node:crypto'
import {link, mkdir, readdir, readFile, rm, writeFile} from 'node:fs/promises'
import {join} from 'node:path'
import * as z from 'zod'
import {LABEL, LABEL_DIGITS, originOf, type Origin} from '../origin.ts'
import {replaceFile} from '../replace-file.ts'
import {targetText, type Target} from '../target.ts'
import {cannot} from './local-store.ts'

/** Whose origin it is. The way counts, since a name may stand for another machine behind another gateway, or once the configuration was changed. */
export interface OriginOwner {
  cluster: string
  hops: readonly Target[]
  name: string
}

/** What a cluster says that the session has on another computer. */
export interface OfferedOrigin {
  label: string | undefined
  port: number | null
}

export interface OwnOrigin {
  origin: Origin
  /** The one to listen on, where there is one already. */
  port: number | null
}

export interface OriginStore {
  /** The session's own origin: the one it has here, else the one offered if nobody here ever had it, else a new one. Throws `config`. */
  of(owner: OriginOwner, offered?: OfferedOrigin): Promise<OwnOrigin>
  /** Remembers the port, for the next time and so that no cluster is given it for another session. */
  notePort(owner: OriginOwner, port: number): Promise<void>
}

const entrySchema = z.object({
  /** For people who look into the file. */
  session: z.string(),
  label: z.string().regex(LABEL),
  /** All it ever had, the last one first. */
  ports: z.array(z.number().int()),
})

type Entry = z.infer<typeof entrySchema>

const LOWEST_PORT = 1024

export function originStore(stateDir: string): OriginStore {
  const root = join(stateDir, 'origins')
  const fileOf = (owner: OriginOwner) => join(root, `${idOf(owner)}.json`)
  return {
    of: (owner, offered) =>
      writing(root, async () => {
        const file = fileOf(owner)
        const entry = (await read(file)) ?? (await give(root, file, {owner, label: offered?.label}))
        const port = entry.ports[0] ?? (await usablePort(root, offered?.port ?? null))
        return {origin: originOf(entry.label), port}
      }),
    notePort: (owner, port) =>
      writing(root, async () => {
        const file = fileOf(owner)
        const entry = await read(file)
        if (!entry || entry.ports[0] === port) return
        await replaceFile(file, textOf({...entry, ports: [port, ...entry.ports.filter((other) => other !== port)]}))
      }),
  }
}

/** A new entry; the other one's where another process has been quicker. */
async function give(root: string, file: string, {owner, label}: {owner: OriginOwner; label: string | undefined}): Promise<Entry> {
  const mayHave = async (candidate: string) => LABEL.test(candidate) && (await claim(root, originOf(candidate).address, idOf(owner)))
  let own = label !== undefined && (await mayHave(label)) ? label : null
  while (own === null) {
    const candidate = `j${randomBytes(LABEL_DIGITS / 2).toString('hex')}`
    if (await mayHave(candidate)) own = candidate
  }
  const part = `${file}.${randomBytes(6).toString('hex')}`
  const made: Entry = {session: [owner.name, ...owner.hops.map(targetText).reverse(), owner.cluster].join(' '), label: own, ports: []}
  await writeFile(part, textOf(made), {mode: 0o600, flag: 'wx'})
  try {
    // Unlike a rename, it fails where there is one already.
    await link(part, file)
    return made
  } catch (error) {
    const other = await read(file)
    if (other) return other
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
    // A file that nobody can read, in the place of an entry.
    await replaceFile(file, textOf(made))
    return made
  } finally {
    await rm(part, {force: true})
  }
}

/** Whether the address is this session's now. It says whose, so that a start that was cut short may claim it again. */
async function claim(root: string, address: string, id: string): Promise<boolean> {
  const file = join(root, 'taken', address)
  try {
    await writeFile(file, id, {mode: 0o600, flag: 'wx'})
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
    return (await readFile(file, 'utf8')) === id
  }
}

/** A cluster's word for a port: null for one that needs rights of the system, or that another session has had here. */
async function usablePort(root: string, port: number | null): Promise<number | null> {
  if (port === null || port < LOWEST_PORT || port > 65_535) return null
  for (const name of await readdir(root)) {
    if (name.endsWith('.json') && (await read(join(root, name)))?.ports.includes(port)) return null
  }
  return port
}

async function read(file: string): Promise<Entry | null> {
  try {
    return entrySchema.parse(JSON.parse(await readFile(file, 'utf8')))
  } catch (error) {
    // One that cannot be read just now must not be given a second origin.
    const {code} = error as NodeJS.ErrnoException
    if (code !== undefined && code !== 'ENOENT') throw error
    return null
  }
}

/** A name of fixed length, whatever hosts and sessions are called. */
function idOf({cluster, hops, name}: OriginOwner): string {
  return createHash('sha256').update(JSON.stringify([cluster, hops.map(targetText), name])).digest('hex').slice(0, 32)
}

function textOf(entry: Entry): string {
  return `${JSON.stringify(entry, null, 2)}\n`
}

async function writing<T>(root: string, story: () => Promise<T>): Promise<T> {
  try {
    await mkdir(join(root, 'taken'), {recursive: true, mode: 0o700})
    return await story()
  } catch (cause) {
    throw cannot('be written', root, cause)
  }
}
