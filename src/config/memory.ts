import {JnodeError, shown} from '../errors.ts'

const UNITS = ['K', 'M', 'G', 'T']
/** Beyond any host; keeps the number exact and the sentence clear. */
const MOST_BYTES = 2 ** 50

/**
 * Bytes of `500M`, `32G`, `1.5T`, `32GB`, `32GiB`. Every unit counts in 1024, as Grid Engine's capital letters do.
 * A bare number is refused: people mean megabytes in one scheduler and bytes in another. Throws `usage`, naming `what`.
 */
export function parseMemory(text: string, what = '--mem'): number {
  const [, amount, unit] = /^(\d{1,15}(?:\.\d{1,15})?)\s?([KMGT])(?:i?B)?$/i.exec(text.trim()) ?? []
  const bytes = amount === undefined || unit === undefined ? Number.NaN : Math.ceil(Number(amount) * 1024 ** (UNITS.indexOf(unit.toUpperCase()) + 1))
  if (bytes > 0 && bytes <= MOST_BYTES) return bytes
  throw new JnodeError('usage', `${what} must be an amount of memory ${bytes > MOST_BYTES ? 'of at most 1024T' : 'above zero'}, not ${shown(text)}`, {
    hint: 'Write it as a number with K, M, G or T: 500M, 32G, 1.5T.',
  })
}
