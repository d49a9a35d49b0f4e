import {spawnSync} from 'node:child_process'
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

/** In a process of its own, since it takes all that this computer lets one process open. */
const EXHAUSTED = `const {openSync} = await import('node:fs')
const {localRemote} = await import(${JSON.stringify(new URL('../../../src/ssh/local.ts', import.meta.url).href)})
const remote = localRemote()
try { for (;;) openSync('/dev/null') } catch {}
await remote.run(['true']).catch((error) => process.stdout.write(error.message))`

test('a shell that cannot be started is an error of that call, and not the end of a keeper', () => {
  const {stdout, status} = spawnSync('/bin/sh', ['-c', 'ulimit -n 100; exec "$@"', 'sh', process.execPath, '--import', 'tsx', '--input-type=module', '-e', EXHAUSTED], {encoding: 'utf8'})
  expect({stdout, status}).toEqual({stdout: 'spawn /bin/sh EMFILE', status: 0})
})
