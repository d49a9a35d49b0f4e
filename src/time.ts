/** Durations as Grid Engine and people write them, and waiting that can be stopped. All in milliseconds unless named. */
import {JnodeError, throwIfAborted} from './errors.ts'

export interface Clock {
  now(): number
  sleep(ms: number, signal?: AbortSignal): Promise<void>
}

export const systemClock: Clock = {
  now: () => Date.now(),
  sleep(ms, signal) {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(abortReason(signal))
      const onAbort = () => {
        clearTimeout(timer)
        reject(abortReason(signal!))
      }
      const timer = setTimeout(() => {
        signal?.removeEventListener('abort', onAbort)
        resolve()
      }, ms)
      signal?.addEventListener('abort', onAbort, {once: true})
    })
  },
}

function abortReason(signal: AbortSignal): unknown {
  try {
    throwIfAborted(signal)
  } catch (error) {
    return error
  }
}

const UNIT_SECONDS: Record<string, number> = {s: 1, m: 60, h: 3600, d: 86_400}

/**
 * Seconds of `90s`, `30m`, `8h`, `1d12h`, `HH:MM:SS`, `D-HH:MM:SS` (Slurm's form) or bare seconds.
 * Throws `usage` with the accepted forms, naming `what` was given.
 */
export function parseDuration(text: string, what = 'duration'): number {
  const seconds = units(text) ?? clockForm(text) ?? (/^\d{1,9}$/.test(text) ? Number(text) : undefined)
  if (seconds === undefined || seconds < 1) {
    throw new JnodeError('usage', `${what} "${text}" is not a length of time`, {
      hint: 'Write it as 8h, 90m, 1d12h, HH:MM:SS or D-HH:MM:SS.',
    })
  }
  return seconds
}

function units(text: string): number | undefined {
  if (!/^(\d{1,9}[smhd])+$/i.test(text)) return undefined
  let total = 0
  for (const [, amount, unit] of text.matchAll(/(\d+)([smhd])/gi)) total += Number(amount) * UNIT_SECONDS[unit!.toLowerCase()]!
  return total
}

function clockForm(text: string): number | undefined {
  const match = /^(?:(\d{1,4})-)?(\d{1,4}):(\d{2}):(\d{2})$/.exec(text)
  if (!match) return undefined
  const [days, hours, minutes, seconds] = match.slice(1).map((part) => Number(part ?? 0)) as [number, number, number, number]
  if (minutes > 59 || seconds > 59 || (match[1] !== undefined && hours > 23)) return undefined
  return days * 86_400 + hours * 3600 + minutes * 60 + seconds
}

/** `HH:MM:SS` as Grid Engine's h_rt takes it. */
export function clockText(totalSeconds: number): string {
  const pad = (n: number) => String(n).padStart(2, '0')
  return `${pad(Math.floor(totalSeconds / 3600))}:${pad(Math.floor(totalSeconds / 60) % 60)}:${pad(Math.floor(totalSeconds) % 60)}`
}

/** `2 h 5 min`, `40 s`: for people. */
export function spokenDuration(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1000))
  if (seconds < 60) return `${seconds} s`
  const minutes = Math.floor(seconds / 60)
  if (minutes < 60) return `${minutes} min`
  const hours = Math.floor(minutes / 60)
  const rest = minutes % 60
  if (hours < 48) return rest ? `${hours} h ${rest} min` : `${hours} h`
  return `${Math.floor(hours / 24)} days`
}
