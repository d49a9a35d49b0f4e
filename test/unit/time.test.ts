import {describe, expect, test} from 'vitest'
import {JnodeError} from '../../src/errors.ts'
import {clockText, parseDuration, shortDuration, spokenDuration, systemClock} from '../../src/time.ts'
import {failureOf, rejectionOf} from './expect-error.ts'

describe('a length of time', () => {
  test.each([
    ['90s', 90],
    ['30m', 1800],
    ['8h', 28_800],
    ['8H', 28_800],
    ['1d12h', 129_600],
    ['1d2h3m4s', 93_784],
    ['3600', 3600],
    ['08:00:00', 28_800],
    ['100:00:00', 360_000],
    ['1-12:00:00', 129_600],
    [' 8h ', 28_800],
  ])('%s is %d seconds', (text, seconds) => {
    expect(parseDuration(text)).toBe(seconds)
  })

  test.each(['25:61', '8:30', '1:60:00', '1:00:60', '1-24:00:00', '', 'h', '-8h', '1.5h', '5m1h', '1h1h', '1h30', '8 h', 'x', '1e9', '8h; rm -rf /'])(
    '%j is refused with the accepted forms',
    (text) => {
      expect(failureOf(() => parseDuration(text, '--time'))).toEqual({
        code: 'usage',
        message: `--time must be a length of time, not ${JSON.stringify(text)}`,
        hint: 'Write it as 8h, 90m, 1d12h, HH:MM:SS or D-HH:MM:SS.',
      })
    },
  )

  test.each(['0', '0h', '00:00:00'])('%s is no time at all', (text) => {
    expect(failureOf(() => parseDuration(text, '--wait')).message).toBe(`--wait must be a length of time above zero, not "${text}"`)
  })

  test.each(['9999d', '999999999', '999999999d'])('%s is longer than anybody means', (text) => {
    expect(failureOf(() => parseDuration(text, '--time')).message).toBe(`--time must be a length of time of at most ten years, not "${text}"`)
  })
})

test.each([
  [1, '00:00:01'],
  [3661, '01:01:01'],
  [129_600, '36:00:00'],
  [360_000.7, '100:00:00'],
])('%d seconds are %s for Grid Engine', (seconds, text) => {
  expect(clockText(seconds)).toBe(text)
})

test('what Grid Engine is told reads back as the same time', () => {
  for (const text of ['59s', '8h', '1d12h', '365d']) expect(parseDuration(clockText(parseDuration(text)))).toBe(parseDuration(text))
})

test.each([
  [-5, '0 s'],
  [400, '0 s'],
  [40_000, '40 s'],
  [59_700, '1 min'],
  [65_000, '1 min'],
  [3_600_000, '1 h'],
  [7_500_000, '2 h 5 min'],
  [169_200_000, '47 h'],
  [172_800_000, '2 days'],
  [187_200_000, '2 days 4 h'],
])('%d ms are spoken as %s', (ms, text) => {
  expect(spokenDuration(ms)).toBe(text)
})

describe('the clock', () => {
  test('sleeps, and a later abort changes nothing', async () => {
    const abort = new AbortController()
    await expect(systemClock.sleep(1, abort.signal)).resolves.toBeUndefined()
    abort.abort()
  })

  test('wakes with the reason when the signal aborts', async () => {
    const abort = new AbortController()
    const sleeping = systemClock.sleep(3_600_000, abort.signal)
    abort.abort(new JnodeError('gave-up', 'That took too long'))
    expect(await rejectionOf(sleeping)).toMatchObject({code: 'gave-up', message: 'That took too long'})
  })

  test('does not fall asleep after an abort', async () => {
    expect(await rejectionOf(systemClock.sleep(3_600_000, AbortSignal.abort()))).toMatchObject({code: 'interrupted', message: 'Interrupted'})
  })
})

test.each([[45_000, '45s'], [720_000, '12m'], [7_200_000, '2h'], [7_500_000, '2h5m'], [3 * 86_400_000 + 4 * 3_600_000 + 60_000, '3d4h'], [86_400_000, '1d'], [-5, '0s']])('%i ms are short %s', (ms, text) => {
  expect(shortDuration(ms)).toBe(text)
})
