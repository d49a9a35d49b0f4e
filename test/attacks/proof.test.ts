/** Another user of the compute node takes the place of a server under an open tunnel, while a browser goes on asking with its cookie. */
import {afterEach, expect, onTestFinished, test} from 'vitest'
import type {SessionView} from '../../src/flows/session-view.ts'
import {jnodeIn, nothingLeft, statusOf, sweep} from '../cluster/jnode.ts'
import {until} from '../cluster/run.ts'
import {siteIn} from '../cluster/site.ts'
import {useLab} from '../cluster/use-lab.ts'

const lab = await useLab()
const jnode = jnodeIn(lab)
const site = siteIn(lab)

afterEach(async ({task}) => {
  await jnode.run('disconnect --all')
  await site.asBefore()
  if (task.result?.state === 'fail') await sweep(lab)
  await lab.exec('laptop', 'alice', 'rm -rf ~/.local/state/jnode/{routes,known_nodes,sessions}')
})

/** Takes the place as soon as it can, tells `listening` and `accepted` in lines, and whatever it is sent. */
const TAKER = `import os, socket, sys, threading, time
kind, place = sys.argv[1:]
os.umask(0)
sock = socket.socket(socket.AF_UNIX if kind == "socket" else socket.AF_INET)
sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
while True:
    try:
        if kind == "socket":
            os.makedirs(os.path.dirname(place), exist_ok=True)
        sock.bind(place if kind == "socket" else ("127.0.0.1", int(place)))
        sock.listen(100)
        break
    except OSError:
        time.sleep(0.001)
print("listening", flush=True)
def serve(peer):
    print("accepted", flush=True)
    while True:
        data = peer.recv(65536)
        if not data:
            break
        print("sent", repr(data), flush=True)
        peer.sendall(b"HTTP/1.1 200 OK\\r\\nContent-Length: 18\\r\\n\\r\\n{\\"version\\":\\"6.4.0\\"}"[:-1])
while True:
    peer, _ = sock.accept()
    threading.Thread(target=serve, args=(peer,), daemon=True).start()
`

interface Taker {
  heard(): string
  listens(): Promise<unknown>
  end(): void
}

function bobTakes(kind: 'port' | 'socket', place: string): Taker {
  let heard = ''
  const child = lab.spawn('node2', 'bob', ['python3', '-c', TAKER, kind, place], {cwd: '/'})
  child.stdout!.on('data', (data: Buffer) => (heard += data.toString()))
  onTestFinished(() => void child.kill('SIGKILL'))
  return {heard: () => heard, listens: () => until('bob listens', () => heard.includes('listening')), end: () => void child.kill('SIGKILL')}
}

interface Tab {
  statuses(): string[]
  close(): void
}

const HAND_TOKEN = 'token-of-a-server-by-hand'
const askedOf = (session: SessionView, token = HAND_TOKEN) => `${new URL(session.url!).origin}/api/status?token=${token}`
const tokenOf = (session: SessionView) => new URL(session.url!).searchParams.get('token')!

/** A tab that never rests: the statuses that it got, each for a connection of its own, with the cookie and the token of the session. */
function browser(url: string): Tab {
  const program = `const {request} = require('http')
const url = new URL(require('fs').readFileSync(0, 'utf8'))
function ask() {
  const sent = request(url, {agent: false, headers: {cookie: 'username-127-0-0-1=COOKIE', authorization: 'token ' + url.searchParams.get('token')}}, (r) => (console.log(r.statusCode), r.resume(), r.on('end', next), r.on('error', next)))
  sent.setTimeout(30000, () => sent.destroy()).on('error', (e) => (console.log(e.code), next())).end()
}
const next = () => setTimeout(ask, 20)
ask(), ask(), ask()`
  const child = lab.spawn('laptop', 'alice', ['node', '-e', program])
  let text = ''
  child.stdout!.on('data', (data: Buffer) => (text += data.toString()))
  child.stdin!.end(url)
  onTestFinished(() => void child.kill())
  return {statuses: () => text.split('\n').slice(0, -1), close: () => void child.kill()}
}

