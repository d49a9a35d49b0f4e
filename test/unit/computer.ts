import type {Surroundings} from '../../src/upheaval.ts'

/** A computer whose clock and addresses are ours; `pass` lets so many milliseconds go by, and whoever watches looks once. */
export function computer() {
  const state = {now: 1_000_000, addresses: 'wlan0 10.0.0.2'}
  const looks = new Set<() => void>()
  const surroundings: Surroundings = {
    now: () => state.now,
    addresses: () => state.addresses,
    every(_, look) {
      looks.add(look)
      return () => looks.delete(look)
    },
  }
  const pass = (ms: number) => {
    state.now += ms
    for (const look of [...looks]) look()
  }
  return {state, surroundings, pass, watched: () => looks.size}
}
