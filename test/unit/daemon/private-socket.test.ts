import {chmodSync, mkdirSync, mkdtempSync, rmSync, statSync, symlinkSync} from 'node:fs'
import {tmpdir, userInfo} from 'node:os'
import {join} from 'node:path'
import {expect, onTestFinished, test} from 'vitest'
import {makeRoom, privateSocket} from '../../../src/daemon/private-socket.ts'
import {rejectionOf} from '../expect-error.ts'

test('where /tmp has a symbolic link in the place of our directory, what it leads to is left alone', async () => {
  const temporary = mkdtempSync(join(tmpdir(), 'jnode-room-'))
  const before = process.env['TMPDIR']
  onTestFinished(() => {
    if (before === undefined) delete process.env['TMPDIR']
    else process.env['TMPDIR'] = before
    rmSync(temporary, {recursive: true})
  })
  process.env['TMPDIR'] = temporary
  const shown = join(temporary, 'shown')
  mkdirSync(shown)
  chmodSync(shown, 0o755)
  symlinkSync(shown, join(temporary, `jnode-${userInfo().uid}`))
  const failure = await rejectionOf(makeRoom(privateSocket(`/${'deep/'.repeat(20)}`, 'a')))
  expect(failure.code).toBe('config')
  expect(statSync(shown).mode & 0o777).toBe(0o755)
})