async function byHand(line: string): Promise<string> {
  const {stdout} = await lab.exec('head', 'alice', 'cat >~/hand.sh && qsub -terse -l h=node2 -o ~/hand.log -j y ~/hand.sh', {input: `#!/bin/bash\n${line}\n`})
  const jobId = stdout.trim()
  onTestFinished(async () => {
    await lab.exec('head', 'alice', `qdel ${jobId}; rm -f ~/hand.sh ~/hand.log ~/again`)
    await until('the job is gone', async () => (await lab.jobs('alice')).length === 0)
  })
  await until('the server says where it is', async () => /running at|is running/.test((await lab.exec('head', 'alice', 'cat ~/hand.log')).stdout))
  return jobId
}

const kill = (what: string) => lab.exec('node2', 'root', `pkill -KILL -u alice -f '${what}'`, {cwd: '/'})

/** The user is told, the tab has the page, and bob was sent nothing that is worth anything. */
async function expectNothingTaken(taker: Taker, tab: Tab, session: SessionView, why: RegExp): Promise<void> {
  const view = await until('the user is told', async () => {
    const now = await jnode.ok(`status ${session.name}`)
    return now.tunnel !== 'connected' && now.reason !== null && now
  }, 60_000)
  expect(view).toMatchObject({tunnel: 'reconnecting', reason: expect.stringMatching(why) as string})
  await until('the tab has the page', () => tab.statuses().at(-1) === '503')
  // Some more of its requests, and some tries to come back.
  const seen = tab.statuses().length
  await until('more requests', () => tab.statuses().length > seen + 50)
  expect(await jnode.ok(`status ${session.name}`)).toMatchObject({tunnel: 'reconnecting'})
  tab.close()
  for (const secret of [session.url!.includes('token=') ? tokenOf(session) : HAND_TOKEN, HAND_TOKEN, 'COOKIE', '/api/status']) expect(taker.heard()).not.toContain(secret)
}

const comesBack = (session: SessionView) => until('it is connected again', async () => (await jnode.ok(`status ${session.name}`)).tunnel === 'connected', 90_000)

// By the head's own ssh each connection costs a login of its own, and the test a minute.
const ROUTES = [['node', {}], ...(process.env['JNODE_LONG'] ? [['head', {internalKey: ['nodes'], onlyInternal: true}] as const] : [])] as const

test.each(ROUTES)('the port of a server by hand, by route %s: whoever takes it is sent nothing', async (route, is) => {
  await site.set(is)
  const jobId = await byHand(`(jupyter-notebook --no-browser --ip 127.0.0.1 --port 9124 --NotebookApp.token=${HAND_TOKEN} &)\nexec sleep 600`)
  const session = await jnode.ok(`connect ${jobId} --host head`)
  expect(session.route).toBe(route)
  const tab = browser(askedOf(session))
  await until('the tab is served', () => tab.statuses().includes('200'))
  const bob = bobTakes('port', '9124')
  await kill('port 9124')
  await bob.listens()
  await expectNothingTaken(bob, tab, session, /^Port 9124 of node2\S* belongs to another user$/)
  // Not a byte, whoever asks for what.
  expect(bob.heard()).not.toContain('sent')
})

