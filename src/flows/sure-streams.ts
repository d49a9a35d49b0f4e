/**
 * Streams that may carry bytes of this computer's programs. Each has shown, after it was opened and before its first byte,
 * who is at its other end: what an earlier one has shown is no proof, for a port or a path can be taken in between.
 */
import type {Duplex} from 'node:stream'
import {showsProof} from '../jupyter/shows-proof.ts'
import {oneAtATime} from '../one-at-a-time.ts'
import type {OpenToServer} from '../tunnel/tunnel.ts'
import {closed, notOurs, type RouteContext} from './route-context.ts'

/** Streams to a server of ours: each is asked for the session's proof, without the token. */
export function provenStreams(open: OpenToServer, {facts, nodeName}: Pick<RouteContext, 'facts' | 'nodeName'>): OpenToServer {
  return (signal) => sure(open, async (stream) => {
    if (!(await showsProof(stream, facts.token, signal))) throw notOurs(nodeName)
  })
}

/**
 * Streams to a place that others of its node could take: `look` asks the node who has it, and answers with what tells
 * this owner's listener from the next one. `first` is what it has answered before.
 */
export function ownedStreams(open: OpenToServer, look: () => Promise<string>, first: string): OpenToServer {
  let last = first
  const lookAgain = oneAtATime(async () => (last = await look()))
  return () => {
    // Seen before the stream is opened: the same before and after is the same meanwhile.
    const before = last
    return sure(open, async () => {
      if ((await lookAgain()) !== before) throw closed('the server was started again just now', null)
    })
  }
}

async function sure(open: OpenToServer, check: (stream: Duplex) => Promise<void>): Promise<Duplex> {
  const stream = await open()
  // An error that nobody hears would end the process.
  stream.on('error', () => {})
  try {
    await check(stream)
    return stream
  } catch (error) {
    stream.destroy()
    throw error
  }
}
