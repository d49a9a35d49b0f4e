/**
 * A stand-in for `jupyter-server`, `jupyter-lab` and `jupyter-notebook` (the first argument says which): it reads the
 * settings, writes the files, prints the lines and answers the requests that jnode relies on, and runs no kernel.
 * Plain JavaScript, as jobs of the fake cluster start it with node alone. Modelled on Jupyter Server 1.23.
 */
import {randomBytes, timingSafeEqual} from 'node:crypto'
import {chmodSync, existsSync, mkdirSync, readFileSync, rmSync, unlinkSync, writeFileSync} from 'node:fs'
import {createServer} from 'node:http'
import {delimiter, join} from 'node:path'

const VERSION = '1.23.3'
const [app, ...args] = process.argv.slice(2)

if (args.includes('--version')) {
  console.log(VERSION)
  process.exit(0)
}

/** The command line wins over the files, and of the files the first directory of JUPYTER_CONFIG_PATH. */
function readSettings() {
  const settings = {}
  const directories = [...(process.env.JUPYTER_CONFIG_PATH ?? '').split(delimiter).filter(Boolean), process.env.JUPYTER_CONFIG_DIR ?? join(process.env.HOME ?? '/', '.jupyter')]
  for (const directory of directories.reverse()) {
    for (const name of ['jupyter_notebook_config.json', 'jupyter_server_config.json']) {
      const file = join(directory, name)
      if (!existsSync(file)) continue
      const config = JSON.parse(readFileSync(file, 'utf8'))
      Object.assign(settings, config.NotebookApp, config.ServerApp, config.IdentityProvider)
    }
  }
  for (const arg of args) {
    const [, name, value = 'True'] = /^--(?:\w+\.)?([\w-]+)(?:=(.*))?$/.exec(arg) ?? []
    if (name) settings[name.replaceAll('-', '_')] = value
  }
  return settings
}

const settings = readSettings()
const ownToken = settings.token === undefined && process.env.JUPYTER_TOKEN === undefined && process.env.JUPYTER_TOKEN_FILE === undefined
const token = String(settings.token ?? process.env.JUPYTER_TOKEN ?? (process.env.JUPYTER_TOKEN_FILE ? readFileSync(process.env.JUPYTER_TOKEN_FILE, 'utf8') : randomBytes(24).toString('hex')))
const base = `/${String(settings.base_url ?? '/').replace(/^\/+|\/+$/g, '')}/`.replace('//', '/')
const ip = String(settings.ip ?? 'localhost')
const sock = settings.sock ? String(settings.sock) : ''
const runtime = process.env.JUPYTER_RUNTIME_DIR ?? join(process.env.HOME ?? '/', '.local/share/jupyter/runtime')
const serverFile = join(runtime, `jpserver-${process.pid}.json`)
const openFile = join(runtime, `jpserver-${process.pid}-open.html`)
const started = new Date().toISOString()

function log(level, text) {
  const now = new Date()
  const local = new Date(now.getTime() - now.getTimezoneOffset() * 60_000).toISOString().replace('T', ' ').slice(0, 23)
  process.stderr.write(`[${level} ${local} ServerApp] ${text}\n`)
}


const page = (path) => `<!doctype html>
<meta charset="utf-8">
<title>Stand-in for Jupyter</title>
<h1>This is a stand-in, not Jupyter</h1>
<p>The session works: this page came from a job on ${process.env.HOSTNAME ?? 'a node'} (job ${process.env.JOB_ID ?? '-'}), through the tunnel.
Where Jupyter is installed, it would be ${app === 'lab' ? 'JupyterLab' : `Jupyter ${app}`} that you see at ${path}.</p>
`

function same(given) {
  const [a, b] = [Buffer.from(given), Buffer.from(token)]
  return a.length === b.length && timingSafeEqual(a, b)
}

function authorised(request, url) {
  if (token === '') return true
  const header = /^(?:token|bearer) (.*)$/i.exec(request.headers.authorization ?? '')?.[1]
  return same(header ?? url.searchParams.get('token') ?? '')
}

/** As Jupyter bound to loopback or a socket: only local names may be asked for. */
function blockedHost(request) {
  const name = (request.headers.host ?? '').replace(/:\d+$/, '')
  return !/^(localhost|127\.[\d.]+|\[::1\])$/.test(name)
}

