/**
 * Jupyter's log, read where there is no record of ours: a job that somebody started by hand.
 *
 * Covers IPython 0.12 to JupyterLab 4 and Notebook 7. Notebook 6 speaks the user's language, so what counts is the
 * shape of a line (a URL and nothing after it), not its words. The last start in the log counts.
 */
import {redact} from '../errors.ts'
import {oneLine} from '../printable.ts'
import {isHostName, isLine, isPath, isUrlPath} from '../rules.ts'
import type {Endpoint} from '../ssh/remote.ts'
import {trimEndOf} from '../trim-end.ts'
import {failureIn, type LogFailure} from './log-failures.ts'

export interface LoggedServer {
  /**
   * Where it listens, or null when the log cannot tell (port 0). Host `*` and `0.0.0.0` stand for all addresses of
   * the node. A `127.0.0.1` line beside another host is Jupyter's habit and may not be bound: it is not taken.
   */
  endpoint: Endpoint | null
  secure: boolean
  /** With a slash at both ends. The log does not tell a base from a default page; known pages (/lab) are cut off. */
  baseUrl: string
  /** Null when hidden or when there is none. */
  token: string | null
  /** The log shows `...`, because the token was set by hand. */
  tokenHidden: boolean
  /** The server says that it lets everyone in. */
  open: boolean
}

export type StopReason = 'signal' | 'shutdown' | 'idle' | 'interrupt' | 'killed'

/** `ready` means that the server said so: only an answer proves that it listens. */
export type ServerLog =
  | {state: 'pending'}
  | {state: 'ready'; server: LoggedServer}
  | {state: 'stopped'; reason: StopReason; text: string}
  | {state: 'failed'; failure: LogFailure}

/** What a log tells of the server's last start. Its last line may be cut short, so no URL is read from that. */
export function readLog(text: string): ServerLog {
  const lines = withoutMargin(cleanLines(text))
  let now = {state: 'pending'} as ServerLog
  let expected = false
  let open = false
  for (const [i, line] of lines.entries()) {
    const whole = i < lines.length - 1
    // Jupyter Server 1 answers SIGUSR1 with bare lines that are written out only at its end: no new start.
    const credible = PREFIX.test(line) || (expected && now.state !== 'stopped')
    const found = whole && credible ? urlIn(line) : null
    if (found !== null) now = {state: 'ready', server: {...(now.state === 'ready' ? merge(now.server, found) : found), open}}
    else now = after(now, line)
    open = (open && now.state !== 'stopped') || OPEN_TO_ALL.test(line)
    expected = URL_FOLLOWS.test(line) || (expected && !PREFIX.test(line))
  }
  const failure = now.state === 'pending' ? failureIn(lines) : null
  return failure === null ? now : {state: 'failed', failure}
}

/** The last lines worth showing in an error: no control characters, no empty lines, tokens hidden. */
export function lastLines(text: string, count: number): string[] {
  return cleanLines(text)
    .filter((line) => line.trim() !== '')
    .slice(-count)
    .map((line) => redact(oneLine(line.trimEnd(), 400)))
}

/** Of a line: more than any of Jupyter's own has. What follows is neither read nor shown. */
const LINE_CHARS = 2000

function cleanLines(text: string): string[] {
  // Colours, and the ESC ( B that Jupyter puts before switching them off.
  return text
    .replace(/\x1b\[[0-9;?]*[A-Za-z]|\x1b[()][A-Z0-9]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\r|\ufeff/g, '')
    .replace(/[\x00-\x08\x0b-\x1f\x7f-\x9f]/g, '')
    .split('\n')
    .map((line) => line.slice(0, LINE_CHARS))
}

/** Without what stands before all lines: blanks of a quotation, the task number of srun. */
function withoutMargin(lines: string[]): string[] {
  const filled = lines.filter((line) => line.trim() !== '')
  const labelled = filled.length > 0 && filled.every((line) => /^ *\d+: /.test(line))
  const bare = labelled ? lines.map((line) => line.replace(/^ *\d+: /, '')) : lines
  const margin = bare.reduce((least, line) => (line.trim() === '' ? least : Math.min(least, line.length - line.trimStart().length)), 80)
  return bare.map((line) => line.slice(margin))
}

/** `[I 2026-11-20 23:40:48.929 ServerApp] `, `[I 16:08:18.406 NotebookApp] `, `2014-07-04 15:08:04.470 [NotebookApp] `. */
const PREFIX = /^(?:[\d-]{10} [\d:.]+ )?\[(?:[A-Z] )?(?:[\d:. -]+ )?[A-Za-z]\w*\] *(?:[A-Z]+ \| )?/
/** The beginning of the block with the URLs, an announcement whose URL stands on the next line. */
const URL_FOLLOWS = /^\[C [^\]]*\] *$|copy and paste one of these URLs|Copy\/paste this URL|running at: *$|运行在: *$/
/** A URL at the end of a sentence of the server's, old or translated, and nowhere else. */
const ANNOUNCEMENT = /^.*(?:running at|运行在|listening on|Gateway at):? +(?=http)/
const URL = /^(https?|http\+unix):\/\/(\([^)]*\)|\[[^\]]*\]|[^/?]*?)(?::(\d+))?(\/[^?]*)?(?:\?(?:[^\s]*&)?token=(\S+))?$/
const OPEN_TO_ALL = /All authentication is disabled|and not using authentication/
/** First segments of pages that servers open by default. */
const PAGE = /\/(?:lab|tree|notebooks|nbclassic|retro|consoles|edit|terminals|voila|login)(?:\/.*)?$/

