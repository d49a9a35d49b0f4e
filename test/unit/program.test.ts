import {execFileSync} from 'node:child_process'
import {chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {describe, expect, onTestFinished, test} from 'vitest'
import {findProgram, hasProgram, searchPath, searchSafely} from '../../src/program.ts'

describe('a program is looked for in the directories of PATH, and never in the current one', () => {
  test.each([
    ['linux', {PATH: '/a:/b'}, ['/a', '/b']],
    ['linux', {PATH: ':/a::.:./b:c:../d:/e:'}, ['/a', '/e']],
    ['linux', {PATH: ''}, ['/usr/bin', '/bin']],
    ['linux', {PATH: '.'}, ['/usr/bin', '/bin']],
    ['linux', {}, ['/usr/bin', '/bin']],
    ['darwin', {PATH: '/opt/homebrew/bin:bin'}, ['/opt/homebrew/bin']],
    ['win32', {Path: 'C:\\Windows\\System32;"D:\\a b";.;;bin;\\tools;e:tools;\\\\server\\share'}, ['C:\\Windows\\System32', 'D:\\a b', '\\\\server\\share']],
    ['win32', {SystemRoot: 'D:\\Win', PATH: '.'}, ['D:\\Win\\System32']],
  ] as const)('on %s with %j: %j', (platform, env, directories) => {
    expect(searchPath({env, platform})).toEqual(directories)
  })

  const env = {PATH: '.:/a:/b', Path: '.;C:\\a;C:\\b'}
  test.each([
    ['linux', 'ssh', '/b/ssh'],
    ['linux', 'none', '/a/none'],
    ['linux', './mine', './mine'],
    ['win32', 'ssh', 'C:\\b\\ssh.exe'],
    ['win32', 'powershell.exe', 'C:\\a\\powershell.exe'],
    ['win32', 'C:\\mine.exe', 'C:\\mine.exe'],
  ] as const)('on %s %s is %s', (platform, name, found) => {
    // Everything else is in the current directory.
    const isProgram = (path: string) => ['/b/ssh', 'C:\\b\\ssh.exe'].includes(path) || !/^(\/|C:\\)/.test(path)
    expect(findProgram(name, {env: platform === 'win32' ? {Path: env.Path} : env, platform, isProgram})).toBe(found)
  })
})

test('on Windows what jnode starts looks in no current directory either', () => {
  const env: NodeJS.ProcessEnv = {PATH: 'C:\\a;.;b'}
  searchSafely(env, 'win32')
  expect(env).toEqual({PATH: 'C:\\a', NoDefaultCurrentDirectoryInExePath: '1'})
})

test.runIf(process.platform !== 'win32')('nor does what it starts here', () => {
  const directory = mkdtempSync(join(tmpdir(), 'jnode-program-'))
  onTestFinished(() => rmSync(directory, {recursive: true}))
  for (const name of ['ls', 'planted']) {
    writeFileSync(join(directory, name), '#!/bin/sh\necho planted\n')
    chmodSync(join(directory, name), 0o755)
  }
  mkdirSync(join(directory, 'directory'))
  const env: NodeJS.ProcessEnv = {PATH: `:.:${process.env['PATH']}:`}
  const shell = () => execFileSync('/bin/sh', ['-c', 'ls; planted || true'], {cwd: directory, env, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore']})
  expect(shell()).toBe('planted\nplanted\n')
  searchSafely(env)
  expect(shell()).toBe('directory\nls\nplanted\n')
  expect([hasProgram('ls', env), hasProgram('planted', env), hasProgram('directory', {PATH: directory})]).toEqual([true, false, false])
})
