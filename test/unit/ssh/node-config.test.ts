/** What is printed for ssh, judged by what ssh reads in it. */
import {execFileSync} from 'node:child_process'
import {mkdtempSync, rmSync, writeFileSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {afterAll, describe, expect, test} from 'vitest'
import {hostBlock, sshArguments, type NodeConfig} from '../../../src/ssh/node-config.ts'
import {failureOf} from '../expect-error.ts'

const dir = mkdtempSync(join(tmpdir(), 'jnode-node-config-'))
afterAll(() => rmSync(dir, {recursive: true}))

const config = (over: Partial<NodeConfig> = {}): NodeConfig => ({
  alias: 'nightly', node: 'node1.cluster', user: 'ann', pinnedFile: '/state/sessions/me%40head/nightly.known_hosts', nodesFile: '/state/known', knownHostsFiles: [], identityFiles: ['/home/ann/my "own" key\\1'],
  proxy: ['/usr/bin/node', '/opt/jnode/run.js', 'ssh', 'nightly', '--host', 'me@head', '--stdio'], ...over,
})

const POISON = "* \\'\n  ProxyCommand sh -c id>/tmp/pwned;cat\nHost decoy \\'"

test('ssh reads in it what was meant, whatever the folders are called', () => {
  const file = join(dir, 'config')
  writeFileSync(file, `${hostBlock(config())}\n`)
  const settings = execFileSync('ssh', ['-G', '-F', file, 'nightly'], {encoding: 'utf8'})
  expect(settings).toContain('\nhostname node1.cluster\n')
  expect(settings).toContain('\nidentityfile /home/ann/my "own" key\\1\n')
  expect(settings).toContain('proxycommand /usr/bin/node /opt/jnode/run.js ssh nightly --host me@head --stdio\n')
  // A percent sign must be doubled where ssh expands it; versions differ in which form they print.
  expect(settings).toMatch(/\nuserknownhostsfile \/state\/sessions\/me%%?40head\/nightly\.known_hosts\n/)
})

describe.each([
  ['alias', POISON], ['alias', '*'], ['alias', '-oProxyCommand=id'], ['alias', 'a b'], ['node', POISON], ['node', '-oProxyCommand=id'], ['node', '$(id)'], ['user', 'ann\n  ProxyCommand id'], ['pinnedFile', '/a\n  ProxyCommand id'],
  ['pinnedFile', '/a\u009b'], ['pinnedFile', '/a/${HOME}'], ['nodesFile', '/a\r'], ['identityFiles', ['/a\nb']], ['proxy', ['a\nb']],
])('%s %j', (key, value) => {
  test('is refused as a line of configuration and as an option', () => {
    const wrong = config({...(key === 'nodesFile' ? {pinnedFile: null} : {}), [key]: value})
    expect(failureOf(() => hostBlock(wrong))).toMatchObject({code: key === 'node' ? 'unreachable' : 'config'})
    expect(failureOf(() => sshArguments(wrong))).toMatchObject({code: key === 'node' ? 'unreachable' : 'config'})
  })
})
