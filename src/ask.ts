/**
 * Questions to a shell on the head node. A room such as sge/ or session/ makes a question (pure text and a
 * reader of its answer); a flow puts several into one round trip. Nothing here does I/O by itself.
 */
import {ANSWER_BYTES, checkSize} from './bounds.ts'
import type {RunCommand, RunOptions, RunResult} from './ssh/remote.ts'

export interface Ask<T> {
  /** POSIX sh, run in a subshell of its own with stdin empty. May hold secrets: it travels as data. */
  script: string
  /** Bytes that its answer may have, on stdout and on stderr each; `ANSWER_BYTES` when not given. */
  maxBytes?: number
  read(answer: RunResult): T
}

type Answers<A extends readonly Ask<unknown>[]> = {-readonly [K in keyof A]: A[K] extends Ask<infer T> ? T : never}

/** Asks all questions in one round trip, in order. Throws what `run` throws, or what the first failing reader throws. */
export async function askAll<const A extends readonly Ask<unknown>[]>(run: RunCommand, asks: A, options?: RunOptions): Promise<Answers<A>> {
  if (asks.length === 0) return [] as unknown as Answers<A>
  const maxBytes = asks.reduce((sum, ask) => sum + (ask.maxBytes ?? ANSWER_BYTES), 0)
  const results = await run(asks.map((ask) => ask.script), {...options, maxBytes})
  return asks.map((ask, i) => readAnswer(ask, results[i]!)) as Answers<A>
}

/** Reads an answer that is not longer than the question allows. Throws `unexpected` for one that is, and what the reader throws. */
export function readAnswer<T>({maxBytes = ANSWER_BYTES, read}: Ask<T>, answer: RunResult): T {
  for (const text of [answer.stdout, answer.stderr]) checkSize(text, maxBytes, 'A command on the cluster')
  return read(answer)
}

export async function ask<T>(run: RunCommand, question: Ask<T>, options?: RunOptions): Promise<T> {
  const [answer] = await askAll(run, [question], options)
  return answer
}