function urlIn(line: string): LoggedServer | null {
  const text = line.replace(PREFIX, '').replace(ANNOUNCEMENT, '').trim().replace(/^or +/, '')
  const match = URL.exec(text)
  if (match === null) return null
  const [, scheme, authority, port, path, token] = match
  const baseUrl = `${trimEndOf((path ?? '/').replace(PAGE, ''), '/')}/`
  if (!isUrlPath(baseUrl)) return null
  const hidden = token === '...' || token === '[secret]'
  return {
    endpoint: scheme === 'http+unix' ? socket(unescaped(authority!)) : tcp(authority!, port, scheme!),
    secure: scheme === 'https',
    baseUrl,
    token: token === undefined || hidden || !isLine(unescaped(token)) ? null : unescaped(token),
    tokenHidden: hidden,
    open: false,
  }
}

function socket(path: string): Endpoint | null {
  return isPath(path) ? {kind: 'socket', path} : null
}

function tcp(authority: string, port: string | undefined, scheme: string): Endpoint | null {
  const number = port === undefined ? (scheme === 'https' ? 443 : 80) : Number(port)
  const host = hostIn(authority)
  return number === 0 || number > 65_535 || !(host === '*' || isHostName(host)) ? null : {kind: 'tcp', host, port: number}
}

/** `(node or 127.0.0.1)` and `[all ip addresses on your system]` are how Notebook 4 and 5 said it. */
function hostIn(authority: string): string {
  const [, first] = /^\((\S+) or /.exec(authority) ?? []
  if (first !== undefined) return first
  const inner = authority.replace(/^\[(.*)\]$/, '$1')
  return inner === '' || inner.includes(' ') ? '*' : inner
}

function unescaped(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

/** A further URL: the same server's under another name, or another start. */
function merge(known: LoggedServer, found: LoggedServer): LoggedServer {
  if (known.endpoint?.kind !== found.endpoint?.kind) return found
  if (known.endpoint?.kind === 'tcp' && found.endpoint?.kind === 'tcp' && known.endpoint.port !== found.endpoint.port) return found
  const better = rank(found.endpoint) > rank(known.endpoint) ? found : known
  return {...better, token: known.token ?? found.token, tokenHidden: known.tokenHidden && found.tokenHidden}
}

/** A name or address of the node, before "all addresses", before the loopback that is always printed. */
function rank(endpoint: Endpoint | null): number {
  if (endpoint?.kind !== 'tcp') return 0
  if (['127.0.0.1', '::1'].includes(endpoint.host)) return 1
  return ['*', '0.0.0.0', '::'].includes(endpoint.host) ? 2 : 3
}

const STOPS: [RegExp, StopReason][] = [
  [/(?:received signal|接受信号|シグナル|получен сигнал) \d+/, 'signal'],
  [/Shutting down on \/api\/shutdown request/, 'shutdown'],
  [/No (?:kernels|activity) .{0,200}shutting down/i, 'idle'],
  [/^\[[^\]]*App\] [Ii]nterrupted\b/, 'interrupt'],
  [/\bCANCELLED AT\b|\bDUE TO TIME LIMIT\b|\bKilled\b/, 'killed'],
]

/** What any other line changes. */
function after(now: ServerLog, line: string): ServerLog {
  // Jupyter Server 2 prints its URL before it binds.
  if (/ERROR: the .* could not be started/.test(line)) return {state: 'pending'}
  if (now.state !== 'ready') return now
  const stop = STOPS.find(([pattern]) => pattern.test(line))
  if (stop !== undefined) return {state: 'stopped', reason: stop[1], text: redact(line.replace(PREFIX, '').trim())}
  return {state: 'ready', server: {...now.server, ...correction(now.server, line)}}
}

function correction({endpoint, token}: LoggedServer, line: string): Partial<LoggedServer> {
  const [, port] = /(?:The port|端口|ポート|Порт) (\d+) /.exec(line) ?? []
  // 2.0.0 and 2.0.1 announce the port they were asked for and then take another.
  if (endpoint?.kind === 'tcp' && port !== undefined && Number(port) === endpoint.port) return {endpoint: null}
  // Notebook 6 on a socket shows the token in its example of a tunnel only.
  const [, example] = /UNIX sockets are not .*[?&]token=([\w-]+)/.exec(line) ?? []
  return endpoint?.kind === 'socket' && token === null && example !== undefined ? {token: example} : {}
}
