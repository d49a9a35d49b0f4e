/** A cluster, and what the user's own account there can be made to print, against the time and the memory of the laptop. */
import {afterEach, expect, onTestFinished, test} from 'vitest'
import type {SessionView} from '../../src/flows/session-view.ts'
import {jnodeIn, nothingLeft, sweep} from '../cluster/jnode.ts'
import {until} from '../cluster/run.ts'
import {useLab} from '../cluster/use-lab.ts'

const lab = await useLab()
const jnode = jnodeIn(lab)

afterEach(async ({task}) => {
  if (task.result?.state === 'fail') await sweep(lab)
})

/** Programs of alice's on the head that come before Grid Engine's own, until the test is over. */
async function plant(name: string, script: string): Promise<void> {
  onTestFinished(async () => void (await lab.exec('head', 'alice', 'rm -rf ~/evil; mv ~/bashrc.before ~/.bashrc')))
  await lab.exec('head', 'alice', `mkdir ~/evil && cp ~/.bashrc ~/bashrc.before && { echo 'PATH=$HOME/evil:$PATH; export PATH'; cat ~/bashrc.before; } >~/.bashrc && cat >~/evil/${name} && chmod +x ~/evil/${name}`, {input: `#!/bin/sh\n${script}\n`})
}

test('neither 400 bytes before the XML of qstat nor a line of 48 MB in the log stop a session or its keeper', async () => {
  await jnode.ok('start a --host head --node node1')
  await plant('qstat', `PATH=\${PATH#*evil:}\ncase $* in *-xml*) printf '<!---->%.0s' 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31 32 33 34 35 36 37 38 39 40 41 42 43 44 45 46 47 48 49 50 51 52 53 54 55 56 57; printf '!';; esac\nexec qstat "$@"`)
  const list = () => jnode.ok<{sessions: SessionView[]}>('list')
  expect((await list()).sessions).toMatchObject([{name: 'a', tunnel: 'connected'}])

  const follower = jnode.spawn('logs a -f')
  await until('the log is followed', async () => (await lab.processes('head', 'alice')).some(({command}) => command === 'tail'))
  await lab.exec('head', 'alice', "{ head -c 48000000 /dev/zero | tr '\\0' x; echo; } >>~/.jnode/sessions/a/log")
  await until('some of the line is there', () => follower.stdout().length > 1_000_000, 100_000)
  expect(await jnode.ok('status a')).toMatchObject({name: 'a', tunnel: 'connected'})
  await until('all of the line is there', () => follower.stdout().length > 48_000_000, 100_000)
  follower.signal('SIGINT')
  await follower.ended
  const keeper = (await lab.processes('laptop', 'alice')).find(({command, args}) => command.includes('node') && args.includes('keeper.js'))!
  const {stdout} = await lab.exec('laptop', 'alice', `sed -n 's/^VmHWM:[^0-9]*\\([0-9]*\\) kB/\\1/p' /proc/${keeper.pid}/status`)
  expect(Number(stdout)).toBeGreaterThan(0)
  expect(Number(stdout), 'kB of memory that the keeper ever had').toBeLessThan(400_000)
  await jnode.ok('stop a')
  await nothingLeft(lab)
})

test('a server in the place of ours that sends without end is given up before it is proved', async () => {
  const python = `import os, re, socket, time
path = None
while not path:
    time.sleep(0.1)
    found = re.findall(r"^endpoint socket (.+)$", open(os.path.expanduser("~/.jnode/sessions/b/record")).read(), re.M)
    path = found[-1] if found else None
server = socket.socket(socket.AF_UNIX)
server.bind(path)
server.listen(50)
while True:
    stream = server.accept()[0]
    try:
        stream.sendall(b"HTTP/1.1 200 OK\\r\\n\\r\\n")
        while True:
            stream.sendall(b"x" * 65536)
    except OSError:
        stream.close()
`
  onTestFinished(async () => void (await lab.exec('head', 'alice', 'rm -rf ~/evil')))
  await lab.exec('head', 'alice', 'mkdir ~/evil && cat >~/evil/jupyter-lab && chmod +x ~/evil/jupyter-lab', {input: `#!/usr/bin/env python3\n${python}`})
  expect(await jnode.fails(`start b --host head --node node1 --app lab --setup 'PATH=$HOME/evil:$PATH'`)).toMatchObject({exitCode: 9, code: 'no-route', message: expect.stringContaining('more than 64 kB') as string})
  await nothingLeft(lab)
})
