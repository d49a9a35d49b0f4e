/** How a job ended, in one sentence, from its accounting record. */
import {spokenDuration} from '../time.ts'
import type {Accounting} from './qacct.ts'

export interface EndingContext {
  /** Limit asked for (h_rt), in seconds. */
  runSeconds: number | null
  /** Memory asked for, for the whole job. */
  memoryBytes: number | null
}

/** sge_status(5), table of `failed`. 0, 12-15 and 100 tell nothing: there the exit status speaks. */
const FAILED: Record<number, string> = {
  1: 'the node could not start it', 3: 'the node could not start it', 4: 'the node could not start it', 11: 'the node could not start it',
  7: 'the prolog of its queue failed', 8: 'the prolog of its queue failed',
  9: 'its parallel environment could not be started', 10: 'its parallel environment could not be started',
  18: 'its node failed', 19: 'its node was lost and has reported no end', 21: 'its node did not know the job',
  24: 'it was moved to start again', 25: 'it was put back into the queue',
  26: 'the node could not open its log file', 27: 'the node could not start its shell',
  28: 'the node could not change to its working directory', 38: 'the node could not set its group',
}

/** Linux numbers, whatever this computer has. */
const SIGNALS: Record<number, string> = {
  1: 'SIGHUP', 2: 'SIGINT', 3: 'SIGQUIT', 4: 'SIGILL', 6: 'SIGABRT', 7: 'SIGBUS', 8: 'SIGFPE', 9: 'SIGKILL',
  10: 'SIGUSR1', 11: 'SIGSEGV', 12: 'SIGUSR2', 13: 'SIGPIPE', 14: 'SIGALRM', 15: 'SIGTERM', 24: 'SIGXCPU', 25: 'SIGXFSZ',
}

/** `The job reached its time limit of 8 h.`: for `reason` and errors. */
export function endingOf(accounting: Accounting, context: EndingContext): string {
  const {failed, failedText, exitStatus, deletedBy} = accounting
  const limits = {runSeconds: context.runSeconds ?? accounting.runSeconds, memoryBytes: context.memoryBytes ?? accounting.memoryLimitBytes}
  if (deletedBy !== null) return `The job was removed by ${deletedBy}.`
  const before = FAILED[failed]
  if (before !== undefined) return `The job failed: ${before}${failedText ? ` (Grid Engine: ${failedText})` : ''}.`
  const signal = exitStatus > 128 ? exitStatus - 128 : 0
  // 37 names three limits at once. With -notify the job may have ended cleanly on the warning, with status 0.
  const overTime = failed === 37 || signal > 0 ? reachedLimit(accounting.wallSeconds, limits.runSeconds) : null
  if (overTime !== null) return overTime
  if ((failed === 37 || exitStatus > 0) && reachedMemory(accounting, limits)) return 'The job ran into its memory limit.'
  if (failed === 37) return `The job ran into a limit of time or memory (Grid Engine: ${failedText}).`
  if (signal > 0) return `The job was ended by ${SIGNALS[signal] ?? `signal ${signal}`}${meaning(signal)}.`
  return exitStatus === 0 ? 'The job ended by itself.' : `The job ended with exit status ${exitStatus}.`
}

/** A job's own clock starts a moment after Grid Engine's. */
const START_SECONDS = 3

/** That a job which was ended from outside had run for all of its time; null when it had not, or when that is not known. */
export function reachedLimit(ranSeconds: number | null, limitSeconds: number | null): string | null {
  if (ranSeconds === null || limitSeconds === null || ranSeconds < limitSeconds - START_SECONDS) return null
  return `The job reached its time limit of ${spokenDuration(limitSeconds * 1000)}.`
}

/** h_vmem is a limit on what a process may reserve, so the use measured stays a little below it. */
function reachedMemory({memoryBytes: used}: Accounting, {memoryBytes: limit}: EndingContext): boolean {
  return used !== null && limit !== null && used >= 0.95 * limit
}

function meaning(signal: number): string {
  // Grid Engine kills alike for qdel, a limit and a node that runs out of memory.
  if (signal === 9) return ': by qdel, at a limit, or because its node ran out of memory'
  if (signal === 12) return ', the warning Grid Engine sends before qdel or a limit kills'
  if (signal === 10) return ', the warning Grid Engine sends at a soft limit or before a suspension'
  if (signal === 24) return ', sent at a limit of time'
  if (signal === 6 || signal === 11) return ': it crashed, often for want of memory'
  return ''
}
