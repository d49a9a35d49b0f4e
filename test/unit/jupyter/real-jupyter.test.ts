/** The job script with the machine's own Jupyter, as an ordinary user. Skipped where there is none. */
import {chmodSync, readdirSync, readFileSync, readlinkSync, statSync, writeFileSync} from 'node:fs'
import {request, type IncomingHttpHeaders} from 'node:http'
import {connect} from 'node:net'
import {constants} from 'node:os'
import {join} from 'node:path'
import {connect as tlsConnect} from 'node:tls'
import {afterEach, describe, expect, it} from 'vitest'
import WebSocket from 'ws'
import {fetchOver} from '../../../src/http.ts'
import {parseActivity} from '../../../src/jupyter/activity.ts'
import {jupyterApi, landingPage} from '../../../src/jupyter/api.ts'
import {readLog} from '../../../src/jupyter/log.ts'
import type {JobRecord} from '../../../src/jupyter/record.ts'
import {makeIdentity, relayProgram, secured} from '../../../src/tunnel/relay.ts'
import {machineJupyters, PROOF, runJob, TOKEN, type Run, type RunOptions} from './job-run.ts'

const apps = machineJupyters()
const AUTHORIZED = {authorization: `token ${TOKEN}`}

let run: Run
let sockets: WebSocket[] = []
afterEach(async () => {
  for (const socket of sockets) socket.terminate()
  sockets = []
  if (run.record()?.end === null) run.signal('SIGTERM') // so that kernels end, too
  await run.ended
  await run.remove()
})

async function ready(options: RunOptions): Promise<JobRecord> {
  run = runJob({ordinaryUser: true, ...options})
  return run.until((record) => record.listening)
}

function socketPath(record: JobRecord): string {
  if (record.endpoint?.kind !== 'socket') throw new Error('no socket')
  return record.endpoint.path
}

interface Reply {
  status: number
  headers: IncomingHttpHeaders
  body: string
}

function ask(record: JobRecord, path: string, {method = 'GET', headers = {}, body}: {method?: string; headers?: Record<string, string>; body?: string} = {}): Promise<Reply> {
  return new Promise((resolve, reject) => {
    const asked = request({socketPath: socketPath(record), path, method, headers: {host: 'localhost', ...headers}}, (response) => {
      let text = ''
      response.on('data', (chunk) => (text += chunk))
      response.on('end', () => resolve({status: response.statusCode!, headers: response.headers, body: text}))
    })
    asked.on('error', reject)
    asked.end(body)
  })
}

/** All that a user may set to open the server, in every file and section that a Jupyter reads. */
const OPEN = `
c = get_config()
for section in ("ServerApp", "NotebookApp", "LabApp", "JupyterNotebookApp", "IdentityProvider", "PasswordIdentityProvider"):
    c[section].token = ""
for section in ("ServerApp", "NotebookApp", "LabApp", "JupyterNotebookApp"):
    s = c[section]
    s.ip = "0.0.0.0"
    s.password = ""
    s.password_required = False
    s.allow_origin = "*"
    s.allow_origin_pat = ".*"
    s.allow_credentials = True
    s.allow_remote_access = True
    s.disable_check_xsrf = True
    s.local_hostnames = ["evil.example"]
    s.trust_xheaders = True
    s.sock_mode = "0777"
    s.tornado_settings = {"headers": {"Access-Control-Allow-Origin": "*", "Content-Security-Policy": ""}}
c.ServerApp.allow_unauthenticated_access = True
c.PasswordIdentityProvider.hashed_password = ""
`

/** All that may keep our server from starting, or from being reached. */
const BROKEN = `
c = get_config()
for section in ("ServerApp", "NotebookApp", "LabApp", "JupyterNotebookApp"):
    s = c[section]
    s.ip = "192.0.2.1"
    s.port = 1
    s.port_retries = 0
    s.base_url = "/else/where"
    s.password = "argon2:$argon2id$v=19$m=10240,t=10,p=8$AAAA$BBBB"
    s.password_required = True
    s.certfile = "/no/cert.pem"
    s.keyfile = "/no/key.pem"
    s.client_ca = "/no/ca.pem"
    s.open_browser = True
    s.browser = "/bin/false"
    s.custom_display_url = "https://hub.example/"
    s.websocket_url = "wss://hub.example/"
    s.cookie_options = {"secure": True}
    s.cookie_secret_file = "/no/secret"
    s.token = "mine"
    s.file_to_run = "x.ipynb"
c.ServerApp.sock = "/no/sock"
c.NotebookApp.sock = "/no/sock"
c.ServerApp.allow_unauthenticated_access = False
c.PasswordIdentityProvider.hashed_password = "argon2:x"
c.PasswordIdentityProvider.password_required = True
c.IdentityProvider.token = "mine"
`

