/** Requests to a session's server, over streams of its own way: not by the local port, which others use and which may be down. */
import {request} from 'node:http'
import type {Socket} from 'node:net'
import type {Duplex} from 'node:stream'
import {tooMuch, UNPROVED_BYTES} from './bounds.ts'

/** The part of `fetch` that is needed here, so that the global one will do where it is at hand. */
export type Fetch = (
  url: URL,
  init: {method?: string; headers?: Record<string, string>; redirect: 'manual'; signal: AbortSignal; maxBytes?: number},
) => Promise<{status: number; headers: {get(name: string): string | null}; text(): Promise<string>}>

/**
 * As `fetch` with `redirect: 'manual'`, each request over a stream of its own; of the URL only path and host name are used. Rejects
 * with `unexpected` once `maxBytes` (`UNPROVED_BYTES` when not given) have come, whatever they are: headers, body, chunks, trailers.
 */
export function fetchOver(open: () => Promise<Duplex>): Fetch {
  return async (url, init) => {
    const stream = await within(init.signal, open())
    try {
      return await exchange(stream, url, init)
    } finally {
      stream.destroy()
    }
  }
}

/** The stream, unless the signal is aborted first: what is opened too late is closed again. */
export async function within(signal: AbortSignal, opening: Promise<Duplex>): Promise<Duplex> {
  let fail!: () => void
  const aborted = new Promise<never>((_, reject) => (fail = () => reject(signal.reason as Error)))
  if (signal.aborted) fail()
  signal.addEventListener('abort', fail, {once: true})
  try {
    return await Promise.race([opening, aborted])
  } catch (error) {
    opening.then((stream) => stream.destroy(), () => {})
    throw error
  } finally {
    signal.removeEventListener('abort', fail)
  }
}

function exchange(stream: Duplex, url: URL, {method = 'GET', headers = {}, signal, maxBytes = UNPROVED_BYTES}: Parameters<Fetch>[1]): ReturnType<Fetch> {
  return new Promise((resolve, reject) => {
    const sent = request(url, {method, headers, signal, createConnection: () => stream as Socket}, (response) => {
      const chunks: Buffer[] = []
      response.on('data', (chunk: Buffer) => chunks.push(chunk))
      response.once('error', reject)
      response.once('end', () => {
        resolve({
          status: response.statusCode!,
          headers: {get: (name) => [response.headers[name.toLowerCase()]].flat().join(', ') || null},
          text: async () => Buffer.concat(chunks).toString('utf8'),
        })
      })
    })
    sent.once('error', reject)
    let size = 0
    // Counted below HTTP, where nothing gets past it. It is there by now that Node's own reader is, too: none takes the other's bytes.
    sent.once('socket', () => stream.on('data', (chunk: Buffer) => {
      size += chunk.length
      if (size <= maxBytes) return
      // At once: where the end of the connection is that of the body, what was cut off would count as whole.
      reject(tooMuch(maxBytes, 'The server'))
      sent.destroy()
    }))
    sent.end()
  })
}
