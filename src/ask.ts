/**
 * Questions to a shell on the head node. A room such as sge/ or session/ makes a question (pure text and a
 * reader of its answer); a flow puts several into one round trip. Nothing here does I/O by itself.
 */
import type {RunCommand, RunOptions, RunResult} from './ssh/remote.ts'

export interface Ask<T> {
  /** POSIX sh, run in a subshell of its own with stdin empty. May hold secrets: it travels as data. */
  script: string
  read(answer: RunResult): T
}

type Answers<A extends readonly Ask<unknown>[]> = {-readonly [K in keyof A]: A[K] extends Ask<infer T> ? T : never}

/** Asks all questions in one round trip, in order. Throws what `run` throws, or what the first failing reader throws. */
export async function askAll<const A extends readonly Ask<unknown>[]>(run: RunCommand, asks: A, options?: RunOptions): Promise<Answers<A>> {
  if (asks.length === 0) return [] as unknown as Answers<A>
  const results = await run(asks.map((ask) => ask.script), options)
  return asks.map((ask, i) => ask.read(results[i]!)) as Answers<A>
}

export async function ask<T>(run: RunCommand, question: Ask<T>, options?: RunOptions): Promise<T> {
  const [answer] = await askAll(run, [question], options)
  return answer
}
