/** Whether a connection still lives: after a loss or an upheaval one that stood before is in doubt, also when nobody has noticed yet. */
import type {ClusterLink} from './deps.ts'

/** One that does not answer in this time is taken for dead; its signs of life would take longer to miss. */
export const ALIVE_WITHIN_MS = 4000

export async function isAlive({head}: Pick<ClusterLink, 'head'>, signal: AbortSignal): Promise<boolean> {
  return head.run([':'], {signal, timeoutMs: ALIVE_WITHIN_MS}).then(() => true, () => false)
}
