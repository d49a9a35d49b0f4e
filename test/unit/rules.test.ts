import fc from 'fast-check'
import {describe, expect, test} from 'vitest'
import {checkHostName, isAddress, isHostKey, isHostName, isJobNumber, isLine, isPage, isPath, isPort, isSessionName, isTimestamp, isUrlPath, isWord} from '../../src/rules.ts'
import {failureOf} from './expect-error.ts'
import {fuzzing} from './fuzzing.ts'
import {hostile} from './hostile.ts'

describe.each<[string, (text: string) => boolean, string[], string[]]>([
  ['an address', isAddress, ['10.0.0.1', 'fd00::1', '::ffff:10.0.0.1'], ['', 'head', '1.2.3', '01.2.3.4', 'fe80::1%eth0', 'fe80::1%$(id)', '$(id)', ' 10.0.0.1', '10.0.0.1\n', '[::1]']],
  ['a host name', isHostName, ['node1', 'node1.cluster', 'n_1', '10.0.0.1', 'fd00::1'], ['', '-oProxyCommand=id', 'a b', '$(id)', '`id`', "a'b", 'a"b', 'a;b', 'a|b', 'a&b', 'a%h', 'a/b', 'a,b', 'a@b', 'a:b', 'a\n', '.a', 'a'.repeat(254), 'fe80::1%eth0']],
  ['a word', isWord, ['all.q', 'node1.77', 'x@y'], ['', '-x', 'a b', 'a\tb', 'a\n', '\u001b', 'a'.repeat(256)]],
  ['a line', isLine, ['', 'any text (of people)', 'ä'], ['a\nb', '\u001b[2J', '\u009b2J', '\u2028', '\0', 'a'.repeat(4097)]],
  ['a path', isPath, ['/', '/tmp/a b', '/home/ann/.jnode'], ['', 'a', './a', '~/a', '/a\nb', '/\u001b']],
  ['a path of a URL', isUrlPath, ['/', '/u/', '/user/ann/', '/user/ann@example.org/', '/a%20b/'], ['', '//', '//evil/', '/@evil/', '@evil/', '/u', 'u/', '/a//b/', '/\\evil/', '/a b/', '/?a/', '/#/', '/a\n/', '/"/']],
  ['a page', isPage, ['', 'lab', 'tree', 'lab/tree'], ['/lab', '@evil', '//evil', 'lab?token=x', 'lab#x', '\\evil', 'a b']],
  ['a job number', isJobNumber, ['7', '007', '4294967295'], ['', '-1', '1 2', '1;id', '1.5', '1'.repeat(20)]],
  ['the name of a session', isSessionName, ['otters-sing', 'a.b', 'job-12-8889'], ['', '1a', '.a', 'a.', 'a..b', 'a/b', '-a', 'a b', 'a'.repeat(41), 'a\n']],
  ['a host key', isHostKey, ['ssh-ed25519 AAAA', 'sk-ssh-ed25519@openssh.com AAAA=='], ['', 'ssh-rsa', 'ssh-rsa AAAA comment', '@revoked ssh-rsa AAAA', 'ssh-rsa A$(id)', 'ssh-rsa AAAA\n']],
  ['a moment', isTimestamp, ['2026-11-20T10:00:00.000Z', '2026-11-20T10:00:00Z'], ['', 'now', '2026-13-45T99:00:00Z', '2026-11-20', '+275760-09-13T00:00:00.000Z']],
])('%s', (_, rule, right, wrong) => {
  test.each(right)('may be %j', (text) => expect(rule(text)).toBe(true))
  test.each(wrong)('is never %j', (text) => expect(rule(text)).toBe(false))
})

test('a port is a whole number from 1 to 65535', () => {
  expect([1, 65_535].map(isPort)).toEqual([true, true])
  expect([0, -1, 65_536, 1.5, Number.NaN].map(isPort)).toEqual([false, false, false, false, false])
})

test('nothing that a shell, an option or a URL could be read into passes for a host, an address or a base path', () => {
  fc.assert(
    fc.property(hostile('/tmp/hit'), (text) => {
      for (const rule of [isHostName, isAddress]) if (rule(text)) expect(text).toMatch(/^[\w.:][\w.:-]*$/)
      if (isUrlPath(text)) expect(new URL(`http://127.0.0.1:8888${text}lab`).host).toBe('127.0.0.1:8888')
    }),
    fuzzing(2000),
  )
})

test('what is no host name is refused before any ssh is given it', () => {
  expect(checkHostName('node1')).toBe('node1')
  expect(failureOf(() => checkHostName('-oProxyCommand=id'))).toMatchObject({code: 'unreachable', message: 'The cluster gave "-oProxyCommand=id" as the name of a node, which is no host name'})
})
