/** The end of a job's log, as part of the sentence that says why it did not get ready. */
import {ask} from '../ask.ts'
import {lastLines} from '../jupyter/log.ts'
import type {SessionFacts} from '../session/facts.ts'
import {readLogTail} from '../session/remote-store.ts'
import type {Remote, RunOptions} from '../ssh/remote.ts'

/** Empty for a job that jnode did not start: its log is not where ours is. */
export async function endOfLog(head: Remote, {remoteDir}: SessionFacts, options: RunOptions): Promise<string[]> {
  return remoteDir === '' ? [] : lastLines(await ask(head.run, readLogTail(`${remoteDir}/log`, 40), options), 12)
}

export function withLog(sentence: string, log: readonly string[]): string {
  return log.length === 0 ? sentence : `${sentence}\nThe last lines of its log:\n${log.map((line) => `  ${line}`).join('\n')}`
}
