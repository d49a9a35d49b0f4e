import {PassThrough} from 'node:stream'
import {expect, test} from 'vitest'
import {closed, openedWithin} from '../../../src/flows/route-context.ts'
import {rejectionOf} from '../expect-error.ts'

test('a stream that opens when nobody waits for it any more is closed again', async () => {
  let opens!: (stream: PassThrough) => void
  const opening = new Promise<PassThrough>((resolve) => (opens = resolve))
  const clock = {now: () => 0, sleep: async () => {}}
  expect((await rejectionOf(openedWithin(4000, opening, {clock, late: () => closed('no answer', null)}))).code).toBe('no-route')
  const stream = new PassThrough()
  const over = new Promise<string>((resolve) => stream.once('close', () => resolve('closed')))
  opens(stream)
  expect(await over).toBe('closed')
})
