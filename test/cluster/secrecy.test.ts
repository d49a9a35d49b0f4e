/** What others see of a session: nothing. */
import {afterEach, expect, onTestFinished, test} from 'vitest'
import type {SessionView} from '../../src/flows/session-view.ts'
import {answers, jnodeIn, nothingLeft, OPEN, sweep} from './jnode.ts'
import {HOST_NAMES, type HostName} from './topology.ts'
import {useLab} from './use-lab.ts'

const lab = await useLab()
const jnode = jnodeIn(lab)

afterEach(async ({task}) => {
  if (task.result?.state === 'fail') await sweep(lab)
})

const tokenOf = ({url}: SessionView) => new URL(url!).searchParams.get('token')!
const record = async (name: string) => (await lab.exec('head', 'alice', `cat ~/.jnode/sessions/${name}/record`)).stdout
const tcpListeners = async (host: HostName) => (await lab.listeners(host)).filter(({kind}) => kind === 'tcp').map(({address}) => address).sort()
/** A text on stdin is looked for, so that the search does not find itself. */
const withText = (host: HostName, user: string, text: string, command: string) => lab.exec(host, user, command, {input: text, cwd: '/'})

/** Files below the places people write to that hold a text, as far as the user can read them: `mode owner path`. */
async function filesWith(text: string, host: HostName, user: string): Promise<string[]> {
  const {stdout} = await withText(host, user, text, `read -r text; cd /
{ printf %s "$text" | grep -rslF -f - /home /tmp /var/tmp /var/log /var/spool/gridengine /var/lib/gridengine /dev/shm /run; } | xargs -r stat -c '%a %U %n'`)
  return stdout.split('\n').filter(Boolean).sort()
}

/** Processes whose arguments or environment show a text, as far as the user can read them. */
async function processesWith(text: string, host: HostName, user: string, what: 'cmdline' | 'environ'): Promise<string[]> {
  const {stdout} = await withText(host, user, text, `grep -slaF -f - /proc/[0-9]*/${what} | while read -r file; do tr '\\0' ' ' <"\${file%/*}/cmdline"; echo; done`)
  return stdout.split('\n').filter(Boolean)
}

/** Asks a port for the status with the token: without TLS, with TLS, and with a certificate of one's own; prints how many bytes came. */
const KNOCK = `
const net = require('net'), tls = require('tls'), {execFileSync} = require('child_process'), fs = require('fs')
const {address, token} = JSON.parse(fs.readFileSync(0, 'utf8'))
const [host, port] = address.split(':')
const dir = fs.mkdtempSync('/tmp/knock-')
execFileSync('openssl', ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-subj', '/CN=jnode session', '-keyout', dir + '/key', '-out', dir + '/cert'], {stdio: 'ignore'})
const own = {cert: fs.readFileSync(dir + '/cert'), key: fs.readFileSync(dir + '/key')}
fs.rmSync(dir, {recursive: true})
const bytes = (open) => new Promise((resolve) => {
  let count = 0
  const stream = open({host, port})
  stream.on('data', (data) => (count += data.length)).on('error', () => {}).on('close', () => resolve(count))
  stream.write('GET /api/status HTTP/1.1\\r\\nHost: localhost\\r\\nAuthorization: token ' + token + '\\r\\n\\r\\n')
  setTimeout(() => stream.destroy(), 3000)
})
const all = [(to) => net.connect(to), (to) => tls.connect({...to, rejectUnauthorized: false}), (to) => tls.connect({...to, ...own, rejectUnauthorized: false})]
Promise.all(all.map(bytes)).then(([plain, safe, stranger]) => console.log('plain ' + plain + ', tls ' + safe + ', stranger ' + stranger))
`

test('the other user of the node can neither connect nor read, and the token shows nowhere', async () => {
  const before = Object.fromEntries(await Promise.all(HOST_NAMES.map(async (host) => [host, await tcpListeners(host)] as const)))
  const held = jnode.spawn('start quiet --host head --node node1 -v')
  await held.says('Ctrl-C closes the tunnel')
  const [session] = (await jnode.ok<{sessions: SessionView[]}>('list')).sessions
  const token = tokenOf(session!)
  expect(held.stderr()).not.toContain(token)

  const socket = /^endpoint socket (.+)$/m.exec(await record('quiet'))![1]!
  const connect = ['node', '-e', `require('net').connect(${JSON.stringify(socket)}).on('connect', () => console.log('connected')).on('error', (e) => console.log(e.code))`]
  expect((await lab.exec('node1', 'alice', ['timeout', '1', ...connect])).stdout).toBe('connected\n')
  expect((await lab.exec('node1', 'bob', connect)).stdout).toBe('EACCES\n')
  for (const path of ['', '/token', '/record', '/log', '/job.sh', '/session.json', '/proof']) {
    expect((await lab.exec('node1', 'bob', ['cat', `/home/alice/.jnode/sessions/quiet${path}`])).stderr, path).toContain('Permission denied')
  }
  expect((await lab.exec('node1', 'bob', ['ls', socket.replace(/\/sock$/, '')])).stderr).toContain('Permission denied')

  for (const host of HOST_NAMES) {
    expect(await tcpListeners(host), host).toEqual(host === 'laptop' ? [new URL(session!.url!).host] : before[host])
    expect(await filesWith(token, host, 'bob'), host).toEqual([])
    expect(await processesWith(token, host, 'root', 'cmdline'), host).toEqual([])
    expect(await processesWith(token, host, 'bob', 'environ'), host).toEqual([])
  }
  // To root the search shows what there is, so it does search: few files, each for alice's eyes only. (Jupyter writes
  // its own below "runtime" with the user's mask, in a directory that nobody else can enter.)
  const owned = (await Promise.all((['laptop', 'gateway', 'head', 'node1'] as const).map((host) => filesWith(token, host, 'root')))).flat()
  const seen = owned.map((line) => line.replace(/^(\d+) alice \/tmp\/[^/]+\/jnode\/(config|runtime)\/.*/, (_, mode: string, place: string) => `${place === 'config' ? mode : 'any'} alice node: ${place}`))
  expect([...new Set(seen)].sort()).toEqual(['600 alice /home/alice/.jnode/sessions/quiet/token', '600 alice /home/alice/.local/state/jnode/sessions/head/quiet.json', '600 alice node: config', 'any alice node: runtime'])
  expect((await lab.exec('node1', 'root', ['stat', '-c', '%a %U', socket.replace(/\/sock$/, ''), socket])).stdout).toBe('700 alice\n600 alice\n')

  for (const question of [['qstat', '-j', session!.jobId!], ['qstat', '-xml', '-j', session!.jobId!]]) {
    const {exitCode, stdout} = await lab.exec('head', 'bob', question)
    expect(exitCode).toBe(0)
    expect(stdout).not.toContain(token)
  }
  const modes = (await lab.exec('laptop', 'alice', 'find ~/.local/state/jnode -printf "%y %m %P\\n"')).stdout.trim().split('\n')
  for (const line of modes) expect(line).toMatch(/^(d 700|f 600|s [67]00|s 755) /)
  await jnode.ok('stop')
  await held.ended
  await nothingLeft(lab)
})

