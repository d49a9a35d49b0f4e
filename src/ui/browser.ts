/** Opening the browser without the token on a command line, which every user of this computer can read. */
import type {ChildProcess} from 'node:child_process'
import {randomBytes} from 'node:crypto'
import {mkdtemp, rm, writeFile} from 'node:fs/promises'
import {createServer, type IncomingMessage, type ServerResponse} from 'node:http'
import type {AddressInfo} from 'node:net'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {pathToFileURL} from 'node:url'
import {JnodeError, whenAborted} from '../errors.ts'
import {peerCheck, PEERS_ARE_CHECKED, type IsMine} from '../peer.ts'
import {findProgram} from '../program.ts'
import {isWsl} from '../wsl.ts'

const FETCHED_WITHIN_MS = 20_000

export interface BrowserSystem {
  platform: NodeJS.Platform
  /** Whether the system says whose a connection is. */
  checked: boolean
  /** Starts the browser, the system's own for null. */
  launch(target: string, browser: string | null): Promise<Pick<ChildProcess, 'once'>>
}

const THIS_SYSTEM: BrowserSystem = {
  platform: process.platform,
  checked: PEERS_ARE_CHECKED,
  async launch(target, browser) {
    const {default: open} = await import('open')
    // Elsewhere it is the name of an application.
    const name = browser !== null && process.platform === 'linux' ? findProgram(browser) : browser
    return open(target, name === null ? {} : {app: {name}})
  },
}

/**
 * Opens `url` by way of a redirect on a port of our own that answers once: what stands on the browser's command line is worth
 * nothing to others. On Linux it answers only this user. Where the system does not say who asks, its address is in a
 * file that only this user can read, and the browser is given that file. (Not on Linux: browsers shut into a sandbox cannot read it.)
 * Throws when no browser asks for the page within 20 s, or when the signal aborts.
 */
export async function openBrowser(url: string, browser: string | null, signal?: AbortSignal, system = THIS_SYSTEM): Promise<void> {
  if (browser === null && system.platform === 'linux' && !process.env['DISPLAY'] && !process.env['WAYLAND_DISPLAY'] && !isWsl()) {
    throw new JnodeError('usage', 'There is no desktop here to open a browser on', {hint: 'Open the URL yourself, or leave the browser out with --no-browser.'})
  }
  const redirect = await serveRedirect(url)
  const page = system.checked ? null : await privatePage(redirect.url)
  try {
    await fetched(redirect.fetched, await system.launch(page?.url ?? redirect.url, browser), {browser, signal})
  } finally {
    redirect.close()
    await page?.remove()
  }
}

function fetched(done: Promise<void>, child: Pick<ChildProcess, 'once'>, {browser, signal}: {browser: string | null; signal: AbortSignal | undefined}): Promise<void> {
  const over = new AbortController()
  return new Promise<void>((resolve, reject) => {
    const fail = () => reject(new JnodeError('usage', `No browser opened${browser === null ? '' : ` (${browser})`}`, {hint: 'Open the URL yourself, or name a browser with --browser.'}))
    const limit = setTimeout(fail, FETCHED_WITHIN_MS)
    over.signal.addEventListener('abort', () => clearTimeout(limit))
    void done.then(resolve)
    if (signal) void whenAborted(signal).then(() => reject(signal.reason as Error))
    child.once('error', fail)
    // xdg-open tells by its exit status that there is no browser.
    child.once('exit', (code) => code !== 0 && fail())
  }).finally(() => over.abort())
}

interface Redirect {
  url: string
  /** Settles when the browser has been sent on. */
  fetched: Promise<void>
  close(): void
}

async function serveRedirect(url: string): Promise<Redirect> {
  const isMine = await peerCheck()
  const path = `/${randomBytes(16).toString('hex')}`
  let sent!: () => void
  const done = new Promise<void>((resolve) => (sent = resolve))
  const server = createServer((req, res) => void redirect(req, res, {path, url, isMine, sent}))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}${path}`,
    fetched: done,
    close() {
      server.closeAllConnections()
      server.close()
    },
  }
}

async function redirect(req: IncomingMessage, res: ServerResponse, {path, url, isMine, sent}: {path: string; url: string; isMine: IsMine; sent(): void}): Promise<void> {
  if (req.url !== path || !(await isMine(req.socket))) return void res.writeHead(404).end()
  res.writeHead(302, {location: url, 'cache-control': 'no-store', 'referrer-policy': 'no-referrer'}).end(sent)
}

/** A file of this user's alone that sends the browser on; the token is not in it. */
async function privatePage(target: string): Promise<{url: string; remove(): Promise<void>}> {
  const directory = await mkdtemp(join(tmpdir(), 'jnode-'))
  const file = join(directory, 'open.html')
  const remove = () => rm(directory, {recursive: true, force: true})
  try {
    await writeFile(file, `<!doctype html><meta charset="utf-8"><meta name="referrer" content="no-referrer"><title>jnode</title><meta http-equiv="refresh" content="0;url=${target}"><a href="${target}">Open Jupyter</a>\n`, {mode: 0o600})
  } catch (error) {
    await remove()
    throw error
  }
  return {url: pathToFileURL(file).href, remove}
}
