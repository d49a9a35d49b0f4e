/** Opening the browser without the token on a command line, which every user of this computer can read. */
import {randomBytes} from 'node:crypto'
import {readFile} from 'node:fs/promises'
import {createServer, type IncomingMessage, type ServerResponse} from 'node:http'
import type {AddressInfo} from 'node:net'
import {JnodeError, whenAborted} from '../errors.ts'
import {isWsl} from '../wsl.ts'

const FETCHED_WITHIN_MS = 20_000

/**
 * Opens `url` by way of a redirect on a port of our own that answers once, and only this user: what stands on the
 * browser's command line is worth nothing to others. (Jupyter's way, a private file, fails in browsers shut into a sandbox.)
 * Throws when no browser asks for the page within 20 s, or when the signal aborts.
 */
export async function openBrowser(url: string, browser: string | null, signal?: AbortSignal): Promise<void> {
  if (browser === null && process.platform === 'linux' && !process.env['DISPLAY'] && !process.env['WAYLAND_DISPLAY'] && !isWsl()) {
    throw new JnodeError('usage', 'There is no desktop here to open a browser on', {hint: 'Open the URL yourself, or leave the browser out with --no-browser.'})
  }
  const path = `/${randomBytes(16).toString('hex')}`
  let fetched!: () => void
  const done = new Promise<void>((resolve) => {
    fetched = resolve
  })
  const server = createServer((req, res) => void redirect(req, res, {path, url, fetched}))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const {default: open} = await import('open')
  const {port} = server.address() as AddressInfo
  const timer = new AbortController()
  try {
    const child = await open(`http://127.0.0.1:${port}${path}`, browser === null ? {} : {app: {name: browser}})
    await Promise.race([
      done,
      new Promise<never>((_, reject) => {
        const fail = () => reject(new JnodeError('usage', `No browser opened${browser === null ? '' : ` (${browser})`}`, {hint: 'Open the URL yourself, or name a browser with --browser.'}))
        const limit = setTimeout(fail, FETCHED_WITHIN_MS)
        timer.signal.addEventListener('abort', () => clearTimeout(limit))
        if (signal) void whenAborted(signal).then(() => reject(signal.reason as Error))
        child.once('error', fail)
        // xdg-open tells by its exit status that there is no browser.
        child.once('exit', (code) => code !== 0 && fail())
      }),
    ])
  } finally {
    timer.abort()
    server.closeAllConnections()
    server.close()
  }
}

async function redirect(req: IncomingMessage, res: ServerResponse, page: {path: string; url: string; fetched: () => void}): Promise<void> {
  if (req.url !== page.path || !(await fromThisUser(req))) {
    res.writeHead(404).end()
    return
  }
  res.writeHead(302, {location: page.url, 'cache-control': 'no-store', 'referrer-policy': 'no-referrer'}).end(() => page.fetched())
}

async function fromThisUser({socket}: IncomingMessage): Promise<boolean> {
  const table = await readFile('/proc/net/tcp', 'utf8').catch(() => null)
  if (table === null) return true
  return isOurs(ownerOf(table, {from: socket.remotePort!, to: socket.localPort!}), {me: process.getuid!(), wsl: isWsl()})
}

/** On Linux the kernel tells whose socket is at the other end (the eighth column of /proc/net/tcp, ports in hex); null: nobody's there. */
export function ownerOf(table: string, {from, to}: {from: number; to: number}): number | null {
  const hex = (port: number) => port.toString(16).toUpperCase().padStart(4, '0')
  const line = table.split('\n').find((row) => row.includes(`:${hex(from)} 0100007F:${hex(to)} `))
  return line === undefined ? null : Number(line.trim().split(/\s+/)[7])
}

/** On WSL the browser is a program of Windows: what it asks comes through a relay that is root's, or from no socket that Linux knows. */
export function isOurs(owner: number | null, {me, wsl}: {me: number; wsl: boolean}): boolean {
  return owner === me || (wsl && (owner === null || owner === 0))
}
