/** Another user of the laptop, bob, at the port of alice's session: while it is open, after `disconnect`, and while her browser opens. */
import {afterEach, expect, onTestFinished, test} from 'vitest'
import type {SessionView} from '../../src/flows/session-view.ts'
import {answers, jnodeIn, nothingLeft, OPEN, pageOf, statusOf, sweep} from '../cluster/jnode.ts'
import {until} from '../cluster/run.ts'
import {useLab} from '../cluster/use-lab.ts'

const lab = await useLab()
const jnode = jnodeIn(lab)

afterEach(async ({task}) => {
  if (task.result?.state === 'fail') await sweep(lab)
})

const node = async (user: string, program: string, input: string) => (await lab.exec('laptop', user, ['node', '-e', program], {input, cwd: '/'})).stdout.trim()

/** Asks with the token for what everybody may see, and for the page, and says nothing; prints the bytes that came. */
const KNOCK = `
const {hostname, port, pathname, search} = new URL(require('fs').readFileSync(0, 'utf8'))
const bytes = (text) => new Promise((resolve) => {
  let count = 0
  const socket = require('net').connect(port, hostname, () => socket.write(text))
  socket.on('data', (data) => (count += data.length)).on('error', () => {}).on('close', () => resolve(count))
  setTimeout(() => socket.destroy(), 2000)
})
const ask = (path) => 'GET ' + path + ' HTTP/1.1\\r\\nHost: ' + hostname + ':' + port + '\\r\\nAccept: text/html\\r\\nConnection: close\\r\\n\\r\\n'
Promise.all([ask('/api'), ask(pathname + search), ''].map(bytes)).then((all) => console.log(all.join(' ')))`
const bytesFor = (user: string, url: string) => node(user, KNOCK, url)
const curl = async (user: string, url: string) => (await lab.exec('laptop', user, ['curl', '-s', '-m', '5', '-o', '/dev/null', '-w', '%{http_code} %{size_download}', url], {cwd: '/'})).stdout

/** Tries to listen there until it can, for as long as it is fed; prints how that went. */
const TAKE = `
const {hostname, port} = new URL(process.argv[1])
let tries = 0
const listen = (host) => {
  const server = require('net').createServer().on('error', () => { tries++; setImmediate(listen, host) })
  server.listen({host, port, exclusive: true}, () => { console.log('took ' + host + ' after ' + tries); process.exit() })
}
for (const host of [hostname, '0.0.0.0', '::']) listen(host)
process.stdin.resume().on('end', () => { console.log(tries > 10 ? 'nothing' : 'hardly tried'); process.exit() })`

async function bobTriesToTake(url: string): Promise<() => Promise<string>> {
  const child = lab.spawn('laptop', 'bob', ['node', '-e', TAKE, new URL(url).origin], {cwd: '/'})
  let said = ''
  child.stdout!.on('data', (data: Buffer) => (said += String(data)))
  const ended = new Promise((resolve) => child.once('close', resolve))
  onTestFinished(() => void child.kill('SIGKILL'))
  return async () => {
    child.stdin!.end()
    await ended
    return said.trim()
  }
}

const guards = async () => (await lab.processes('laptop', 'alice')).filter(({args}) => args.includes('guard.js'))

test('bob gets not one byte from alice’s port, and cannot take it, while her session is open and after disconnect; she can come back', async () => {
  const {url} = await jnode.ok<SessionView>('start guarded --host head')
  expect(await answers(lab, url!)).toEqual(OPEN)
  expect(await bytesFor('alice', url!)).toMatch(/^[1-9]\d* [1-9]\d* 0$/)
  expect(await bytesFor('bob', url!)).toBe('0 0 0')
  expect([await curl('bob', url!), await curl('root', url!)]).toEqual(['000 0', '000 0'])

  const bobTook = await bobTriesToTake(url!)
  await jnode.ok('disconnect guarded')
  expect(await guards()).toHaveLength(1)
  expect(await bobTook()).toBe('nothing')
  expect(await bytesFor('bob', url!)).toBe('0 0 0')
  expect(await statusOf(lab, url!)).toBe(503)
  const page = (await lab.exec('laptop', 'alice', ['curl', '-s', '-H', 'Accept: text/html', pageOf(url!, 'lab')])).stdout
  expect(page).toContain('Run <code>jnode connect guarded</code>')
  expect(page).not.toContain(new URL(url!).searchParams.get('token'))
  expect((await jnode.ok<{sessions: SessionView[]}>('list')).sessions).toMatchObject([{name: 'guarded', tunnel: 'closed'}])
  expect(await jnode.ok('disconnect --all')).toEqual({disconnected: []})

  expect((await jnode.ok('connect guarded')).url).toBe(url)
  expect(await answers(lab, url!)).toEqual(OPEN)
  expect(await guards()).toEqual([])
  await jnode.ok('disconnect guarded')
  await jnode.ok('stop guarded')
  await nothingLeft(lab)
})

test('Ctrl-C leaves the port guarded; a guard that is told to end lets go', async () => {
  const held = jnode.spawn('start held --host head')
  await held.says('Ctrl-C closes the tunnel')
  const {url} = (await jnode.ok<{sessions: SessionView[]}>('list')).sessions[0]!
  held.signal('SIGINT')
  expect((await held.ended).exitCode).toBe(130)
  expect(await statusOf(lab, url!)).toBe(503)
  expect(await bytesFor('bob', url!)).toBe('0 0 0')
  const [guard] = await guards()
  await lab.exec('laptop', 'alice', ['kill', String(guard!.pid)])
  await until('the port is free', async () => (await statusOf(lab, url!)) === 'ECONNREFUSED')
  expect(await guards()).toEqual([])
  await jnode.ok('stop held')
  await nothingLeft(lab)
})

test('the page that opens alice’s browser sends nobody but her on, though bob reads where it is', async () => {
  await lab.exec('laptop', 'alice', `cat >~/browser <<'END'
#!/bin/sh
printf %s "$1" >/tmp/asked; chmod 644 /tmp/asked
until [ -e /tmp/go ]; do sleep 0.1; done
curl -s -o /dev/null -w '%{redirect_url}' "$1" >/tmp/opened
END
chmod 755 ~/browser`)
  onTestFinished(async () => void (await lab.exec('laptop', 'root', 'rm -f /tmp/asked /tmp/go /tmp/opened /home/alice/browser', {cwd: '/'})))
  const held = jnode.spawn('start opened --host head --browser ~/browser', {env: {JNODE_NO_BROWSER: ''}})
  const read = async (file: string) => (await lab.exec('laptop', 'bob', `cat ${file} 2>/dev/null`, {cwd: '/'})).stdout
  await until('the browser is started', async () => (await read('/tmp/asked')) !== '')
  const address = await read('/tmp/asked')
  expect(address).not.toContain('token')
  expect(await curl('bob', address)).not.toMatch(/^302/)
  await lab.exec('laptop', 'alice', 'touch /tmp/go')
  await until('the browser was sent on', async () => (await read('/tmp/opened')) !== '')
  expect(await read('/tmp/opened')).toMatch(/^http:\/\/127\.[\d.]+:\d+\/\w+\?token=[0-9a-f]{48}$/)
  await jnode.ok('stop opened')
  await held.ended
  await lab.exec('laptop', 'root', 'rm -f /tmp/asked /tmp/go /tmp/opened', {cwd: '/'})
  await nothingLeft(lab)
})
