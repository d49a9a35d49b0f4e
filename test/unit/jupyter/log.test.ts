/** Logs of real servers (test/fixtures/jupyter), and shapes of older ones as their sources print them. */
import {readFileSync} from 'node:fs'
import {describe, expect, it} from 'vitest'
import {lastLines, readLog} from '../../../src/jupyter/log.ts'

const fixture = (name: string) => readFileSync(new URL(`../../fixtures/jupyter/${name}.log`, import.meta.url), 'utf8')
const at = (host: string, port: number) => ({kind: 'tcp', host, port})
const T = '0123456789abcdef0123456789abcdef0123456789abcdef'

describe('servers that run', () => {
  it.each<[string, object]>([
    ['server-default', {endpoint: at('localhost', 21001), secure: false, baseUrl: '/', token: '32a525e5c4dfc336a20b99ed266d52787b9a3069497641fb', tokenHidden: false, open: false}],
    ['server-any-address', {endpoint: at('node1.cluster', 21003)}],
    ['notebook-base-url', {endpoint: at('localhost', 21004), baseUrl: '/user/ann/', token: '2d1f0ca54acf8fb1737dd9af643d4933a98c8b785fc5bda9'}],
    ['server-token-hidden', {endpoint: at('localhost', 21005), token: null, tokenHidden: true, open: false}],
    ['server-open', {endpoint: at('localhost', 21006), token: null, tokenHidden: false, open: true}],
    ['server-broken-config', {endpoint: at('localhost', 21008), token: '4a6e2385516218d9b482aeaecab460c0562bf67bfb969872'}],
    ['server-port-busy', {endpoint: at('localhost', 21011)}],
    ['server-socket', {endpoint: {kind: 'socket', path: '/home/ann/s'}, token: 'e518bd925ff1b89c214f75c9db08e9cc8ca96d1c84508cca'}],
    ['notebook-socket', {endpoint: {kind: 'socket', path: '/home/ann/s'}, token: expect.stringMatching(/^[0-9a-f]{48}$/)}],
    ['lab-4', {endpoint: at('node1.cluster', 21012), baseUrl: '/', token: 'd0f319b12a4943248dab17fbfc89215bd841a75c240c0f7b'}],
  ])('%s', (name, server) => {
    expect(readLog(fixture(name))).toMatchObject({state: 'ready', server})
  })

  it.each(['http://n1:8888//evil.example/', 'http://n1:8888/@evil.example/', 'http://n1:8888/\\evil/', 'http+unix://relative.sock/'])('never at %s', (url) => {
    const read = readLog(`[I 2026-01-01 00:00:00.000 ServerApp] ${url}\n`)
    expect(read.state === 'ready' ? read.server.endpoint : null).toBeNull()
  })

  it.each(['-oProxyCommand=id', '$(id)', "a'b"])('never on a host that is called %s', (host) => {
    const read = readLog(`[I 2026-01-01 00:00:00.000 ServerApp] http://${host}:8888/\n`)
    expect(read.state === 'ready' ? read.server.endpoint : null).toBeNull()
  })

  it.each<[string, string, object]>([
    ['IPython 0.13', '[NotebookApp] The IPython Notebook is running at: http://127.0.0.1:8888/', {endpoint: at('127.0.0.1', 8888), token: null}],
    [
      'IPython 2, beside a foreign URL',
      '2014-07-04 15:08:04.253 [NotebookApp] Using MathJax from CDN: http://cdn.mathjax.org/mathjax/latest/MathJax.js\n2014-07-04 15:08:04.470 [NotebookApp] The IPython Notebook is running at: http://n1:9999/',
      {endpoint: at('n1', 9999)},
    ],
    ['Notebook 4 on all addresses', '[I 15:44:57.738 NotebookApp] The Jupyter Notebook is running at: http://[all ip addresses on your system]:9999/', {endpoint: at('*', 9999)}],
    ['Notebook 5.7 with two names', `[I 19:39:45.239 NotebookApp] The Jupyter Notebook is running at:\n[I 19:39:45.239 NotebookApp] http://(n1 or 127.0.0.1):8888/?token=${T}`, {endpoint: at('n1', 8888), token: T}],
    ['Notebook 5.7 in Chinese', `[I 19:39:45.239 NotebookApp] 本程序运行在: http://n1:8888/?token=${T}`, {endpoint: at('n1', 8888), token: T}],
    ['IPv6', `[I 2026-01-01 00:00:00.000 ServerApp] http://[::1]:8888/lab?token=${T}`, {endpoint: at('::1', 8888)}],
    ['all addresses of IPv6', '[I 00:00:00.000 NotebookApp] http://:::8888/', {endpoint: at('::', 8888)}],
    ['https, a folder as page, blanks in it', `[I 2026-01-01 00:00:00.000 ServerApp] https://n1/~ann/p/lab/tree/a b.ipynb?token=${T}`, {endpoint: at('n1', 443), secure: true, baseUrl: '/~ann/p/', token: T}],
    ['voila', '[Voila] Voilà is running at:\nhttp://localhost:8867/', {endpoint: at('localhost', 8867)}],
    ['port 0 of old servers', `[I 2026-01-01 00:00:00.000 ServerApp] http://localhost:0/?token=${T}`, {endpoint: null, token: T}],
    ['colours and CRLF of a terminal', `\x1b[32m[I 2026-01-01 00:00:00.000 ServerApp]\x1b(B\x1b[m http://n1:8888/?token=${T}\r`, {endpoint: at('n1', 8888), token: T}],
    ['the labels of srun', `0: [I 2026-01-01 00:00:00.000 ServerApp] http://n1:8888/?token=${T}`, {endpoint: at('n1', 8888)}],
    ['only the block, at --log-level=ERROR', `[C 2026-01-01 00:00:00.000 ServerApp] \n    \n    To access the server, open this file in a browser:\n        file:///x\n    Or copy and paste one of these URLs:\n        http://n1:1/?token=${T}\n     or http://127.0.0.1:1/?token=${T}`, {endpoint: at('n1', 1)}],
    [
      'a port that turned out to be taken (Jupyter Server 2.0.1)',
      `[I 2026-01-01 00:00:00.000 ServerApp] http://n1:8888/?token=${T}\n[I 2026-01-01 00:00:01.000 ServerApp] The port 8888 is already in use, trying another port.`,
      {endpoint: null, token: T},
    ],
  ])('%s', (_, log, server) => {
    expect(readLog(`${log}\n`)).toMatchObject({state: 'ready', server})
  })

  it('keeps its own token when others come by', () => {
    const log = `${fixture('server-default')}[I 2026-11-21 03:33:00.000 ServerApp] 302 GET /?token=ffffffffffffffffffff (127.0.0.1) 0.9ms\n[W 2026-11-21 03:33:00.000 ServerApp] 404 GET /x (::1) 1ms referer=http://elsewhere:5785/lab\nhttp://elsewhere:1/?token=${T}\n`
    expect(readLog(log)).toEqual(readLog(fixture('server-default')))
  })

  it('counts the last start', () => {
    const log = fixture('server-shutdown') + fixture('lab-4')
    expect(readLog(log)).toMatchObject({state: 'ready', server: {endpoint: at('node1.cluster', 21012)}})
    expect(readLog(fixture('lab-4') + fixture('server-shutdown')).state).toBe('stopped')
  })

  it('reads no token from a line that is still being written', () => {
    const line = `[I 2026-01-01 00:00:00.000 ServerApp] http://n1:8888/?token=${T}`
    expect(readLog(line.slice(0, -10))).toEqual({state: 'pending'})
    expect(readLog(`${line}\n${line.slice(0, -10)}`)).toMatchObject({server: {token: T}})
  })

  it('is not misled by what a script says of ssh', () => {
    const log = 'ssh -L 8888:n1:8888 ann@head\nThen open the URL below (starting with http://127.0.0.1)\nhttp://localhost:8888\n'
    expect(readLog(log)).toEqual({state: 'pending'})
  })
})