/** Method and path below the base URL -> status and body. Without a token only /api answers. */
function answer(request, url) {
  const path = url.pathname.slice(base.length - 1)
  if (!url.pathname.startsWith(base)) return [404, 'text/html', 'Not found']
  if (blockedHost(request)) return [403, 'application/json', JSON.stringify({message: 'Forbidden'})]
  if (request.method === 'GET' && path === '/api') return [200, 'application/json', JSON.stringify({version: VERSION})]
  const isApi = path.startsWith('/api/')
  if (!authorised(request, url)) {
    return isApi ? [403, 'application/json', JSON.stringify({message: 'Forbidden', reason: null})] : [302, 'text/html', '', {location: `${base}login?next=${encodeURIComponent(url.pathname)}`}]
  }
  switch (`${request.method} ${path}`) {
    case 'GET /api/status':
      return [200, 'application/json', JSON.stringify({connections: 0, kernels: 0, last_activity: started, started})]
    case 'GET /api/kernels':
    case 'GET /api/sessions':
    case 'GET /api/terminals':
      return [200, 'application/json', '[]']
    case 'GET /api/kernelspecs':
      return [200, 'application/json', JSON.stringify({default: 'python3', kernelspecs: {}})]
    case 'POST /api/shutdown':
      setImmediate(() => stop('I', 'Shutting down on /api/shutdown request.'))
      return [200, 'text/html', '']
    default:
      if (request.method === 'GET' && /^\/($|lab|tree|notebooks)/.test(path)) return [200, 'text/html', page(path)]
      return [404, isApi ? 'application/json' : 'text/html', isApi ? JSON.stringify({message: 'Not Found'}) : 'Not found']
  }
}

const server = createServer((request, response) => {
  const url = new URL(request.url ?? '/', 'http://localhost')
  const [status, type, body, headers = {}] = answer(request, url)
  response.writeHead(status, {'content-type': type, 'content-length': Buffer.byteLength(body), ...settings.tornado_settings?.headers, ...headers})
  response.end(body)
})

/** An upgrade on /echo gives the bytes back: a tunnel must carry more than plain requests. */
server.on('upgrade', (request, socket) => {
  const url = new URL(request.url ?? '/', 'http://localhost')
  socket.on('error', () => {})
  if (!authorised(request, url) || !url.pathname.endsWith('/echo')) return socket.end('HTTP/1.1 403 Forbidden\r\n\r\n')
  socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n')
  socket.pipe(socket)
})

let stopping = false
function stop(level, why) {
  if (stopping) return
  stopping = true
  log(level, why)
  log('I', 'Shutting down 0 extensions')
  rmSync(serverFile, {force: true})
  rmSync(openFile, {force: true})
  server.close(() => process.exit(0))
  setTimeout(() => server.closeAllConnections(), 50)
}
process.on('SIGTERM', () => stop('C', 'received signal 15, stopping'))
process.on('SIGUSR1', () => log('I', 'Serving notebooks'))

function announce(port) {
  const shown = ownToken ? token : '...'
  const query = token === '' ? '' : `?token=${shown}`
  const urls = sock ? [`http+unix://${encodeURIComponent(sock)}${base}${query}`] : [`http://${ip}:${port}${base}${query}`, `http://127.0.0.1:${port}${base}${query}`]
  const second = urls[1] ?? urls[0]
  log('I', `Serving notebooks from local directory: ${settings.root_dir ?? process.cwd()}`)
  log('I', `Jupyter Server ${VERSION} is running at:`)
  log('I', urls[0])
  log('I', ` or ${second}`)
  log('I', 'Use Control-C to stop this server and shut down all kernels (twice to skip confirmation).')
  if (ownToken && !sock) {
    log('C', `\n    \n    To access the server, open this file in a browser:\n        file://${openFile}\n    Or copy and paste one of these URLs:\n        ${urls[0]}\n     or ${second}`)
  }
}

function writeRuntimeFiles(port) {
  mkdirSync(runtime, {recursive: true, mode: 0o700})
  const url = sock ? `http+unix://${encodeURIComponent(sock)}${base}` : `http://${ip}:${port}${base}`
  const facts = {base_url: base, hostname: ip, password: false, pid: process.pid, port, root_dir: String(settings.root_dir ?? process.cwd()), secure: false, sock, token, url, version: VERSION}
  writeFileSync(serverFile, `${JSON.stringify(facts, null, 2)}\n`, {mode: 0o600})
  writeFileSync(openFile, '<!doctype html>\n', {mode: 0o644})
}

/** Jupyter tries the next four ports, then gives up (port_retries 0: at once). */
function listen(port, retries) {
  server.once('error', (error) => {
    if (error.code === 'EADDRINUSE' && !sock && retries > 0) {
      log('I', `The port ${port} is already in use, trying another port.`)
      return listen(port + 1, retries - 1)
    }
    log('C', sock ? `ERROR: the Jupyter server could not be started because the socket ${sock} is not available: ${error.message}` : `ERROR: the Jupyter server could not be started because port ${port} is not available.`)
    process.exit(1)
  })
  const ready = () => {
    server.removeAllListeners('error')
    if (sock) chmodSync(sock, Number.parseInt(String(settings.sock_mode ?? '0600'), 8))
    announce(sock ? 0 : port)
    writeRuntimeFiles(sock ? 0 : port)
  }
  if (!sock) return server.listen({port, host: ip}, ready)
  if (existsSync(sock)) unlinkSync(sock) // one that nobody listens on any more; Jupyter does so too
  process.umask(0o177)
  server.listen({path: sock}, ready)
}

listen(Number(settings.port ?? 8888), Number(settings.port_retries ?? 4))
