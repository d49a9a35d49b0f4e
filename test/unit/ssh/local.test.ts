import {expect, test} from 'vitest'
import {localRemote} from '../../../src/ssh/local.ts'
import {rejectionOf} from '../expect-error.ts'

test.each(['run', 'follow'] as const)('what is given up while its shell starts does not go on (%s)', async (how) => {
  const remote = localRemote()
  const enough = new AbortController()
  const asked = how === 'run' ? remote.run(['sleep 60'], {signal: enough.signal}) : remote.follow('sleep 60', () => {}, enough.signal)
  enough.abort()
  expect((await rejectionOf(asked)).code).toBe('interrupted')
})
