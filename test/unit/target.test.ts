import {describe, expect, test} from 'vitest'
import {parseTarget, targetText} from '../../src/target.ts'
import {failureOf} from './expect-error.ts'

test.each([
  ['head', null, 'head', null],
  ['me@head.example.org', 'me', 'head.example.org', null],
  ['me@head:2222', 'me', 'head', 2222],
  ['head:22', null, 'head', 22],
  ['me@site.org@head', 'me@site.org', 'head', null],
  ['DOMAIN\\me@head', 'DOMAIN\\me', 'head', null],
  ['10.0.0.1:65535', null, '10.0.0.1', 65_535],
  ['::1', null, '::1', null],
  ['me@fe80::1%eth0', 'me', 'fe80::1%eth0', null],
  ['[::1]', null, '::1', null],
  ['me@[2001:db8::7]:2222', 'me', '2001:db8::7', 2222],
  ['[head]:2222', null, 'head', 2222],
  ['ssh://me@head:2222', 'me', 'head', 2222],
  ['SSH://me@head/', 'me', 'head', null],
  ['ssh://[::1]:22', null, '::1', 22],
  ['  me@head ', 'me', 'head', null],
  ['login_1.cluster-a', null, 'login_1.cluster-a', null],
  ['müller-rechner', null, 'müller-rechner', null],
])('%s', (text, user, host, port) => {
  expect(parseTarget(text)).toEqual({user, host, port})
})

test('a target is written so that it reads back', () => {
  for (const text of ['head', 'me@head', 'me@head:2222', '::1', 'me@[::1]:22', 'me@site.org@head']) {
    expect(targetText(parseTarget(text))).toBe(text)
    expect(parseTarget(targetText(parseTarget(text)))).toEqual(parseTarget(text))
  }
})

describe('what ssh would take for an option, a command or nothing at all is refused', () => {
  test.each([
    '', ' ', '@', '@head', 'me@', ':22', 'head:', 'head:x', 'head:22:33', 'a:b', '[::1', '::1]', '[::1]x', '[a:b]:1', 'http://head', '-oProxyCommand=touch hit', 'me@-oProxyCommand=x',
    '-l@head', 'he ad', 'head;id', '$(id)', '`id`', 'head|x', 'head&', 'head>x', "he'ad", 'he"ad', 'head\\', 'head\nx', 'head\0', 'gw,head', 'head/path', '*', 'a?', '!x',
    'me;id@head', '$(id)`@head', "m'e@head", 'a -oX@head', 'me\\@head', 'me\u001B@head', 'head:0', 'head:65536', 'head:999999999',
  ])('%j', (text) => {
    const {code, message, hint} = failureOf(() => parseTarget(text, '--host'))
    expect(code).toBe('usage')
    expect(message).toMatch(/^--host must be \[user@\]host\[:port\], not "/)
    expect(hint).toContain('you@head.example.org')
    // A terminal shows the message: what the user gave must not steer it.
    expect(message).not.toMatch(/\p{Cc}/u)
  })

  test('and it says what is wrong', () => {
    expect(failureOf(() => parseTarget('me@head;id', '--jump')).message).toBe('--jump must be [user@]host[:port], not "me@head;id": the host name holds characters that no host name has')
    expect(failureOf(() => parseTarget('m|e@head')).message).toBe('The host must be [user@]host[:port], not "m|e@head": the user name holds characters that ssh refuses')
    expect(failureOf(() => parseTarget('head:70000', '--host')).message).toBe('--host must be [user@]host[:port], not "head:70000": the port is not between 1 and 65535')
  })
})
