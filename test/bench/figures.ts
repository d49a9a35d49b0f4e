/** Numbers out of repeated measurements, and how they are printed. */

export function median(values: readonly number[]): number {
  return quantile(values, 0.5)
}

/** The nearest value that at least `part` (0 to 1) of all values do not exceed. */
export function quantile(values: readonly number[], part: number): number {
  const sorted = [...values].sort((a, b) => a - b)
  if (sorted.length === 0) throw new Error('nothing was measured')
  return sorted[Math.max(0, Math.ceil(part * sorted.length) - 1)]!
}

export interface Line {
  what: string
  ours: number
  /** The same work done by the peer, in the same run. */
  peer: number
  unit: string
  /** The largest `ours / peer` that will do, or for `differs` the largest `ours - peer`. */
  goal?: number
  compare?: 'ratio' | 'difference'
}

/** One line of a report; false when it misses its goal. */
export function report({what, ours, peer, unit, goal, compare = 'ratio'}: Line): boolean {
  const figure = compare === 'ratio' ? ours / peer : ours - peer
  const met = goal === undefined || figure <= goal
  const sign = compare === 'ratio' ? '×' : unit
  const verdict = goal === undefined ? '' : `  (goal: at most ${goal} ${sign}) ${met ? 'ok' : 'MISSED'}`
  console.log(`  ${what.padEnd(44)} ${show(ours)} against ${show(peer)} ${unit.padEnd(3)} ${show(figure)} ${sign}${verdict}`)
  return met
}

/** A figure without a peer; false when it misses its goal. */
export function reportAlone(what: string, value: number, {unit, goal}: {unit: string; goal?: number}): boolean {
  const met = goal === undefined || value <= goal
  console.log(`  ${what.padEnd(44)} ${show(value)} ${unit}${goal === undefined ? '' : `  (goal: at most ${goal} ${unit}) ${met ? 'ok' : 'MISSED'}`}`)
  return met
}

function show(value: number): string {
  return value.toFixed(Math.abs(value) < 10 ? 2 : Math.abs(value) < 100 ? 1 : 0).padStart(7)
}
