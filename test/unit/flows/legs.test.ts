/** Legs of a route as the session's `legs` file and the job's record have them: real scripts in a real sh. */
import {mkdtempSync, readFileSync, rmSync, writeFileSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {afterEach, beforeEach, expect, test} from 'vitest'
import {askForLeg, dropLeg} from '../../../src/flows/legs.ts'
import type {RouteContext} from '../../../src/flows/route-context.ts'
import {parseRecord} from '../../../src/jupyter/record.ts'
import {localRemote} from '../../../src/ssh/local.ts'

let dir: string
let context: RouteContext
let names = 0

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'jnode-legs-'))
  writeFileSync(join(dir, 'legs'), '')
  recorded('')
})
afterEach(() => rmSync(dir, {recursive: true}))

/** What the job has told of its legs so far. */
function recorded(lines: string): void {
  const record = parseRecord(`jnode-record 1\nendpoint socket /tmp/s\nnode n1\nlistening\n${lines}`)!
  context = {
    facts: {remoteDir: dir}, link: {head: localRemote()}, watch: {view: {record}, until: (pick: (view: {record: typeof record}) => unknown) => Promise.resolve(pick({record}))},
    signal: new AbortController().signal, deps: {randomHex: () => `0000000${++names}`},
  } as unknown as RouteContext
}

const asked = (fresh = false, kind = 'direct') => askForLeg(kind, fresh, {context, program: (id) => `# ${id}`})
const legs = () => readFileSync(join(dir, 'legs'), 'utf8')

test('a name that was asked for in vain is never asked for again: the job would not run it', async () => {
  const first = await asked()
  // Broken off before the job has looked.
  await dropLeg(first, context)
  const second = await asked()
  expect(second).toEqual({id: expect.not.stringMatching(first.id) as string, reused: false})
  expect(legs()).toBe(`start ${first.id}\nend ${first.id}\nstart ${second.id}\n`)
  expect(readFileSync(join(dir, `${second.id}.py`), 'utf8')).toBe(`# ${second.id}`)
})

test('one that is asked for already is shared; one that failed, or is of no use, is replaced', async () => {
  const {id} = await asked()
  expect(await asked()).toEqual({id, reused: true})
  recorded(`leg ${id} failed no address\n`)
  const second = await asked()
  expect(second).toMatchObject({reused: false})
  expect(await asked(true)).toMatchObject({reused: false})
  expect(legs().match(/^end .*/gm)).toEqual([`end ${id}`, `end ${second.id}`])
})

test('those of another kind are no matter', async () => {
  const {id} = await asked(false, 'reverse-head-2')
  expect(await asked(false, 'reverse-head')).toMatchObject({reused: false})
  expect(await asked(false, 'reverse-head-2')).toEqual({id, reused: true})
})
