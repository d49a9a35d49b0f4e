/** Everything a flow finds worth telling. `ui/` decides how it looks; nothing here is printed by a flow. */

export type StepId = 'login' | 'learn' | 'submit' | 'wait' | 'jupyter' | 'shutdown' | 'remove' | 'clean' | 'check'

export type FlowEvent =
  /** A step begins; the one before it is done. */
  | {kind: 'step'; id: StepId; title: string}
  /** What the present step is at, replaced by the next. */
  | {kind: 'progress'; text: string}
  /** The present step is done, with what came of it. */
  | {kind: 'done'; text?: string}
  /** A line that stays. */
  | {kind: 'note'; text: string}
  /** `desktop`: in short, for a notice of the desktop as well, where nobody may be looking at a terminal. */
  | {kind: 'warning'; text: string; hint?: string; desktop?: string}
  /** For `-v` only: what was run and how long it took. Never a secret. */
  | {kind: 'trace'; text: string}

export type Tell = (event: FlowEvent) => void
