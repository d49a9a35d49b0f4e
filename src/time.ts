/** Durations as Grid Engine and people write them, and waiting that can be stopped. All in milliseconds unless named. */
import {abortReason, JnodeError, shown} from './errors.ts'

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

/** The signal, aborted after `ms` at the latest. Not by `AbortSignal.timeout`: Node 20 loses one that nobody but `AbortSignal.any` knows. */
export function timeLimit(signal: AbortSignal, ms: number, late = new JnodeError('gave-up', 'It took too long')): AbortSignal {
  const limit = new AbortController()
  setTimeout(() => limit.abort(late), ms).unref()
  return AbortSignal.any([signal, limit.signal])
}

/** Grid Engine keeps a limit in 32 bits; nobody means more than this. */
const LONGEST_SECONDS = 10 * 365 * 86_400

/**
 * Seconds of `90s`, `30m`, `8h`, `1d12h`, `HH:MM:SS`, `D-HH:MM:SS` (Slurm's form) or bare seconds.
 * `HH:MM` is refused: Slurm reads it as minutes and seconds. Throws `usage`, naming `what` was given.
 */
export function parseDuration(text: string, what = 'The duration'): number {
  const given = text.trim()
  const seconds = units(given) ?? clockForm(given) ?? Number.NaN
  if (seconds >= 1 && seconds <= LONGEST_SECONDS) return seconds
  const limit = seconds > LONGEST_SECONDS ? ' of at most ten years' : seconds === 0 ? ' above zero' : ''
  throw new JnodeError('usage', `${what} must be a length of time${limit}, not ${shown(text)}`, {
    hint: 'Write it as 8h, 90m, 1d12h, HH:MM:SS or D-HH:MM:SS.',
  })
}

function units(text: string): number | undefined {
  if (/^\d{1,9}$/.test(text)) return Number(text)
  const match = /^(?:(\d{1,9})d)?(?:(\d{1,9})h)?(?:(\d{1,9})m)?(?:(\d{1,9})s)?$/i.exec(text)
  if (!match || text === '') return undefined
  const [days, hours, minutes, seconds] = match.slice(1).map((part) => Number(part ?? 0)) as [number, number, number, number]
  return days * 86_400 + hours * 3600 + minutes * 60 + seconds
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

/** `3 days 4 h`, `2 h 5 min`, `40 s`: for people. */
export function spokenDuration(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1000))
  if (seconds < 60) return `${seconds} s`
  const minutes = Math.floor(seconds / 60)
  if (minutes < 60) return `${minutes} min`
  const hours = Math.floor(minutes / 60)
  const rest = minutes % 60
  if (hours < 48) return rest ? `${hours} h ${rest} min` : `${hours} h`
  return hours % 24 ? `${Math.floor(hours / 24)} days ${hours % 24} h` : `${hours / 24} days`
}

/** `45s`, `12m`, `2h5m`, `3d4h`: for columns, in the form that flags take. */
export function shortDuration(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1000))
  if (seconds < 60) return `${seconds}s`
  const [days, hours, minutes] = [Math.floor(seconds / 86_400), Math.floor(seconds / 3600) % 24, Math.floor(seconds / 60) % 60]
  const parts: [number, string][] = days > 0 ? [[days, 'd'], [hours, 'h']] : [[hours, 'h'], [minutes, 'm']]
  return parts.map(([n, unit]) => (n === 0 ? '' : `${n}${unit}`)).join('')
}
