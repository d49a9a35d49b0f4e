import type {Duplex} from 'node:stream';
import { PassThrough} from 'node:stream'
import {expect, test} from 'vitest'
import {JnodeError, type ErrorCode} from '../../../src/errors.ts'
import {greets, streamAnswer} from '../../../src/flows/stream-answer.ts'

const told = (code: ErrorCode, message: string, cause?: Error) => Promise.reject<Duplex>(new JnodeError(code, message, {cause}))

// As OpenSSH's sshd says it through ssh2, and the ssh program, and this machine.
test.each([
  ['no-route', 'alice@head did not open a stream to 10.10.3.2:50011: (SSH) Channel open failure: Connection refused', 'refused'],
  ['no-route', 'alice@head did not open a stream to 10.10.3.2:50011: connect failed: Connection refused', 'refused'],
  ['no-route', 'alice@head did not open a stream to 10.10.3.2:50011: administratively prohibited', 'prohibited'],
  ['no-route', 'alice@head did not open a stream to 10.10.3.2:50011: administratively prohibited: open failed', 'prohibited'],
  ['no-route', 'alice@head did not open a stream to 10.10.3.2:50011: (SSH) Channel open failure: Connection timed out', 'shut'],
  ['no-route', 'alice@head did not open a stream to 10.10.3.2:50011: (SSH) Channel open failure: No route to host', 'shut'],
  ['no-route', 'no answer within 4 s', 'shut'],
  ['no-route', 'alice@node1 did not open a stream to /tmp/jnode.x/sock: (SSH) Channel open failure: open failed', 'unclear'],
  ['no-route', 'alice@head did not open a stream to 10.10.3.2:50011: it was closed at once', 'unclear'],
] as const)('%s, %s: %s', async (code, message, kind) => {
  expect(await streamAnswer(told(code, message))).toEqual({kind, why: message})
})

test('on this very machine the reason is in the cause', async () => {
  const here = 'Nothing answers at node1:50011 on this machine'
  expect(await streamAnswer(told('unreachable', here, new Error('connect ECONNREFUSED 10.10.3.2:50011')))).toMatchObject({kind: 'refused'})
  expect(await streamAnswer(told('unreachable', here, new Error('connect EHOSTUNREACH 10.10.3.2:50011')))).toMatchObject({kind: 'shut'})
})

test('a stream that opens is closed again, and a lost connection is no answer', async () => {
  const stream = new PassThrough()
  expect(await streamAnswer(Promise.resolve(stream))).toEqual({kind: 'open'})
  expect(stream.destroyed).toBe(true)
  await expect(streamAnswer(told('connection-lost', 'The connection to alice@head is gone'))).rejects.toMatchObject({code: 'connection-lost'})
})

test('only an SSH server greets as one', async () => {
  const speaks = (text: string | null) => {
    const stream = new PassThrough()
    stream.end(text)
    return greets(stream, new AbortController().signal)
  }
  expect(await speaks('SSH-2.0-OpenSSH_9.2p1\r\n')).toBe(true)
  expect(await speaks('HTTP/1.1 400 Bad Request\r\n')).toBe(false)
  expect(await speaks(null)).toBe(false)
})
