/** How the laptop's link fares: `slow-link` and `drop-connection-after`. */
import type {ActiveFaults} from './faults.ts'
import type {Weather} from './link.ts'

export interface LaptopWeather extends Weather {
  /** Told of each command that has ended; true = the connection is cut now, so its answer is lost. */
  commandEnded(): boolean
}

export function laptopWeather(faults: ActiveFaults, cut: () => void): LaptopWeather {
  let bytes = 0
  let commands = 0
  const reached = (limit: number, count: number) => {
    if (count < limit) return false
    delete faults['drop-connection-after']
    bytes = commands = 0
    cut()
    return true
  }
  return {
    delayMs: () => faults['slow-link'] ?? 0,
    sent(more) {
      const limit = faults['drop-connection-after']
      if (limit && 'bytes' in limit) reached(limit.bytes, (bytes += more))
    },
    commandEnded() {
      const limit = faults['drop-connection-after']
      return limit !== undefined && 'exec' in limit && reached(limit.exec, ++commands)
    },
  }
}
