/** One link into a host: a byte pipe that the test can slow down, cut or silence. */
import {Duplex} from 'node:stream'

export interface Link {
  /** The host's end. */
  readonly stream: Duplex
  /** Ends it at once, as a reset does. */
  cut(): void
  /** Lets nothing through any more, in either direction, and tells nobody. */
  silence(): void
}

export interface Weather {
  /** Milliseconds each chunk takes; asked for each. */
  delayMs(): number
  /** Told of each chunk that goes out to the laptop. */
  sent(bytes: number): void
}

/** Puts the weather between `outer` (a socket, or a channel of the hop before) and a host. */
export function makeLink(outer: Duplex, weather: Weather): Link {
  let silent = false
  const inwards = makeLane(weather)
  const outwards = makeLane(weather)
  const stream = new Duplex({
    allowHalfOpen: true,
    read: () => outer.resume(),
    write(chunk: Buffer, _encoding, done) {
      weather.sent(chunk.length)
      outwards(() => {
        if (!silent && outer.writable) outer.write(chunk)
      })
      if (outer.writableNeedDrain && !silent) outer.once('drain', done)
      else done()
    },
    final(done) {
      outwards(() => {
        if (!silent) outer.end()
      })
      done()
    },
    destroy(error, done) {
      if (!silent) outer.destroy()
      done(error)
    },
  })
  outer.on('data', (chunk: Buffer) =>
    inwards(() => {
      if (!silent && !stream.destroyed && !stream.push(chunk)) outer.pause()
    }),
  )
  outer.on('end', () =>
    inwards(() => {
      if (!silent && !stream.destroyed) stream.push(null)
    }),
  )
  outer.on('error', () => {}) // 'close' follows and tells
  outer.on('close', () => {
    if (!silent) stream.destroy()
  })
  return {
    stream,
    cut: () => {
      outer.destroy()
      stream.destroy()
    },
    silence: () => {
      silent = true
    },
  }
}

/** Runs actions in the order they came, each after the delay of its moment. */
function makeLane(weather: Weather): (action: () => void) => void {
  const queue: (() => void)[] = []
  let lastDue = 0
  return (action) => {
    const delay = weather.delayMs()
    if (delay === 0 && queue.length === 0) return action()
    lastDue = Math.max(lastDue, Date.now() + delay)
    queue.push(action)
    // Timers of unequal length may fire out of order, so each takes the oldest action, not its own.
    setTimeout(() => queue.shift()!(), lastDue - Date.now())
  }
}
