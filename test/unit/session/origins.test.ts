import {spawn} from 'node:child_process'
import {mkdtemp, readdir, readFile, rm, stat, writeFile} from 'node:fs/promises'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {fileURLToPath} from 'node:url'
import {afterEach, beforeEach, describe, expect, test} from 'vitest'
import {LABEL, originOf} from '../../../src/origin.ts'
import {originStore, type OriginOwner, type OriginStore} from '../../../src/session/origins.ts'
import {rejectionOf} from '../expect-error.ts'

let home: string
let store: OriginStore
beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'jnode-origins-'))
  store = originStore(home)
})
afterEach(() => rm(home, {recursive: true}))

const target = (host: string) => ({user: 'me', host, port: null})
const owner = (over: Partial<OriginOwner> = {}): OriginOwner => ({cluster: 'hpc', hops: [target('head')], name: 'nb', ...over})
const OTHERS: [string, OriginOwner][] = [
  ['another name', owner({name: 'nb2'})],
  ['another cluster', owner({cluster: 'other'})],
  ['a cluster of the same name with another head', owner({hops: [target('head2')]})],
  ['a head of the same name behind another gateway', owner({hops: [target('gateway'), target('head')]})],
  ['another user of the head', owner({hops: [{...target('head'), user: 'you'}]})],
  ['a name that joins to the same text', owner({cluster: 'hpc,', name: 'nb'})],
]
const FREE = `j${'0'.repeat(20)}`

describe('a session', () => {
  test('has a random origin and the same one every day', async () => {
    const {origin, port} = await store.of(owner())
    expect(origin).toEqual(originOf(origin.label))
    expect([LABEL.test(origin.label), port]).toEqual([true, null])
    await store.notePort(owner(), 8889)
    expect(await originStore(home).of(owner())).toEqual({origin, port: 8889})
    await store.notePort(owner(), 9000)
    expect(await store.of(owner(), {label: FREE, port: 9001})).toEqual({origin, port: 9000})
  })

  test.each(OTHERS)('never shares it with %s, also where a cluster says so', async (_, other) => {
    const {origin} = await store.of(owner())
    const theirs = await store.of(other, {label: origin.label, port: null})
    expect(theirs.origin.address).not.toBe(origin.address)
    expect(await store.of(other, {label: origin.label, port: null})).toEqual(theirs)
  })

  test('has on this computer what it has on another one, if nobody here ever had it', async () => {
    expect(await store.of(owner(), {label: FREE, port: 8890})).toEqual({origin: originOf(FREE), port: 8890})
    expect((await store.of(OTHERS[0]![1], {label: FREE, port: 8890})).origin.label).not.toBe(FREE)
  })

  test('does not share an address by a second label either', async () => {
    const {origin} = await store.of(owner())
    let twin = ''
    // Another label with this address takes millions of tries: the claim is made as if there were one.
    await rm(join(home, 'origins'), {recursive: true})
    await store.of(OTHERS[0]![1])
    await writeFile(join(home, 'origins', 'taken', origin.address), 'somebody')
    twin = (await store.of(owner(), {label: origin.label, port: null})).origin.label
    expect(twin).not.toBe(origin.label)
  })

  test.each(['../../x', 'J'.repeat(21), '', 'localhost'])('takes no %j for a label', async (label) => {
    expect((await store.of(owner(), {label, port: null})).origin.label).toMatch(LABEL)
  })

  test.each([1023, 80, 0, -1, 65_536, 1.5])('takes no port %d from a cluster', async (port) => {
    expect((await store.of(owner(), {label: FREE, port})).port).toBeNull()
  })

  test('takes no port from a cluster that another session ever had here', async () => {
    await store.of(owner())
    await store.notePort(owner(), 9000)
    await store.notePort(owner(), 9001)
    for (const port of [9000, 9001]) expect((await store.of(OTHERS[1]![1], {label: FREE, port})).port).toBeNull()
    expect((await store.of(OTHERS[1]![1], {label: FREE, port: 9002})).port).toBe(9002)
  })
})

test('processes that start at the same moment agree on one origin, and no two sessions on the same', async () => {
  const program = `import {originStore} from ${JSON.stringify(fileURLToPath(new URL('../../../src/session/origins.ts', import.meta.url)))}
const one = (name) => originStore(process.argv[1]).of({cluster: 'hpc', hops: [], name}, {label: '${FREE}', port: null})
console.log(JSON.stringify(await Promise.all(['a', 'b', 'a', 'c', 'b', 'a'].map(one))))`
  const answers = await Promise.all(Array.from({length: 3}, () => outputOf(['--import', 'tsx', '--input-type=module', '-e', program, home])))
  const labels = answers.flatMap((text) => (JSON.parse(text) as {origin: {label: string}}[]).map(({origin}, i) => `${'abacba'[i]} ${origin.label}`))
  const distinct = [...new Set(labels)]
  expect(distinct.map((line) => line[0]).sort()).toEqual(['a', 'b', 'c'])
  expect(new Set(distinct.map((line) => line.slice(2))).size).toBe(3)
})

test('what a crash leaves is of use to the same session only', async () => {
  const {origin} = await store.of(owner())
  const [entry] = (await readdir(join(home, 'origins'))).filter((name) => name.endsWith('.json'))
  await rm(join(home, 'origins', entry!))
  expect((await store.of(OTHERS[0]![1], {label: origin.label, port: null})).origin.label).not.toBe(origin.label)
  expect((await store.of(owner(), {label: origin.label, port: null})).origin).toEqual(origin)
})

test('an entry that is no entry is written anew', async () => {
  const {origin} = await store.of(owner())
  const [entry] = (await readdir(join(home, 'origins'))).filter((name) => name.endsWith('.json'))
  await writeFile(join(home, 'origins', entry!), '{"label": "localhost"')
  const {origin: next} = await store.of(owner())
  expect(next.label).not.toBe(origin.label)
  expect((await store.of(owner())).origin).toEqual(next)
})

test('its files are for the user’s eyes only, with nothing half-written beside them', async () => {
  await store.of(owner())
  await store.notePort(owner(), 9000)
  const files = await readdir(join(home, 'origins'), {recursive: true})
  expect(files.map((file) => file.replace(/[0-9a-f]{32}/, 'ID').replace(/127[\d.]+/, 'ADDRESS')).sort()).toEqual(['ID.json', 'taken', 'taken/ADDRESS'])
  for (const file of ['', ...files]) expect((await stat(join(home, 'origins', file))).mode & 0o077).toBe(0)
  const entry = files.find((file) => file.endsWith('.json'))!
  expect(JSON.parse(await readFile(join(home, 'origins', entry), 'utf8'))).toMatchObject({session: 'nb me@head hpc', ports: [9000]})
})

test('a folder that cannot be written to is said to be so', async () => {
  await writeFile(join(home, 'origins'), '')
  expect(await rejectionOf(store.of(owner()))).toMatchObject({code: 'config', message: `${join(home, 'origins')} cannot be written: a part of that path is not a folder`})
})

function outputOf(args: string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, args, {stdio: ['ignore', 'pipe', 'inherit']})
    let text = ''
    child.stdout.on('data', (data: Buffer) => (text += data.toString()))
    child.once('close', (code) => (code === 0 ? resolve(text) : reject(new Error(`ended with ${code}`))))
  })
}
