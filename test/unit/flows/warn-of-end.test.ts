import {expect, test} from 'vitest'
import type {FlowEvent} from '../../../src/flows/events.ts'
import {lostPage} from '../../../src/flows/come-back.ts'
import {warnOfTheEnd} from '../../../src/flows/warn-of-end.ts'
import type {SessionFacts} from '../../../src/session/facts.ts'

const MINUTE = 60_000

/** What is told in the course of `minutes`; `jump` moves the clock by so much after a look, as sleep does. */
async function toldWithin(minutes: number, facts: {startedAt: string | null; runSeconds: number | null}, jump: (now: number) => number = () => 0): Promise<string[]> {
  const told: FlowEvent[] = []
  const stop = new AbortController()
  let now = 0
  const clock = {
    now: () => now,
    async sleep(ms: number) {
      now += ms + jump(now)
      if (now > minutes * MINUTE) stop.abort()
    },
  }
  await warnOfTheEnd(() => ({name: 'nb', ...facts}) as SessionFacts, {clock, tell: (event) => told.push(event)}, stop.signal)
  return told.map((event) => (event.kind === 'warning' ? (/has (.*) left/.exec(event.text)?.[1] ?? '?') : '?'))
}

const start = new Date(0).toISOString()

test('three warnings, each once', async () => {
  expect(await toldWithin(80, {startedAt: start, runSeconds: 3600})).toEqual(['30 min', '10 min', '2 min'])
})

test('none of a mark that lies before the beginning', async () => {
  expect(await toldWithin(30, {startedAt: start, runSeconds: 900})).toEqual(['10 min', '2 min'])
})

test('none without a limit, and none before it is known when the job began', async () => {
  expect(await toldWithin(80, {startedAt: start, runSeconds: null})).toEqual([])
  expect(await toldWithin(80, {startedAt: null, runSeconds: 3600})).toEqual([])
})

test('one for all that were slept through', async () => {
  expect(await toldWithin(80, {startedAt: start, runSeconds: 3600}, (now) => (now === 20 * MINUTE ? 33 * MINUTE : 0))).toEqual(['6 min', '2 min'])
})

test('all of them again when the job was started again', async () => {
  const facts = {startedAt: start, runSeconds: 3600}
  const restart = (now: number) => {
    if (now >= 55 * MINUTE && facts.startedAt === start) facts.startedAt = new Date(now).toISOString()
    return 0
  }
  expect(await toldWithin(130, facts, restart)).toEqual(['30 min', '10 min', '30 min', '10 min', '2 min'])
})

test('the page of a lost connection tells the time that is left when that is half an hour or less', () => {
  const facts = {name: 'nb', startedAt: start, runSeconds: 3600} as SessionFacts
  const linesAt = (minutes: number) => lostPage(facts, {clock: {now: () => minutes * MINUTE, sleep: async () => {}}}, null).lines
  expect(linesAt(29)).toHaveLength(2)
  expect(linesAt(50).at(-1)).toBe('Session nb has 10 min left, then Grid Engine ends it.')
  expect(linesAt(61)).toHaveLength(2)
})