test.each([
  ['node', 'node1', /^127\.0\.0\.1:\d+$/],
  ['direct', 'node1', /^10\.10\.3\.11:\d+$/],
] as const)('--route %s: one port, where nobody gets a byte without the session’s key', async (route, node, where) => {
  const before = await tcpListeners(node)
  const session = await jnode.ok(`start byport --host head --node ${node} --route ${route}`)
  expect(session.route).toBe(route)
  expect(await answers(lab, session.url!)).toEqual(OPEN)
  const listening = (await tcpListeners(node)).filter((address) => !before.includes(address))
  expect(listening).toEqual([expect.stringMatching(where)])
  const token = tokenOf(session)
  for (const [host, user] of [[node, 'bob'], [node, 'alice'], ...(route === 'direct' ? [['head', 'bob']] as const : [])] as const) {
    const said = await lab.exec(host, user, ['node', '-e', KNOCK], {input: JSON.stringify({address: listening[0], token})})
    expect(said.stdout, `${user} on ${host}`).toBe('plain 0, tls 0, stranger 0\n')
  }
  const program = (await lab.exec('head', 'alice', 'cd ~/.jnode/sessions/byport && ls *.py')).stdout.trim()
  for (const path of ['identity.pem', 'legs', program]) {
    expect((await lab.exec(node, 'bob', ['cat', `/home/alice/.jnode/sessions/byport/${path}`])).stderr, path).toContain('Permission denied')
  }
  const key = (await lab.exec('head', 'alice', 'sed -n "/PRIVATE/,\\$p" ~/.jnode/sessions/byport/identity.pem | sed -n 2p')).stdout.trim()
  for (const host of ['head', node] as const) {
    expect(await filesWith(token, host, 'bob'), host).toEqual([])
    expect(await processesWith(key, host, 'root', 'cmdline'), host).toEqual([])
  }
  expect((await filesWith(key, 'head', 'root'))).toEqual(['600 alice /home/alice/.jnode/sessions/byport/identity.pem'])
  expect(await filesWith(key, 'laptop', 'root')).toEqual([])
  await jnode.ok('stop')
  expect(await tcpListeners(node)).toEqual(before)
  await nothingLeft(lab)
})

test.each(['socket', 'direct'])('--route %s: the user’s own Jupyter settings neither open the server nor break it', async (route) => {
  const settings = (app: string) => `c.${app}.token = ''\nc.${app}.password = ''\nc.${app}.ip = '0.0.0.0'\nc.${app}.port = 9999\nc.${app}.disable_check_xsrf = True\nc.${app}.allow_origin = '*'\nc.${app}.base_url = '/mine/'\nc.${app}.sock = '/tmp/alice-open.sock'\n`
  const json = (app: string) => JSON.stringify({[app]: {token: '', ip: '0.0.0.0', password: 'argon2:x', allow_remote_access: true}})
  onTestFinished(async () => void (await lab.exec('head', 'alice', 'rm -r ~/.jupyter')))
  await lab.exec('head', 'alice', 'mkdir -p ~/.jupyter')
  for (const [file, text] of [
    ['jupyter_notebook_config.py', settings('NotebookApp')], ['jupyter_server_config.py', settings('ServerApp')],
    ['jupyter_notebook_config.json', json('NotebookApp')], ['jupyter_server_config.json', json('ServerApp')],
  ] as const) await lab.exec('head', 'alice', `cat >~/.jupyter/${file}`, {input: text})
  const before = await tcpListeners('node2')

  for (const app of ['notebook', 'server']) {
    const session = await jnode.ok(`start hostile --host head --node node2 --app ${app} --route ${route}`)
    expect(await answers(lab, session.url!), app).toEqual(OPEN)
    const listening = (await tcpListeners('node2')).filter((address) => !before.includes(address))
    expect(listening, app).toEqual(route === 'socket' ? [] : [expect.stringMatching(/^10\.10\.3\.12:\d+$/)])
    await jnode.ok('stop')
  }
  await nothingLeft(lab)
})