describe('servers that ended', () => {
  it.each([
    ['notebook-default', 'signal'],
    ['notebook-chinese', 'signal'],
    ['server-shutdown', 'shutdown'],
  ])('%s', (name, reason) => {
    expect(readLog(fixture(name))).toMatchObject({state: 'stopped', reason})
  })

  it.each([
    ['[I 2026-11-21 00:24:03.307 ServerApp] No kernels for 60 seconds; shutting down.', 'idle'],
    ['[I 2026-11-20 23:54:15.087 ServerApp] Interrupted...', 'interrupt'],
    ['slurmstepd: error: *** JOB 1 ON n1 CANCELLED AT 2026-01-01T00:00:00 DUE TO TIME LIMIT ***', 'killed'],
    ['/var/spool/gridengine/job_scripts/7: line 3: 4711 Killed    jupyter lab', 'killed'],
  ])('%s', (line, reason) => {
    expect(readLog(`${fixture('server-default')}${line}\n`)).toMatchObject({state: 'stopped', reason})
  })

  it('with a late status on stdout', () => {
    const late = 'Serving notebooks from local directory: /home/ann\n0 active kernels\nJupyter Server 1.23.3 is running at:\nhttp://localhost:21009/?token=...\n'
    expect(readLog(fixture('server-shutdown') + late)).toMatchObject({state: 'stopped', reason: 'shutdown'})
  })
})

