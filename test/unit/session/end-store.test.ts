import {mkdtemp, readdir, readFile, rm, stat, utimes, writeFile} from 'node:fs/promises'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {afterEach, beforeEach, expect, test} from 'vitest'
import * as z from 'zod'
import {endStore} from '../../../src/session/end-store.ts'

let dir: string
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'jnode-ends-'))
})
afterEach(() => rm(dir, {recursive: true}))

const shape = z.object({name: z.string(), cluster: z.string(), jobId: z.string().nullable(), reason: z.string()})
const end = (name: string, cluster = 'hpc', jobId = '1') => ({name, cluster, jobId, reason: `${name} was deleted`})
/** Makes it look as if it had ended so long ago. */
async function age(name: string, days: number): Promise<void> {
  const then = new Date(Date.now() - days * 86_400_000)
  await utimes(join(dir, 'ended', 'hpc', `${name}.json`), then, then)
}
const any = {name: null, cluster: null}

test('the latest one is found, or the one of a name, a job number or a cluster', async () => {
  const ends = endStore(dir, shape)
  expect(await ends.latest(any)).toBeNull()
  await ends.note(end('first'))
  await age('first', 1)
  await ends.note(end('second', 'ann@other:22', '2'))
  expect(await ends.latest(any)).toEqual(end('second', 'ann@other:22', '2'))
  expect(await ends.latest({name: 'first', cluster: null})).toEqual(end('first'))
  expect(await ends.latest({name: '2', cluster: null})).toMatchObject({name: 'second'})
  expect(await ends.latest({name: null, cluster: 'hpc'})).toMatchObject({name: 'first'})
  expect(await ends.latest({name: 'first', cluster: 'ann@other:22'})).toBeNull()
  expect((await stat(join(dir, 'ended', 'hpc', 'first.json'))).mode & 0o777).toBe(0o600)
})

test('it goes when its name is taken again, and after a week', async () => {
  const ends = endStore(dir, shape)
  await ends.note(end('again'))
  await ends.forget('hpc', 'again')
  expect(await ends.latest(any)).toBeNull()
  await ends.note(end('old'))
  await age('old', 8)
  expect(await ends.latest(any)).toBeNull()
  await ends.note(end('new'))
  expect(await readdir(join(dir, 'ended', 'hpc'))).toEqual(['new.json'])
})

test('a file that is cut short, and a place that is none, are no failure', async () => {
  const ends = endStore(dir, shape)
  await ends.note(end('whole'))
  await writeFile(join(dir, 'ended', 'hpc', 'cut.json'), '{"na')
  expect(await ends.latest(any)).toEqual(end('whole'))
  const nowhere = endStore(join(dir, 'ended', 'hpc', 'whole.json'), shape)
  await nowhere.note(end('lost'))
  expect(await nowhere.latest(any)).toBeNull()
})

test('no name leads out of the folder, and what is no end is neither written nor believed', async () => {
  const ends = endStore(dir, shape)
  await writeFile(join(dir, 'precious.json'), 'precious')
  for (const name of ['../../precious', '../../../precious']) {
    await ends.note(end(name))
    await ends.forget('hpc', name)
    await ends.note(end('x', name))
  }
  expect(await readFile(join(dir, 'precious.json'), 'utf8')).toBe('precious')
  expect((await readdir(dir)).sort()).toEqual(['ended', 'precious.json'])
  await rm(join(dir, 'ended'), {recursive: true})
  await ends.note({...end('odd'), reason: 7 as never})
  expect(await ends.latest(any)).toBeNull()
  await ends.note(end('good'))
  const file = join(dir, 'ended', 'hpc', 'good.json')
  for (const wrong of [{...end('good'), jobId: {}}, end('another'), end('good', 'other'), null]) {
    await writeFile(file, JSON.stringify(wrong))
    expect(await ends.latest(any)).toBeNull()
  }
})
