/** `jnode logs`: the job's log, where it lies. */
import {ask} from '../ask.ts'
import type {ClusterTarget} from '../config/cluster.ts'
import {JnodeError, redact} from '../errors.ts'
import {readLogTail, readRemoteSessions} from '../session/remote-store.ts'
import {command} from '../shell.ts'
import type {Remote} from '../ssh/remote.ts'
import type {Deps} from './deps.ts'
import {onlySession} from './remote-session.ts'

export interface LogsInput {
  name: string
  cluster: ClusterTarget
  /** As typed. */
  lines: string
  signal: AbortSignal
}

export async function readLog(input: LogsInput, deps: Deps): Promise<string[]> {
  const lines = lineCount(input.lines)
  return withLog(input, deps, async (head, path) => {
    const text = await ask(head.run, readLogTail(path, lines), {signal: input.signal})
    return text === '' ? [] : redact(text).replace(/\n$/, '').split('\n')
  })
}

/** Goes on until the signal aborts, which is how this ends well. */
export async function followLog(input: LogsInput, onLine: (line: string) => void, deps: Deps): Promise<void> {
  const lines = lineCount(input.lines)
  await withLog(input, deps, async (head, path) => {
    try {
      await head.follow(`${command(['tail', '-n', String(lines), '-f', path])} 2>&1`, (line) => onLine(redact(line)), input.signal)
    } catch (error) {
      if (!input.signal.aborted) throw error
    }
  })
}

async function withLog<T>({name, cluster, signal}: LogsInput, deps: Deps, work: (head: Remote, path: string) => Promise<T>): Promise<T> {
  const link = await deps.connect(cluster, {signal})
  try {
    const {facts} = onlySession(await ask(link.head.run, readRemoteSessions(name), {signal}), name, cluster.label)
    return await work(link.head, `${facts.remoteDir}/log`)
  } finally {
    await link.close()
  }
}

function lineCount(text: string): number {
  if (/^[1-9]\d{0,5}$/.test(text)) return Number(text)
  throw new JnodeError('usage', `--lines "${text}" is not a number of lines`, {hint: 'Give a whole number from 1 on.'})
}
