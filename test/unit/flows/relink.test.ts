import {expect, test, vi} from 'vitest'
import {JnodeError, throwIfAborted, whenAborted} from '../../../src/errors.ts'
import type {FlowEvent} from '../../../src/flows/events.ts'
import {personNeeded, relink} from '../../../src/flows/relink.ts'
import {nextUpheaval} from '../../../src/upheaval.ts'
import {computer} from '../computer.ts'

/** A laptop off the network: pauses take no time, but the ninth, of about a minute, does not end by itself. */
function laptop() {
  const {state, surroundings, pass, watched} = computer()
  state.addresses = ''
  const pauses: number[] = []
  const clock = {
    now: () => state.now,
    async sleep(ms: number, signal?: AbortSignal) {
      pauses.push(ms)
      if (pauses.length === 9 && signal) await whenAborted(signal)
      throwIfAborted(signal)
    },
  }
  return {state, pass, watched, pauses, deps: {clock, tell: () => {}, upheaval: (signal: AbortSignal) => nextUpheaval(signal, surroundings)}}
}

const {signal} = new AbortController()
const onPause = () => {}

test('a network that comes back while a try fails is noticed all the same, and the next pauses are short again', async () => {
  const here = laptop()
  const attempt = async () => {
    if (here.state.addresses !== '') return 'connected'
    // It comes between two looks at the addresses, a moment too late for this try.
    if (here.pauses.length === 8) here.state.addresses = 'wlan0 10.0.0.2'
    throw new Error('no network')
  }
  const linked = relink(attempt, here.deps, {signal, onPause})
  await vi.waitFor(() => expect(here.pauses).toHaveLength(9))
  here.pass(1000)
  expect(await linked).toBe('connected')
  expect(here.pauses[8]).toBeGreaterThan(45_000)
  expect(here.pauses[9]).toBeLessThan(400)
  expect(here.watched()).toBe(0)
})

test('a change ends the try that is under way', async () => {
  const here = laptop()
  const linked = relink(async (turn) => {
    if (here.state.addresses !== '') return 'connected'
    await whenAborted(turn)
    throw turn.reason
  }, here.deps, {signal, onPause})
  await vi.waitFor(() => expect(here.pauses).toHaveLength(1))
  here.state.addresses = 'wlan0 10.0.0.2'
  here.pass(1000)
  expect(await linked).toBe('connected')
})

test('ends with its signal, and watches no more', async () => {
  const here = laptop()
  const ending = new AbortController()
  const linked = relink(async () => Promise.reject(new Error('no network')), here.deps, {signal: ending.signal, onPause})
  await vi.waitFor(() => expect(here.pauses).toHaveLength(9))
  ending.abort()
  await expect(linked).rejects.toThrow('Interrupted')
  expect(here.watched()).toBe(0)
})

test('a key that was taken before and is refused is tried again, slowly; what needs a person is not', async () => {
  const here = laptop()
  const refused = new JnodeError('login-failed', 'alice@head refused the login', {needs: 'patience'})
  const told: FlowEvent[] = []
  let tries = 0
  await relink(async () => {
    if (++tries < 5) throw refused
  }, {...here.deps, tell: (event) => told.push(event)}, {signal, onPause})
  expect(here.pauses.map((ms) => Math.round(ms / 1000) >= 8)).toEqual([false, true, true, true, true])
  expect(here.pauses[4]).toBeGreaterThan(45_000)
  expect(told.filter(({kind}) => kind === 'warning')).toMatchObject([{text: 'alice@head refused the login. Trying again, more and more slowly'}])
  for (const needs of ['person', undefined] as const) {
    const attempt = vi.fn(() => Promise.reject(new JnodeError('login-failed', 'no', {needs})))
    await expect(relink(attempt, laptop().deps, {signal, onPause})).rejects.toMatchObject({code: 'login-failed'})
    expect(attempt).toHaveBeenCalledOnce()
  }
})

test('a route that failed of a login that only a person can make is told from one that may come back', () => {
  const spent = new JnodeError('login-failed', 'no', {needs: 'person'})
  const noRoute = (cause: JnodeError) => new JnodeError('no-route', 'No way works', {cause: new JnodeError('no-route', 'socket', {cause})})
  expect(personNeeded(noRoute(spent))).toBe(spent)
  expect(personNeeded(noRoute(new JnodeError('login-failed', 'no', {needs: 'patience'})))).toBeNull()
  expect(personNeeded(noRoute(new JnodeError('unreachable', 'no')))).toBeNull()
})
