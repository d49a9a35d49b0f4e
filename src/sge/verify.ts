/** Whether a request could run at all on this cluster: `qsub -w v`, which submits nothing. */
import type {Ask} from '../ask.ts'
import {command} from '../shell.ts'
import {neverReason} from './never-runs.ts'
import {readRefusal} from './refusal.ts'
import {quoted} from './said.ts'
import type {Site} from './site.ts'

export type Verdict = {kind: 'runs'} | {kind: 'refused'; why: string} | {kind: 'unknown'; why: string}

/** `args` come from `qsubArguments`. A site's own checks of submissions are asked too. */
export function couldRun(site: Pick<Site, 'setup'>, args: readonly string[]): Ask<Verdict> {
  return {
    script: `${site.setup}\nLC_ALL=C; export LC_ALL\necho : | ${command(['qsub', '-w', 'v', ...args])}`,
    read({exitCode, stdout, stderr}) {
      const said = `${stdout}\n${stderr}`
      if (exitCode === 0) return {kind: 'runs'}
      if (/no suitable queues/.test(said)) return {kind: 'refused', why: neverReason(said, args).message}
      const refusal = readRefusal(said)
      return refusal === 'maybe-submitted' || refusal.code === 'no-grid-engine' ? {kind: 'unknown', why: quoted(said)} : {kind: 'refused', why: refusal.message}
    },
  }
}
