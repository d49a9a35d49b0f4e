import {describe, expect, test} from 'vitest'
import {EXIT_CODES, JnodeError, messageOf, redact, shown, throwIfAborted} from '../../src/errors.ts'
import {failureOf} from './expect-error.ts'

const TOKEN = '0123456789abcdef0123456789abcdef0123456789abcdef'

describe('a token is hidden', () => {
  test.each([
    ['in a URL', `http://127.0.0.1:8888/lab?token=${TOKEN}`, 'http://127.0.0.1:8888/lab?token=[secret]'],
    ['in a URL with more behind it', `http://localhost:8888/?a=1&token=${TOKEN}&b=2 is up`, 'http://localhost:8888/?a=1&token=[secret]&b=2 is up'],
    ['in two URLs of one line', `http://a/?token=${TOKEN} or http://b/?token=${TOKEN}`, 'http://a/?token=[secret] or http://b/?token=[secret]'],
    ['in a quoted URL', `<a href="http://a/?token=${TOKEN}">`, '<a href="http://a/?token=[secret]">'],
    ['in the address a login page comes back to', `/login?next=%2Flab%3Ftoken%3D${TOKEN}%26a`, '/login?next=%2Flab%3Ftoken%3D[secret]%26a'],
    ['in a header', `Authorization: token ${TOKEN}`, 'Authorization: token [secret]'],
    ['in a bearer header', `authorization: Bearer ${TOKEN}\nHost: x`, 'authorization: Bearer [secret]\nHost: x'],
    ['in headers printed as an object', `{ 'Authorization': 'token ${TOKEN}' }`, `{ 'Authorization': 'token [secret]' }`],
    ['in Jupyter’s own record of a server', `{"port": 8888, "token": "${TOKEN}", "url": "x"}`, '{"port": 8888, "token": "[secret]", "url": "x"}'],
    ['in the environment', `JUPYTER_TOKEN=${TOKEN} jupyter lab`, 'JUPYTER_TOKEN=[secret] jupyter lab'],
    ['on a command line', `jupyter lab --ServerApp.token=${TOKEN} --no-browser`, 'jupyter lab --ServerApp.token=[secret] --no-browser'],
    ['on a quoted command line', `jupyter lab --NotebookApp.token='${TOKEN}' --ip=x`, `jupyter lab --NotebookApp.token='[secret]' --ip=x`],
  ])('%s', (_where, text, hidden) => {
    expect(redact(text)).toBe(hidden)
    expect(redact(hidden)).toBe(hidden)
  })

  test('in the message and the hint of every error', () => {
    const error = new JnodeError('no-route', `GET http://127.0.0.1/?token=${TOKEN} failed`, {hint: `curl -H "Authorization: token ${TOKEN}"`})
    expect(JSON.stringify({...error, message: error.message, stack: error.stack})).not.toContain(TOKEN)
    expect(error.message).toBe('GET http://127.0.0.1/?token=[secret] failed')
  })
})

test.each(['Or copy http://host:8888/?token=...', 'the token is wrong', 'token=', 'Bad authorization: no token given', 'tokens: 5', '{"token": ""}'])('%j holds no secret and stays', (text) => {
  expect(redact(text)).toBe(text)
})

describe('a value in a sentence', () => {
  test.each([
    ['12Q', '"12Q"'],
    ['say "hi"', '"say \\"hi\\""'],
    ['\u001B[31mred', '"\\u001b[31mred"'],
    ['x'.repeat(40), `"${'x'.repeat(40)}"`],
    ['x'.repeat(300), `"${'x'.repeat(39)}…"`],
    ['🦦'.repeat(41), `"${'🦦'.repeat(39)}…"`],
  ])('%j', (value, text) => {
    expect(shown(value)).toBe(text)
  })
})

test('every code ends with one of the documented exit codes', () => {
  expect(new Set(Object.values(EXIT_CODES))).toEqual(new Set([1, 2, 3, 4, 5, 6, 7, 8, 9, 130]))
})

test('an error without a hint has none, and keeps its cause', () => {
  const cause = new Error('ECONNREFUSED')
  expect(new JnodeError('unreachable', 'x')).toMatchObject({hint: null})
  expect(new JnodeError('unreachable', 'x', {cause}).cause).toBe(cause)
})

test('anything thrown has a sentence', () => {
  expect(messageOf(new Error('broken'))).toBe('broken')
  expect(messageOf('text')).toBe('text')
})

describe('an aborted signal', () => {
  test('lets go on while it is not', () => {
    expect(() => throwIfAborted(undefined)).not.toThrow()
    expect(() => throwIfAborted(new AbortController().signal)).not.toThrow()
  })

  test('throws its own reason where that is ours, and `interrupted` else', () => {
    expect(failureOf(() => throwIfAborted(AbortSignal.abort(new JnodeError('gave-up', 'Too long'))))).toMatchObject({code: 'gave-up', message: 'Too long'})
    expect(failureOf(() => throwIfAborted(AbortSignal.abort(new DOMException('x'))))).toMatchObject({code: 'interrupted'})
  })

  test('throws `gave-up` for a time limit of the platform', () => {
    expect(failureOf(() => throwIfAborted(AbortSignal.abort(new DOMException('The operation was aborted due to timeout', 'TimeoutError'))))).toMatchObject({code: 'gave-up', message: 'It took too long'})
  })
})
