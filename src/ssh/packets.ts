/**
 * How packets leave: together, at once, and of a size that fits. What each is worth stands in docs/performance.md.
 * The shapes are ssh2's, some of them private; test/unit/ssh/packets.test.ts notices when they change.
 */
import type {Socket} from 'node:net'

/** Packets of one tick leave in one TCP segment: without this, 1 KB messages cost 40 ms at the 99th percentile. */
export function coalesceWrites(socket: Socket): void {
  const write = socket.write.bind(socket) as (...args: unknown[]) => boolean
  let corked = false
  socket.write = ((...args: unknown[]) => {
    if (!corked) {
      corked = true
      socket.cork()
      process.nextTick(() => {
        corked = false
        socket.uncork()
      })
    }
    return write(...args)
  }) as Socket['write']
}

interface CommandRunner {
  exec(command: string, done: (error: Error | undefined, channel: CommandChannel) => void): unknown
}
interface CommandChannel {
  on(event: 'error', listener: () => void): {resume(): {stderr: {resume(): unknown}}}
}

/**
 * Makes the hop's sshd send small packets at once. It turns Nagle's algorithm off when a connection runs its first
 * command and not before; on a connection that only forwards, every second small packet of a burst waits 40 ms for
 * the acknowledgement of the first. Where commands are not allowed, nothing is lost but that.
 */
export function sendAtOnce(client: CommandRunner): void {
  client.exec('exit', (error, channel) => {
    if (!error) channel.on('error', () => {}).resume().stderr.resume()
  })
}

/**
 * A packet plus its framing must fit into one packet of the connection it runs inside of, or each is sent as two;
 * `depth` says how many connections that are. ssh2 has no option for it.
 */
export function fitPackets(channel: object, depth: number): void {
  const {outgoing} = channel as {outgoing: {packetSize: number}}
  outgoing.packetSize = Math.min(outgoing.packetSize, 32_768 - 64 * depth)
}
