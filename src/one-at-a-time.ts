/** Runs that begin after they are asked for, so that what they see is no older than the question: those who ask while one is under way share the next one. */
export function oneAtATime<T>(run: () => Promise<T>): () => Promise<T> {
  let latest: Promise<unknown> = Promise.resolve()
  let next: Promise<T> | null = null
  return () => {
    next ??= latest.catch(() => {}).then(() => {
      next = null
      return run()
    })
    latest = next
    return next
  }
}