/** What opens kernels to others, by each of the names that a version of Jupyter reads it under. */
const KERNELS_ON_PORTS = `
c = get_config()
for section in ("KernelManager", "AsyncKernelManager", "IOLoopKernelManager", "AsyncIOLoopKernelManager", "ServerKernelManager"):
    c[section].transport = "tcp"
    c[section].ip = "0.0.0.0"
`

/** Python that says how many TCP ports its own process listens on. */
const LISTENERS = `import os, glob
inodes = {line.split()[9] for table in ("tcp", "tcp6") for line in open("/proc/self/net/" + table).readlines()[1:] if line.split()[3] == "0A"}
def link(fd):
    try:
        return os.readlink(fd)
    except OSError:
        return ""
print("ports", sum(link(fd) in {"socket:[%s]" % inode for inode in inodes} for fd in glob.glob("/proc/self/fd/*")), end="")`

const everywhere = (text: string) => Object.fromEntries(['jupyter', 'jupyter_server', 'jupyter_notebook', 'jupyter_lab'].map((name) => [`.jupyter/${name}_config.py`, text]))

describe.skipIf(apps.length === 0)(`real Jupyter${apps.length === 0 ? ' (skipped: no jupyter-server, -notebook or -lab on PATH)' : ''}`, () => {
  describe.each(apps)('%s', (app) => {
    it.each([
      ['nothing of their own', {}],
      ['settings that open everything', everywhere(OPEN)],
      ['settings that break everything', everywhere(BROKEN)],
      ['a broken configuration file', everywhere('this is no Python (')],
    ])('is private and answers, for a user with %s', async (_, files) => {
      const record = await ready({spec: {app}, files})
      const path = socketPath(record)
      expect(statSync(path).mode & 0o777).toBe(0o600)
      expect(statSync(join(path, '..')).mode & 0o777).toBe(0o700)

      const anyone = await ask(record, '/api')
      expect(anyone.headers['x-jnode-session']).toBe(PROOF)
      expect(anyone.headers['x-content-type-options']).toBe('nosniff')
      expect(anyone.headers['content-security-policy']).toContain("frame-ancestors 'self'")
      expect((await ask(record, '/api/status')).status).toBe(403)
      expect((await ask(record, '/api/status', {headers: {authorization: 'token mine'}})).status).toBe(403)
      const status = await ask(record, '/api/status', {headers: AUTHORIZED})
      expect(status.status).toBe(200)
      expect(status.headers['access-control-allow-origin'] ?? '').not.toBe('*')
      expect((await ask(record, '/api/status', {headers: {...AUTHORIZED, host: 'evil.example'}})).status).toBe(403)
      expect((await ask(record, '/api/kernels', {method: 'POST', body: '{}'})).status).toBe(403)

      // Nothing of it shows: not on the network, not in a process list, not in the log or the record.
      const server = run.processes().find((pid) => shown(pid, 'cmdline').includes(`jupyter-${app}`))
      expect(tcpListeners(server!)).toBe(0)
      for (const pid of run.processes()) {
        expect(shown(pid, 'cmdline')).not.toContain(TOKEN)
        expect(shown(pid, 'environ')).not.toContain(TOKEN)
      }
      expect(run.log()).not.toContain(TOKEN)
      expect(readFileSync(join(run.session, 'record'), 'utf8')).not.toContain(TOKEN)
      expect(readLog(run.log())).toMatchObject({state: 'ready', server: {endpoint: {kind: 'socket', path}, token: null}})
    })

    it('ends cleanly with its kernels when Grid Engine announces the kill', async () => {
      const record = await ready({spec: {app}})
      expect((await ask(record, '/api/kernels', {method: 'POST', headers: AUTHORIZED, body: '{}'})).status).toBe(201)
      run.signal('SIGUSR1')
      await run.until(({signals}) => signals.includes('USR1'))
      expect((await ask(record, '/api/status', {headers: AUTHORIZED})).status).toBe(200)
      run.signal('SIGUSR2')
      expect(await run.ended).toBe(0)
      expect(run.record()?.end).toMatchObject({code: 0, reason: 'deleted'})
      expect(readdirSync(run.tmp)).toEqual([])
      expect(run.processes()).toEqual([])
      expect(readLog(run.log())).toMatchObject({state: 'stopped', reason: 'signal'})
    })

    // On the test cluster another one does.
    it.runIf(app === apps[0])('ends itself when nobody uses it, whoever looks on, but not while a cell runs', async () => {
      const record = await ready({spec: {app, idleSeconds: 6}})
      const kernel = JSON.parse((await ask(record, '/api/kernels', {method: 'POST', headers: AUTHORIZED, body: '{}'})).body) as {id: string}
      // As an open tab does.
      const looking = setInterval(() => void ask(record, '/api/contents', {headers: AUTHORIZED}).catch(() => {}), 300)
      let said = ''
      for await (const {type, content} of execute(record, kernel.id, "import time; print('runs'); time.sleep(12); print('done')")) {
        if (type === 'stream') said += String(content['text'])
        // A tab that is opened meanwhile: it asks the kernel what it is, and hears that it has nothing to do.
        if (said === 'runs\n' && sockets.length === 1) open(record, kernel.id, 'tab').on('error', () => {})
        if (said.includes('done')) break
      }
      expect(said).toContain('done')
      const last = readFileSync(join(run.session, 'activity'), 'utf8')
      expect(parseActivity(last)).toMatchObject({busy: true})
      // Out of memory, say, with the laptop off: nobody asks the kernel that is started in its place anything.
      for await (const {type} of execute(record, kernel.id, 'import os; os.kill(os.getpid(), 9)')) if (type === 'execute_input') break
      for (const socket of sockets) socket.terminate()
      expect(await run.ended).toBe(0)
      clearInterval(looking)
      expect(run.record()?.end).toEqual({code: 0, reason: 'idle', text: 'no activity for 6 s'})
      expect(readdirSync(run.tmp)).toEqual([])
    }, 60_000)

    it('lets a running cell be interrupted, and shows its output', async () => {
      const record = await ready({spec: {app}})
      const kernel = JSON.parse((await ask(record, '/api/kernels', {method: 'POST', headers: AUTHORIZED, body: '{}'})).body) as {id: string}
      const messages = execute(record, kernel.id, "import os, time; print('slots', os.environ['NSLOTS'], flush=True); time.sleep(60)")
      const seen: string[] = []
      for await (const {type, content} of messages) {
        seen.push(type)
        if (type === 'stream') {
          expect(content['text']).toContain('slots 2')
          expect((await ask(record, `/api/kernels/${kernel.id}/interrupt`, {method: 'POST', headers: AUTHORIZED})).status).toBe(204)
        }
        if (type === 'error') {
          expect(content['ename']).toBe('KeyboardInterrupt')
          break
        }
      }
      expect(seen).toContain('stream')
    })

    it('keeps kernels on private sockets whatever the user’s settings say, also after a restart', async () => {
      const record = await ready({spec: {app}, files: everywhere(KERNELS_ON_PORTS)})
      const kernels = await Promise.all([startKernel(record), startKernel(record)])
      for (const id of kernels) expect(await said(record, id, LISTENERS)).toBe('ports 1')
      expect((await ask(record, `/api/kernels/${kernels[0]}/restart`, {method: 'POST', headers: AUTHORIZED})).status).toBe(200)
      expect(await said(record, kernels[0]!, LISTENERS)).toBe('ports 1')
      const sockets = readdirSync(join(socketPath(record), '../runtime')).filter((name) => /-ipc-\d+$/.test(name)).map((name) => name.replace(/^kernel-(.*)-ipc-\d+$/, '$1'))
      expect(sockets.sort()).toEqual(kernels.flatMap((id) => Array<string>(5).fill(id)).sort())
    })

    it('puts kernels on ports where kernel_transport is "tcp"', async () => {
      const record = await ready({spec: {app, kernelTransport: 'tcp'}})
      // Five, and the one that a Python kernel keeps for its forked children.
      expect(await said(record, await startKernel(record), LISTENERS)).toBe('ports 6')
    })

    it('tells of a kernel that does not open its private sockets', async () => {
      const old = JSON.stringify({argv: ['sleep', '60'], display_name: 'old', language: 'x'})
      const record = await ready({spec: {app}, files: {'.local/share/jupyter/kernels/old/kernel.json': old}, edit: (script) => script.replace('looks=30', 'looks=1')})
      await startKernel(record, 'old')
      expect((await run.until(({silentKernels}) => silentKernels.length > 0)).silentKernels).toEqual(['old'])
      expect(run.log()).toContain('jnode: the kernel old did not open its private sockets (ipc)')
    })

    it("gives kernels of any language their interrupts, and keeps Grid Engine's warnings from them", async () => {
      const kernelJson = {argv: ['sh', '-c', 'grep SigIgn /proc/$$/status >"$HOME/ignored"; sleep 1'], display_name: 'probe', language: 'x'}
      const record = await ready({spec: {app}, files: {'.local/share/jupyter/kernels/probe/kernel.json': JSON.stringify(kernelJson)}})
      await ask(record, '/api/kernels', {method: 'POST', headers: AUTHORIZED, body: '{"name": "probe"}'})
      await expect.poll(() => readdirSync(run.home)).toContain('ignored')
      const ignored = BigInt(`0x${/SigIgn:\s*(\w+)/.exec(readFileSync(join(run.home, 'ignored'), 'utf8'))![1]}`)
      const bits = (...names: NodeJS.Signals[]) => names.reduce((mask, name) => mask | (1n << BigInt(constants.signals[name] - 1)), 0n)
      expect(ignored & bits('SIGINT', 'SIGQUIT', 'SIGTERM')).toBe(0n)
      expect(ignored & bits('SIGUSR1', 'SIGUSR2', 'SIGXCPU')).toBe(bits('SIGUSR1', 'SIGUSR2', 'SIGXCPU'))
    })

    it('is reached by a relay that is asked for while it runs, with the session’s certificate and not without', async () => {
      const record = await ready({spec: {app, dir: '~/work'}, files: {...everywhere(BROKEN), 'work/x.txt': 'x'}})
      expect(tcpListenersOf(run)).toBe(0)
      const identity = await makeIdentity()
      const put = (file: string, text: string) => (writeFileSync(join(run.session, file), text), chmodSync(join(run.session, file), 0o644))
      put('identity.pem', identity)
      put('relay-1.py', relayProgram({id: 'relay-1', dir: run.session, bind: ['192.0.2.1', '127.0.0.1']}))
      put('legs', 'start relay-1\nsta')
      const leg = (await run.until(({legs}) => legs['relay-1'] !== undefined)).legs['relay-1']!
      if (leg.state === 'failed') throw new Error(leg.why)
      expect(leg.host).toBe('127.0.0.1')
      const knock = async () => connect(leg.port, '127.0.0.1')
      const options = {baseUrl: 'http://127.0.0.1/', token: TOKEN, fetch: fetchOver(secured(knock, identity))}
      const api = jupyterApi(options)
      // The proof of this run is not derived from its token, so the client must call the server foreign...
      expect(await api.identify()).toMatchObject({kind: 'foreign', why: expect.stringContaining('proof')})
      // ...and the calls that need the token still answer.
      expect(await api.status()).toMatchObject({kernels: 0, connections: 0})
      expect(await api.kernels()).toEqual([])
      await expect(jupyterApi({...options, token: 'wrong'}).status()).rejects.toMatchObject({code: 'unexpected', message: expect.stringContaining('refuses')})
      expect((await ask(record, await landingPage(app, options).then((page) => `/${page}`), {headers: AUTHORIZED})).status).toBe(200)

      expect(await jupyterApi({...options, fetch: fetchOver(knock)}).identify()).toMatchObject({kind: 'not-answering'})
      await expect(secured(knock, await makeIdentity())()).rejects.toMatchObject({code: 'connection-lost'})
      expect(await bytesWithout(leg.port)).toBe(0)

      put('legs', 'start relay-1\nend relay-1\n')
      await expect.poll(() => tcpListenersOf(run), {timeout: 10_000}).toBe(0)
      await jupyterApi({...options, fetch: fetchOver(async () => connect(socketPath(record)))}).shutdown()
      expect(await run.ended).toBe(0)
      expect(run.record()?.end).toMatchObject({reason: 'finished'})
    })
  })
})