test('the path of a server by hand in /tmp: whoever takes it is sent nothing, and the owner’s next server is served', async () => {
  const start = `jupyter-server --no-browser --ServerApp.sock=/tmp/hand.sock --ServerApp.token=${HAND_TOKEN}`
  // Beside it one whose socket others could replace.
  const risky = 'mkdir /tmp/open; chmod 0777 /tmp/open; (jupyter-server --no-browser --ServerApp.sock=/tmp/open/risky.sock >/dev/null 2>&1 &)'
  onTestFinished(async () => void (await lab.exec('node2', 'root', 'rm -rf /tmp/open /tmp/hand.sock', {cwd: '/'})))
  const jobId = await byHand(`${risky}\n(${start} &)\nuntil [ -e ~/again ]; do sleep 0.2; done\nexec ${start}`)
  await until('both listen', async () => (await lab.listeners('node2')).filter(({address}) => /(hand|risky)\.sock$/.test(address)).length === 2)
  expect(await jnode.fails(`connect ${jobId}:risky-sock --host head`)).toMatchObject({
    exitCode: 9, code: 'no-route', message: expect.stringMatching(/^Others on node2\S* could replace socket \/tmp\/open\/risky\.sock: they can write to \/tmp\/open$/) as string, hint: 'Start that Jupyter with its socket in a directory that only you can write to.',
  })
  const session = await jnode.ok(`connect ${jobId}:hand-sock --host head`)
  expect(session.route).toBe('socket')
  const tab = browser(askedOf(session))
  await until('the tab is served', () => tab.statuses().includes('200'))
  const bob = bobTakes('socket', '/tmp/hand.sock')
  await kill('sock=/tmp/hand.sock')
  await lab.exec('node2', 'alice', 'rm -f /tmp/hand.sock')
  await bob.listens()
  await expectNothingTaken(bob, tab, session, /^Socket \/tmp\/hand\.sock of node2\S* belongs to another user$/)
  expect(bob.heard()).not.toContain('sent')
  bob.end()
  await lab.exec('node2', 'root', 'rm -f /tmp/hand.sock', {cwd: '/'})
  await lab.exec('head', 'alice', 'touch ~/again')
  await comesBack(session)
  expect(await statusOf(lab, askedOf(session))).toBe(200)
})

/** Servers of two sessions: one too old for sockets, and one on a socket whose directory a cleaner of /tmp removes. */
test('the places of sessions’ own servers: whoever takes them is sent no token and no cookie, and a route to a port is not remembered for others', async () => {
  await lab.exec('head', 'alice', 'mkdir -p ~/old && cat >~/old/jupyter-notebook && chmod 755 ~/old/jupyter-notebook', {input: '#!/bin/sh\nexec /usr/bin/jupyter-notebook --NotebookApp.sock= "$@"\n'})
  onTestFinished(async () => void (await lab.exec('head', 'alice', 'rm -r ~/old')))
  const aged = await jnode.ok(`start aged --host head --node node2 --app notebook --setup 'PATH=$HOME/old:$PATH'`)
  const young = await jnode.ok('start young --host head --node node2')
  expect([aged.route, young.route]).toEqual(['node', 'socket'])
  const tabs = [aged, young].map((session) => browser(askedOf(session, tokenOf(session))))
  await until('the tabs are served', () => tabs.every((tab) => tab.statuses().includes('200')))
  const listeners = await lab.listeners('node2')
  const port = /:(\d+)$/.exec(listeners.find(({address, users}) => address.startsWith('127.0.0.1:88') && users.includes('jupyter'))!.address)![1]!
  const sock = listeners.find(({address}) => address.endsWith('/jnode/sock'))!.address
  const directory = sock.replace('/jnode/sock', '')

  // The job goes on, so that nothing but its port tells that the server is gone; the other one lives on, and so does the stream that would tell of its end.
  const [byPort, bySocket] = [bobTakes('port', port), bobTakes('socket', sock)]
  await lab.exec('node2', 'root', `pkill -STOP -u alice -f job_scripts; kill -KILL $(ss -Hltnp 'sport = :${port}' | sed 's/.*pid=//; s/,.*//'); rm -rf '${directory}'`, {cwd: '/'})
  await byPort.listens()
  await bySocket.listens()
  await expectNothingTaken(byPort, tabs[0]!, aged, new RegExp(`^Port ${port} of node2\\S* belongs to another user$`))
  expect(byPort.heard()).not.toContain('sent')
  await expectNothingTaken(bySocket, tabs[1]!, young, /^Something that is not this session’s Jupyter answers in its place on node2/)

  byPort.end()
  bySocket.end()
  await lab.exec('node2', 'root', `rm -rf '${directory}'; pkill -CONT -u alice -f job_scripts`, {cwd: '/'})
  await jnode.ok('stop --all')
  await nothingLeft(lab)
})
