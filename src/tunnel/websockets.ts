/** Websockets that are asked for while there is no way: kept waiting, for Jupyter's page counts refusals and gives up after seven. */
import type {IncomingMessage} from 'node:http'
import type {Duplex} from 'node:stream'
import {passUpgrade} from './pass-on.ts'
import type {OpenToServer} from './tunnel.ts'

/** Chromium gives up by itself after 240 s; a refusal before that is honest. */
const PATIENCE_MS = 200_000
/** More than people have tabs; those beyond are refused at once. */
const MOST = 100
/** Pages send their Origin, programs none: many of these leave the pages' room alone. */
const MOST_WITHOUT_ORIGIN = 50

export interface WaitingWebsockets {
  /** Calls `refuse` once there is no more waiting. `first`: what came behind the request. */
  take(req: IncomingMessage, socket: Duplex, options: {first: Buffer; refuse(): void}): void
  /** The way is up: each is asked for at the server, as if it had just come. */
  release(open: OpenToServer): void
}

interface Waiting {
  req: IncomingMessage
  socket: Duplex
  refuse(): void
  /** Waits no longer; the socket is as it came. */
  leave(): void
}

export function waitingWebsockets(patienceMs = PATIENCE_MS): WaitingWebsockets {
  const all = new Set<Waiting>()
  return {
    take(req, socket, {first, refuse}) {
      const alike = [...all].filter((other) => isPage(other.req) === isPage(req)).length
      // A websocket says nothing before it is accepted.
      if (alike >= (isPage(req) ? MOST : MOST_WITHOUT_ORIGIN) || first.length > 0) return refuse()
      const gone = () => socket.destroy()
      const leave = () => {
        clearTimeout(timer)
        all.delete(one)
        socket.off('data', gone).off('end', gone).off('close', leave).pause()
      }
      const timer = setTimeout(() => {
        leave()
        refuse()
      }, patienceMs)
      const one = {req, socket, refuse, leave}
      all.add(one)
      // Read, since the end of a tab would not be seen otherwise.
      socket.on('data', gone).on('end', gone).on('close', leave)
    },
    release(open) {
      for (const one of all) {
        one.leave()
        void passUpgrade(one.req, one.socket, {open, first: Buffer.alloc(0), refuse: one.refuse})
      }
    },
  }
}

function isPage({headers}: IncomingMessage): boolean {
  return headers.origin !== undefined
}
