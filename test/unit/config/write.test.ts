import {lstat, mkdir, mkdtemp, readFile, rm, stat, symlink, writeFile} from 'node:fs/promises'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {afterAll, beforeAll, expect, test} from 'vitest'
import {configWith, writeConfig} from '../../../src/config/write.ts'
import {rejectionOf} from '../expect-error.ts'

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'jnode-write-'))
})
afterAll(() => rm(folder, {recursive: true}))

const HPC = {name: 'hpc', lines: [{key: 'host', value: '"me@head"', why: 'named'}]}
const TABLE = '[clusters.hpc]\nhost = "me@head"  # learnt: named\n'

test('a first cluster needs no default; beside another one, that one stays what is meant', async () => {
  const file = join(folder, 'config.toml')
  expect(await configWith(file, HPC)).toEqual({text: TABLE, table: TABLE.trim(), kept: [], newDefault: null})
  const lab = '[clusters.lab]\nhost = "labhead"\n'
  await writeFile(file, lab)
  expect(await configWith(file, HPC)).toMatchObject({newDefault: 'lab', text: expect.stringMatching(/^default_cluster = "lab" [^]*\[clusters\.lab\][^]*\[clusters\.hpc\]/) as string})
  expect(await readFile(file, 'utf8')).toBe(lab)
})

test('a value that start would refuse is not written', async () => {
  const file = join(folder, 'none.toml')
  const {code, message} = await rejectionOf(configWith(file, {name: 'hpc', lines: [...HPC.lines, {key: 'time', value: '"soon"', why: 'you said so'}]}))
  expect({code, message}).toEqual({code: 'config', message: `clusters.hpc.time in ${file} must be a length of time, not "soon"`})
})

test('the file behind a link is replaced, with its mode; directories are made', async () => {
  await mkdir(join(folder, 'dotfiles'))
  const real = join(folder, 'dotfiles', 'jnode.toml')
  const link = join(folder, 'linked.toml')
  await writeFile(real, '', {mode: 0o644})
  await symlink(real, link)
  await writeConfig(link, TABLE)
  expect((await lstat(link)).isSymbolicLink()).toBe(true)
  expect(await readFile(real, 'utf8')).toBe(TABLE)
  expect((await stat(real)).mode & 0o777).toBe(0o644)
  await writeConfig(join(folder, 'new', 'jnode', 'config.toml'), TABLE)
  expect(await readFile(join(folder, 'new', 'jnode', 'config.toml'), 'utf8')).toBe(TABLE)
})

test('a place where nothing can be written is told', async () => {
  await writeFile(join(folder, 'file'), '')
  const file = join(folder, 'file', 'config.toml')
  expect((await rejectionOf(writeConfig(file, TABLE))).message).toContain(`${file} cannot be written: `)
})
