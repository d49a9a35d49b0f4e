/** What makes every open connection doubtful at one moment: this computer has slept, or its network has changed. */
import {networkInterfaces} from 'node:os'

const LOOK_MS = 1000
/** A busy computer is late by less. */
const JUMP_MS = 5000

/** What is looked at; replaced in tests. */
export interface Surroundings {
  /** Wall clock, ms since the epoch: it goes on while the computer sleeps. */
  now(): number
  /** Throws where the system does not tell, as with no file descriptor left. */
  addresses(): string
  /** Calls back every so many milliseconds, until the returned function is called. */
  every(ms: number, look: () => void): () => void
}

const here: Surroundings = {
  now: Date.now,
  addresses: () =>
    Object.entries(networkInterfaces())
      .flatMap(([name, list]) => (list ?? []).filter(({internal}) => !internal).map(({address}) => `${name} ${address}`))
      .sort()
      .join('\n'),
  every(ms, look) {
    const timer = setInterval(look, ms)
    timer.unref()
    return () => clearInterval(timer)
  },
}

/** Resolves with the next upheaval in words; rejects with the signal's reason. Looks once a second. */
export function nextUpheaval(signal: AbortSignal, {now, addresses, every}: Surroundings = here): Promise<string> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(signal.reason as Error)
    let last = now()
    let before = toldBy(addresses)
    const end = () => {
      stop()
      signal.removeEventListener('abort', onAbort)
    }
    const onAbort = () => {
      end()
      reject(signal.reason as Error)
    }
    const stop = every(LOOK_MS, () => {
      const passed = now() - last
      last = now()
      const seen = toldBy(addresses)
      before ??= seen
      const what = Math.abs(passed - LOOK_MS) > JUMP_MS ? 'this computer was asleep or its clock was set' : seen === null || seen === before ? null : 'the network of this computer has changed'
      if (what === null) return
      end()
      resolve(what)
    })
    signal.addEventListener('abort', onAbort, {once: true})
  })
}

/** Null for what the system does not tell just now. */
function toldBy(addresses: () => string): string | null {
  try {
    return addresses()
  } catch {
    return null
  }
}
