import {closest, distance} from 'fastest-levenshtein'

/** The known word that was most likely meant, or null where none is near. */
export function nearest(word: string, known: readonly string[]): string | null {
  if (known.length === 0) return null
  const best = closest(word, known)
  return distance(word, best) <= Math.ceil(word.length / 2) ? best : null
}

/** The hint for a word that does not exist: the nearest one, and all there are. */
export function meant(word: string, known: readonly string[], kind: string): string {
  const near = nearest(word, known)
  const all = known.length === 0 ? `There are no ${kind}.` : `The ${kind} are: ${known.join(', ')}.`
  return near === null ? all : `Did you mean "${near}"? ${all}`
}