/** What one gets of the server over TLS without a certificate, whatever server one believes. */
function bytesWithout(port: number): Promise<number> {
  return new Promise((resolve) => {
    let bytes = 0
    const stream = tlsConnect({port, host: '127.0.0.1', rejectUnauthorized: false})
    stream.on('data', (data: Buffer) => (bytes += data.length)).on('error', () => {}).on('close', () => resolve(bytes))
    stream.write('GET /api HTTP/1.1\r\nHost: localhost\r\n\r\n')
  })
}

function tcpListenersOf(job: Run): number {
  return job.processes().reduce((sum, pid) => sum + tcpListeners(pid), 0)
}

/** What /proc shows of a process; nothing of one that has just ended. */
function shown(pid: number, what: 'cmdline' | 'environ'): string {
  try {
    return readFileSync(`/proc/${pid}/${what}`, 'latin1')
  } catch {
    return ''
  }
}

/** Sockets of a process that listen on TCP: those of /proc/PID/fd that stand in /proc/net/tcp with state 0A. */
function tcpListeners(pid: number): number {
  const inodes = new Set(['tcp', 'tcp6'].flatMap((kind) => listenersIn(readFileSync(`/proc/${pid}/net/${kind}`, 'utf8'))))
  return readdirSync(`/proc/${pid}/fd`).filter((fd) => inodes.has(inodeOf(pid, fd))).length
}

