/** Websockets that are asked for while there is no way: kept waiting, for Jupyter's page counts refusals and gives up after seven. */
import type {IncomingMessage} from 'node:http'
import type {Duplex} from 'node:stream'
import {join} from './forward.ts'
import type {OpenToServer} from './tunnel.ts'

/** Chromium gives up by itself after 240 s; a refusal before that is honest. */
const PATIENCE_MS = 200_000
/** More than people have tabs; those beyond are refused at once. */
const MOST = 100

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
      // A websocket says nothing before it is accepted.
      if (all.size >= MOST || first.length > 0) return refuse()
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
        void goOn(one, open)
      }
    },
  }
}

async function goOn({req, socket, refuse}: Waiting, open: OpenToServer): Promise<void> {
  const remote = await open().catch(() => null)
  if (!remote) return refuse()
  if (socket.destroyed) return void remote.destroy()
  remote.write(headOf(req), 'latin1')
  join(socket, remote)
}

/** The request as it came. */
function headOf({method, url, httpVersion, rawHeaders}: IncomingMessage): string {
  const headers = rawHeaders.flatMap((name, i) => (i % 2 === 0 ? [`${name}: ${rawHeaders[i + 1]}`] : []))
  return [`${method} ${url} HTTP/${httpVersion}`, ...headers, '', ''].join('\r\n')
}
