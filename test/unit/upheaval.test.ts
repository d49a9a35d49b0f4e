import {expect, test} from 'vitest'
import {nextUpheaval} from '../../src/upheaval.ts'
import {computer} from './computer.ts'

const undecided = Symbol('undecided')
const so = (promise: Promise<string>) => Promise.race([promise, new Promise((resolve) => setImmediate(resolve, undecided))])

test('nothing happens while time passes as it should, also on a busy computer', async () => {
  const {surroundings, pass} = computer()
  const next = nextUpheaval(new AbortController().signal, surroundings)
  for (const ms of [1000, 1003, 4500, 700]) pass(ms)
  expect(await so(next)).toBe(undecided)
})

test.each([
  ['an hour forward', 3_600_000],
  ['an hour back', -3_600_000],
  ['by a short sleep', 20_000],
])('a clock that jumped %s', async (_, ms) => {
  const {surroundings, pass, watched} = computer()
  const next = nextUpheaval(new AbortController().signal, surroundings)
  pass(1000)
  pass(ms)
  expect(await so(next)).toMatch(/asleep/)
  expect(watched()).toBe(0)
})

test('an address that came or went', async () => {
  const {state, surroundings, pass} = computer()
  const next = nextUpheaval(new AbortController().signal, surroundings)
  state.addresses = 'eth0 192.168.1.7'
  pass(1000)
  expect(await so(next)).toMatch(/network/)
})

test('ends with its signal, and looks no more', async () => {
  const {surroundings, watched} = computer()
  const signal = new AbortController()
  const next = nextUpheaval(signal.signal, surroundings)
  signal.abort(new Error('enough'))
  await expect(next).rejects.toThrow('enough')
  expect(watched()).toBe(0)
})

test('a computer that does not tell its addresses for a while has not changed them', async () => {
  const {state, surroundings, pass} = computer()
  let tells = true
  const addresses = () => {
    if (!tells) throw new Error('no file descriptor left')
    return state.addresses
  }
  const next = nextUpheaval(new AbortController().signal, {...surroundings, addresses})
  tells = false
  pass(1000)
  tells = true
  pass(1000)
  expect(await so(next)).toBe(undecided)
  state.addresses = 'wlan0 10.0.0.3'
  pass(1000)
  expect(await next).toContain('network')
})
