import {PassThrough} from 'node:stream'
import {expect, test} from 'vitest'
import {JnodeError} from '../../../src/errors.ts'
import {ownedStreams} from '../../../src/flows/sure-streams.ts'
import {rejectionOf} from '../expect-error.ts'

const opener = () => {
  const all: PassThrough[] = []
  return {all, open: async () => (all.push(new PassThrough()), all.at(-1)!)}
}

test('a stream is handed out only after a look that began when it was open; streams that wait share the next look', async () => {
  const {all, open} = opener()
  const looks: {streams: number; answer(): void}[] = []
  const sure = ownedStreams(open, () => new Promise((resolve) => looks.push({streams: all.length, answer: () => resolve('mine')})), 'mine')
  const one = sure()
  await new Promise(setImmediate)
  const others = [sure(), sure()]
  await new Promise(setImmediate)
  // The look under way began before those two were open.
  expect(looks.map(({streams}) => streams)).toEqual([1])
  looks[0]!.answer()
  expect(await one).toBe(all[0])
  await new Promise(setImmediate)
  expect(looks.map(({streams}) => streams)).toEqual([1, 3])
  looks[1]!.answer()
  expect(await Promise.all(others)).toEqual(all.slice(1))
})

test('a stream to a place that has changed hands is closed, whoever has it now, and the next one is judged by what is there now', async () => {
  const {all, open} = opener()
  let now = 'old'
  const sure = ownedStreams(open, async () => now, 'old')
  now = 'new'
  expect((await rejectionOf(sure())).code).toBe('no-route')
  expect(all[0]!.destroyed).toBe(true)
  expect((await sure()).destroyed).toBe(false)
})

test('a look that fails closes the stream and not the looks after it', async () => {
  const {all, open} = opener()
  let fails = true
  const sure = ownedStreams(open, async () => {
    if (fails) throw new JnodeError('connection-lost', 'gone')
    return 'mine'
  }, 'mine')
  expect((await rejectionOf(sure())).message).toBe('gone')
  expect(all[0]!.destroyed).toBe(true)
  fails = false
  expect((await sure()).destroyed).toBe(false)
})