describe('servers that did not start', () => {
  it.each([
    ['jupyter-no-lab', 'subcommand-missing', 'lab'],
    ['notebook-port-taken', 'port-taken', '21010'],
    ['server-bad-address', 'bind-address', null],
    ['server-bad-config', 'bad-config', null],
    ['server-home-not-writable', 'runtime-dir', '/home/ann/.local/share'],
    ['server-root', 'root', null],
  ])('%s', (name, reason, subject) => {
    expect(readLog(fixture(name))).toMatchObject({state: 'failed', failure: {reason, subject}})
  })

  it.each([
    ['/var/spool/gridengine/job_scripts/7: line 3: jupyter-lab: command not found', 'command-missing', 'jupyter-lab'],
    ['/bin/sh: 1: jupyter: not found', 'command-missing', 'jupyter'],
    ['jupyter: Command not found.', 'command-missing', 'jupyter'],
    ['zsh: command not found: jupyter', 'command-missing', 'jupyter'],
    ['/usr/bin/python3: No module named jupyterlab', 'module-missing', 'jupyterlab'],
    ["ModuleNotFoundError: No module named 'jupyter_events'", 'module-missing', 'jupyter_events'],
    ['EnvironmentNameNotFound: Could not find conda environment: typo', 'conda-env-missing', 'typo'],
    ["CommandNotFoundError: Your shell has not been properly configured to use 'conda activate'.", 'conda-not-initialised', null],
    ['[C 2026-01-01 00:00:00.000 ServerApp] No such file or directory: /home/ann/x.ipynb', 'file-missing', '/home/ann/x.ipynb'],
    ["RuntimeError: Permissions assignment failed for secure file: '/home/ann/k.json'. Got '0o655'", 'secure-file', '/home/ann/k.json'],
    ['OSError: [Errno 122] Disk quota exceeded', 'disk-full', null],
    ['MemoryError', 'memory', null],
    ['socket.gaierror: [Errno -2] Name or service not known', 'host-unresolved', null],
  ])('%s', (line, reason, subject) => {
    expect(readLog(`Loading modules\n${line}\n`)).toMatchObject({state: 'failed', failure: {reason, subject, text: line}})
  })

  it('after its URL, as Jupyter Server 2 does', () => {
    const late = `[W 2026-01-01 00:00:00.000 ServerApp] The socket /home/ann/s is already in use.\n[C 2026-01-01 00:00:00.000 ServerApp] ERROR: the Jupyter server could not be started because no available port could be found.\n`
    expect(readLog(fixture('server-socket') + late)).toMatchObject({state: 'failed', failure: {reason: 'sock-taken', subject: '/home/ann/s'}})
  })

  it('is not said while nothing is known', () => {
    expect(readLog('')).toEqual({state: 'pending'})
    expect(readLog('Loading modules\n[I 2026-01-01 00:00:00.000 ServerApp] jupyterlab | extension was successfully linked.\n')).toEqual({state: 'pending'})
  })
})

describe('lastLines', () => {
  it('gives the last lines that say something, without tokens and terminal codes', () => {
    const log = `one\n\x1b[31mtwo\x1b[0m\x07\n\n  \n[I ServerApp] http://n1:1/?token=${T}\r\n\x1b]0;title\x07three  \n`
    expect(lastLines(log, 3)).toEqual(['two', '[I ServerApp] http://n1:1/?token=[secret]', 'three'])
    expect(lastLines('', 3)).toEqual([])
  })

  it('copes with a long log', () => {
    expect(lastLines('x\n'.repeat(300_000), 2)).toEqual(['x', 'x'])
    expect(readLog('x\n'.repeat(300_000))).toEqual({state: 'pending'})
  })
})
