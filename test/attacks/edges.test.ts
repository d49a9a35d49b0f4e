/** Smaller places to attack: the page of a session that waits, the directory for sockets, an existing server's own words, and homes that are none. */
import {afterEach, expect, onTestFinished, test} from 'vitest'
import {jnodeIn, nothingLeft, sweep} from '../cluster/jnode.ts'
import {until} from '../cluster/run.ts'
import {useLab} from '../cluster/use-lab.ts'

const lab = await useLab()
const jnode = jnodeIn(lab)

afterEach(async ({task}) => {
  if (task.result?.state === 'fail') await sweep(lab)
})

const curl = async (url: string, ...headers: string[]) => {
  const {stdout} = await lab.exec('laptop', 'alice', ['curl', '-s', '-m', '5', '-i', ...headers.flatMap((header) => ['-H', header]), url], {cwd: '/'})
  return {status: Number(/^HTTP\/1\.1 (\d+)/.exec(stdout)?.[1]), text: stdout}
}

test('the page of a session that waits answers its own name only, and no page of another site', async () => {
  const waiting = jnode.spawn('start waits --host head --sge-arg -h')
  const place = await until('a local port', async () => (await lab.listeners('laptop')).find(({address}) => /^127\.\d/.test(address))?.address)
  const page = await curl(`http://${place}/lab`, 'Accept: text/html')
  expect(page.status).toBe(503)
  expect(page.text).toMatch(/^content-security-policy: .*frame-ancestors 'none'/im)
  expect(page.text).toMatch(/^x-frame-options: deny/im)
  for (const host of ['evil.example', `evil.example:${place.split(':')[1]}`, '127.0.0.9']) {
    const answer = await curl(`http://${place}/lab`, `Host: ${host}`, 'Accept: text/html')
    expect(answer.status, host).toBe(421)
    expect(answer.text, host).not.toContain('waits')
  }
  const websocket = ['Connection: Upgrade', 'Upgrade: websocket', 'Sec-WebSocket-Version: 13', 'Sec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==']
  expect((await curl(`http://${place}/api/kernels/x/channels`, ...websocket, 'Origin: http://evil.example')).status).toBe(403)
  waiting.signal('SIGINT')
  await waiting.ended
  await nothingLeft(lab)
})

test('a directory for sockets that another user has taken is not used', async () => {
  const uid = (await lab.exec('laptop', 'alice', ['id', '-u'])).stdout.trim()
  await lab.exec('laptop', 'bob', `mkdir -m 777 /tmp/jnode-${uid}`, {cwd: '/'})
  // Too deep for a socket of its own.
  const env = {XDG_STATE_HOME: `/home/alice/${'deep/'.repeat(20)}state`}
  onTestFinished(async () => void (await lab.exec('laptop', 'root', `rm -rf /tmp/jnode-${uid}* /home/alice/deep`, {cwd: '/'})))
  await jnode.ok('start taken --host head', {env})
  expect(await jnode.ok('status taken', {env})).toMatchObject({tunnel: 'connected'})
  expect((await lab.exec('laptop', 'root', ['ls', '-A', `/tmp/jnode-${uid}`])).stdout).toBe('')
  await jnode.ok('stop taken', {env})
  await lab.exec('laptop', 'root', `rm -rf /tmp/jnode-${uid}*`, {cwd: '/'})
  await nothingLeft(lab)
})

test('an existing server whose base URL leads elsewhere is no server for jnode', async () => {
  const script = `#!/bin/bash
export JUPYTER_RUNTIME_DIR=$TMPDIR/own
jupyter-server --no-browser --ip 127.0.0.1 --port 9502 >/dev/null 2>&1 &
until file=$(ls $TMPDIR/own/jpserver-*.json 2>/dev/null); do sleep 0.2; done
sed -i 's|"base_url": "/"|"base_url": "//evil.example/"|' $file
echo changed >&2
wait`
  const {stdout} = await lab.exec('head', 'alice', 'cat >~/evil.sh && qsub -terse -l h=node2 -o /dev/null -e ~/evil.log ~/evil.sh', {input: script})
  const jobId = stdout.trim()
  await until('its file is changed', async () => (await lab.exec('head', 'alice', 'cat ~/evil.log')).stdout.includes('changed'), 60_000)
  const {exitCode, message} = await jnode.fails(`connect ${jobId} --host head --wait 20s`)
  expect(exitCode).not.toBe(0)
  expect(message).not.toContain('evil')
  await lab.exec('head', 'alice', `qdel ${jobId}; rm -f ~/evil.sh ~/evil.log`)
  await until('the job is gone', async () => (await lab.exec('head', 'alice', `qstat -j ${jobId}`)).exitCode !== 0)
  await lab.exec('laptop', 'alice', 'rm -rf ~/.local/state/jnode/known_nodes')
  await nothingLeft(lab)
})

test.each(['', 'here'])('a home directory called "%s" is refused in one sentence, here and on the head', async (home) => {
  const here = await jnode.run('list', {env: {HOME: home}})
  expect(here.exitCode).toBe(2)
  expect(here.stderr).toMatch(/^Error: HOME must be an absolute path, not ".*"\n/)
  await lab.exec('head', 'alice', `cp ~/.bashrc ~/.bashrc.before 2>/dev/null; sed -i '1i export HOME=${home}' ~/.bashrc || echo 'export HOME=${home}' >~/.bashrc`)
  onTestFinished(async () => void (await lab.exec('head', 'alice', 'if [ -e ~/.bashrc.before ]; then mv ~/.bashrc.before ~/.bashrc; else rm -f ~/.bashrc; fi')))
  const {exitCode, message} = await jnode.fails('start homeless --host head')
  expect(exitCode).not.toBe(0)
  expect(message).toMatch(/HOME|home directory/)
  expect((await lab.exec('head', 'alice', 'ls -d here .jnode 2>/dev/null')).stdout.includes('here')).toBe(false)
})
