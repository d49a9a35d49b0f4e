import {homedir} from 'node:os'
import {join} from 'node:path'
import {describe, expect, test} from 'vitest'
import {userPaths} from '../../../src/config/paths.ts'
import {failureOf} from '../expect-error.ts'

test('$XDG_CONFIG_HOME and $XDG_STATE_HOME decide on every platform', () => {
  expect(userPaths({XDG_CONFIG_HOME: '/etc/me', XDG_STATE_HOME: '/var/me'})).toEqual({
    configFile: join('/etc/me', 'jnode', 'config.toml'),
    siteConfigFiles: ['/etc/xdg/jnode/config.toml'],
    stateDir: join('/var/me', 'jnode'),
  })
})

test('$XDG_CONFIG_DIRS names the site\'s directories, the strongest first', () => {
  expect(userPaths({XDG_CONFIG_DIRS: '/site/a:relative::/site/b'}).siteConfigFiles).toEqual(['/site/a/jnode/config.toml', '/site/b/jnode/config.toml'])
})

describe.runIf(process.platform === 'linux' && !process.env['XDG_CONFIG_HOME'] && !process.env['XDG_STATE_HOME'])('without them, on Linux', () => {
  test.each([{}, {XDG_CONFIG_HOME: '', XDG_STATE_HOME: ''}])('the home directory has them (%j)', (env) => {
    expect(userPaths(env)).toEqual({
      configFile: join(homedir(), '.config/jnode/config.toml'),
      siteConfigFiles: ['/etc/xdg/jnode/config.toml'],
      stateDir: join(homedir(), '.local/state/jnode'),
    })
  })
})

test.each(['XDG_CONFIG_HOME', 'XDG_STATE_HOME'])('a relative %s would mean another place in every directory', (variable) => {
  expect(failureOf(() => userPaths({[variable]: 'state'}))).toEqual({
    code: 'config',
    message: `${variable} must be an absolute path, not "state"`,
    hint: `Unset ${variable} or give it an absolute path.`,
  })
})

test.skipIf(process.platform === 'win32').each(['', 'relative'])('a home directory that is %j is refused in one sentence', (HOME) => {
  expect(failureOf(() => userPaths({HOME}))).toEqual({code: 'config', message: `HOME must be an absolute path, not "${HOME}"`, hint: 'Set HOME to your home directory.'})
})
