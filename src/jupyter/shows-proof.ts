/**
 * Asks a stream itself whether our server is at its other end, before anything else goes there. What another stream
 * has shown says nothing: a place can change hands between two of them.
 */
import type {Duplex} from 'node:stream'
import {JnodeError, messageOf} from '../errors.ts'
import {proofOf} from './api.ts'
import {PROOF_HEADER} from './server-config.ts'

const QUESTION = 'GET /api HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: */*\r\n\r\n'
/** Jupyter's answer has less than 1000 bytes. */
const MOST_BYTES = 65_536

/**
 * Whether the answer shows the session's proof. The stream is then as if nobody had asked: the next byte on it is a new request.
 * Rejects, and ends the stream, when there is no answer; waits as long as that takes, for a server may be busy.
 */
export function showsProof(stream: Duplex, token: string, signal?: AbortSignal): Promise<boolean> {
  return new Promise((resolve, reject) => {
    let heard: Buffer = Buffer.alloc(0)
    let over = false
    const leave = () => {
      over = true
      stream.off('readable', hear).off('end', fail).off('close', fail)
      signal?.removeEventListener('abort', giveUp)
    }
    const giveUp = () => fail(signal?.reason)
    const end = (answer: boolean) => {
      leave()
      resolve(answer)
    }
    function fail(why: unknown = 'the stream has ended') {
      if (over) return
      leave()
      stream.destroy()
      reject(new JnodeError('connection-lost', `Jupyter does not answer: ${messageOf(why)}`))
    }
    // Not by 'data', after which the stream would not flow again by itself.
    function hear() {
      for (let chunk = stream.read() as Buffer | null; chunk !== null && !over; chunk = stream.read() as Buffer | null) {
        heard = Buffer.concat([heard, chunk])
        const answer = heard.length > MOST_BYTES ? '' : readAnswer(heard)
        if (answer !== null) end(answer === proofOf(token))
      }
    }
    // Stays: an error that nobody hears would end the process.
    stream.on('error', fail)
    stream.on('readable', hear).once('end', fail).once('close', fail)
    stream.write(QUESTION)
    signal?.addEventListener('abort', giveUp, {once: true})
    if (signal?.aborted) giveUp()
  })
}

/** The proof in an answer, '' for one that shows none or cannot be followed by another; null while it is not complete. */
function readAnswer(heard: Buffer): string | null {
  const end = heard.indexOf('\r\n\r\n')
  if (end < 0) return null
  const [status = '', ...lines] = heard.toString('latin1', 0, end).split('\r\n')
  const headers = new Map(lines.map((line) => [line.slice(0, line.indexOf(':')).toLowerCase(), line.slice(line.indexOf(':') + 1).trim()]))
  const length = Number(headers.get('content-length') ?? NaN)
  if (!status.startsWith('HTTP/1.1 ') || !Number.isSafeInteger(length) || headers.get('connection')?.toLowerCase() === 'close') return ''
  const whole = end + 4 + length
  if (heard.length < whole) return null
  // More than was asked for would be taken for the answer to the next request.
  return heard.length === whole ? (headers.get(PROOF_HEADER.toLowerCase()) ?? '') : ''
}
