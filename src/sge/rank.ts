/** Place of a name in a list of well-known ones, the best first; all others come last. */
export function rank(names: readonly string[], name: string): number {
  const index = names.indexOf(name)
  return index < 0 ? names.length : index
}