function listenersIn(table: string): string[] {
  return table.split('\n').slice(1).map((line) => line.trim().split(/\s+/)).filter((fields) => fields[3] === '0A').map((fields) => fields[9]!)
}

function inodeOf(pid: number, fd: string): string {
  try {
    return /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/${pid}/fd/${fd}`))?.[1] ?? ''
  } catch {
    return ''
  }
}

async function startKernel(record: JobRecord, name?: string): Promise<string> {
  const answer = await ask(record, '/api/kernels', {method: 'POST', headers: AUTHORIZED, body: JSON.stringify(name === undefined ? {} : {name})})
  return (JSON.parse(answer.body) as {id: string}).id
}

/** The first text that a piece of code prints. */
async function said(record: JobRecord, kernel: string, code: string): Promise<string> {
  for await (const {type, content} of execute(record, kernel, code)) if (type === 'stream') return String(content['text'])
  throw new Error('the kernel said nothing')
}

interface Message {
  type: string
  content: Record<string, unknown>
}

function open(record: JobRecord, kernel: string, session: string): WebSocket {
  const socket = new WebSocket(`ws://localhost/api/kernels/${kernel}/channels?session_id=${session}`, {headers: AUTHORIZED, createConnection: () => connect(socketPath(record))})
  sockets.push(socket)
  return socket
}

/** What a kernel says to a piece of code, over the websocket. */
async function* execute(record: JobRecord, kernel: string, code: string): AsyncGenerator<Message> {
  const socket = open(record, kernel, 'test')
  const queue: Message[] = []
  let wake = () => {}
  socket.on('message', (data) => {
    const {header, content} = JSON.parse(String(data)) as {header: {msg_type: string}; content: Record<string, unknown>}
    queue.push({type: header.msg_type, content})
    wake()
  })
  socket.on('close', () => wake())
  await new Promise((resolve, reject) => socket.once('open', resolve).once('error', reject))
  const header = {msg_id: 'm1', username: 'test', session: 'test', date: new Date().toISOString(), msg_type: 'execute_request', version: '5.3'}
  socket.send(JSON.stringify({header, parent_header: {}, metadata: {}, channel: 'shell', buffers: [], content: {code, silent: false, store_history: false, user_expressions: {}, allow_stdin: false, stop_on_error: true}}))
  for (;;) {
    const next = queue.shift()
    if (next) yield next
    else if (socket.readyState !== WebSocket.OPEN) return
    else await new Promise<void>((resolve) => (wake = resolve))
  }
}
