/** What another user of the compute node sees of a session in which a notebook, a terminal and a plot are at work: nothing of its content. */
import {afterEach, expect, test} from 'vitest'
import type {SessionView} from '../../src/flows/session-view.ts'
import {jnodeIn, nothingLeft, pageOf, sweep} from '../cluster/jnode.ts'
import {openKernel} from '../cluster/kernel.ts'
import {useLab} from '../cluster/use-lab.ts'

const lab = await useLab()
const jnode = jnodeIn(lab)

afterEach(async ({task}) => {
  if (task.result?.state === 'fail') await sweep(lab)
})

const CODE_SECRET = 'cell-7f3a9c51'
const OUTPUT_SECRET = 'b1e5d20c-output'

/** Code that prints for as long as the test looks, draws a plot now and then, and never names in its text what it prints. */
const WORK = `import base64, threading, time
from IPython.display import display, Image
PNG = base64.b64decode("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==")
mark = "${CODE_SECRET}"
def work():
    for i in range(600):
        print("-".join(["b1e5d20c", "output"]), i, flush=True)
        display(Image(data=PNG))
        time.sleep(0.1)
worker = threading.Thread(target=work, daemon=True)
worker.start()
print("at work")`

/** Subscribes to everything on every TCP port of the loopback; prints what came in five seconds. */
const SUBSCRIBE = `import subprocess, time, zmq
ports = {line.split()[3].rsplit(":", 1)[1] for line in subprocess.run(["ss", "-Hltn"], capture_output=True, text=True).stdout.splitlines()}
context = zmq.Context()
poller = zmq.Poller()
for port in ports:
    for kind in (zmq.SUB, zmq.DEALER):
        socket = context.socket(kind)
        socket.linger = 0
        if kind == zmq.SUB:
            socket.setsockopt(zmq.SUBSCRIBE, b"")
        socket.connect("tcp://127.0.0.1:" + port)
        poller.register(socket, zmq.POLLIN)
end = time.time() + 5
while time.time() < end:
    for socket, _ in poller.poll(500):
        print(b" ".join(socket.recv_multipart()))
print("ports", len(ports))
context.destroy(linger=0)`

/** Tries each Unix socket that the kernel lists, abstract ones too; prints those of alice's that let it in. */
const KNOCK = `import socket, sys
uids = sys.argv[1]
for line in open("/proc/net/unix").readlines()[1:]:
    fields = line.split(None, 7)
    if len(fields) < 8 or fields[3] != "00010000":
        continue
    path = fields[7].strip()
    knock = socket.socket(socket.AF_UNIX)
    try:
        knock.connect("\\0" + path[1:] if path.startswith("@") else path)
        uid = int.from_bytes(knock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)[4:8], "little")
        if str(uid) == uids:
            print(path)
    except OSError:
        pass
print("knocked")`

const ownTcp = async (uid: string) => {
  const {stdout} = await lab.exec('node1', 'bob', ['ss', '-Hltne'])
  return stdout.split('\n').filter((line) => line.includes(`uid:${uid} `)).map((line) => line.trim().split(/\s+/)[3]!)
}

test('another user of the node sees no cell, output, plot, terminal or file of a session at work', async () => {
  const uid = (await lab.exec('node1', 'alice', ['id', '-u'])).stdout.trim()
  const session = await jnode.ok<SessionView>('start atwork --host head --node node1')
  expect(session.kernelTransport).toBe('ipc')
  const kernel = await openKernel(lab, session.url!)
  expect(await kernel.run(WORK)).toContain('at work')
  const token = new URL(session.url!).searchParams.get('token')!
  const terminal = `fetch(process.argv[1], {method: 'POST', headers: {Authorization: 'token ' + require('fs').readFileSync(0, 'utf8')}}).then((r) => console.log(r.status))`
  expect((await lab.exec('laptop', 'alice', ['node', '-e', terminal, pageOf(session.url!, 'api/terminals', false)], {input: token})).stdout).toBe('200\n')

  // The owner hears the kernel on its socket, so the same look would show what can be heard.
  const runtime = (await lab.exec('node1', 'alice', `sed -n 's/^endpoint socket \\(.*\\)\\/sock$/\\1\\/runtime/p' ~/.jnode/sessions/atwork/record`)).stdout.trim()
  const iopub = `import glob, json, zmq
info = json.load(open(glob.glob("${runtime}/kernel-*.json")[0]))
socket = zmq.Context().socket(zmq.SUB)
socket.setsockopt(zmq.SUBSCRIBE, b"")
socket.connect("ipc://%s-%d" % (info["ip"], info["iopub_port"]))
print(b" ".join(socket.recv_multipart() + socket.recv_multipart() + socket.recv_multipart()))`
  expect((await lab.exec('node1', 'alice', ['/usr/bin/python3', '-c', iopub])).stdout).toContain(OUTPUT_SECRET)

  // A Python kernel keeps one port, for what its forked children print; it takes words and gives none.
  expect(await ownTcp(uid)).toEqual([expect.stringMatching(/^127\.0\.0\.1:\d+$/)])
  const heard = await lab.exec('node1', 'bob', ['/usr/bin/python3', '-c', SUBSCRIBE])
  expect(heard.stdout).toMatch(/^ports \d+\n$/)
  expect((await lab.exec('node1', 'bob', ['/usr/bin/python3', '-c', KNOCK, uid])).stdout).toBe('knocked\n')

  for (const secret of [CODE_SECRET, OUTPUT_SECRET, token]) {
    const look = `read -r text; cd /
{ printf %s "$text" | grep -rslF -f - /home /tmp /var/tmp /var/log /var/spool/gridengine /dev/shm /run
  printf %s "$text" | grep -slaF -f - /proc/[0-9]*/cmdline /proc/[0-9]*/environ; } 2>/dev/null; true`
    expect((await lab.exec('node1', 'bob', look, {input: secret, cwd: '/'})).stdout, secret).toBe('')
  }
  // Terminals: their device is the owner's alone to read.
  expect((await lab.exec('node1', 'bob', `for tty in /dev/pts/[0-9]*; do [ "$(stat -c %u $tty)" = ${uid} ] && [ -r $tty ] && echo $tty; done; true`)).stdout).toBe('')
  expect((await lab.exec('node1', 'bob', ['ls', runtime])).stderr).toContain('Permission denied')

  kernel.close()
  await jnode.ok('stop')
  await nothingLeft(lab)
})

test('with kernel_transport = "tcp" status says who can read what kernels print', async () => {
  await lab.exec('laptop', 'alice', `mkdir -p ~/.config/jnode; printf '[clusters.ports]\\nhost = "head"\\nkernel_transport = "tcp"\\n' >~/.config/jnode/config.toml`)
  try {
    const session = await jnode.ok<SessionView>('start onports --cluster ports --node node1')
    expect(session.kernelTransport).toBe('tcp')
    const {stdout} = await jnode.run('status onports')
    expect(stdout).toContain('other users of the node can read their output')
    await jnode.ok('stop')
    await nothingLeft(lab)
  } finally {
    await lab.exec('laptop', 'alice', 'rm -r ~/.config/jnode')
  }
})
