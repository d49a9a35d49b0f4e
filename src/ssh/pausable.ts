/** A time limit that stands still while a person is asked. */
export function pausable(limitMs: number, onTimeout: () => void) {
  let left = limitMs
  let since = Date.now()
  let timer: NodeJS.Timeout | null = setTimeout(onTimeout, left)
  let over = false
  const hold = () => {
    if (!timer) return
    clearTimeout(timer)
    timer = null
    left -= Date.now() - since
  }
  return {
    hold,
    go() {
      if (timer || over) return
      since = Date.now()
      timer = setTimeout(onTimeout, Math.max(left, 1000))
    },
    /** For good: a question that is answered or withdrawn later starts nothing again. */
    end() {
      over = true
      hold()
    },
  }
}
