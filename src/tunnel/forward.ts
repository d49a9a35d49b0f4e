/** Joins one local socket and one remote stream. A failure of either ends both, and never the process. */
import type {Duplex} from 'node:stream'

/**
 * Copies bytes both ways with back-pressure until both sides have ended. `pipe` passes on the end of a side
 * but not its errors, and ssh2 leaves writes to a closed channel unanswered for ever: hence the listeners.
 */
export function join(local: Duplex, remote: Duplex): void {
  let over = false
  const end = () => {
    if (over) return
    over = true
    local.destroy()
    remote.destroy()
  }
  for (const side of [local, remote]) side.on('error', end)
  local.once('close', end)
  // What the server sent last may still be on its way into the local socket: let it flush before it is destroyed.
  remote.once('close', () => {
    if (local.writableFinished || local.destroyed) end()
    else local.end(end)
  })
  local.pipe(remote)
  remote.pipe(local)
}
