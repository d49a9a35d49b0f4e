/** Logging in with the system's ssh, for what ssh2 cannot do. */
import {afterEach, expect, onTestFinished, test} from 'vitest'
import {answers, countLogins, jnodeIn, nothingLeft, OPEN, sweep} from './jnode.ts'
import {until} from './run.ts'
import {useLab} from './use-lab.ts'

const lab = await useLab()
const jnode = jnodeIn(lab)
const NONE = {gateway: 0, head: 0, node1: 0, node2: 0}

afterEach(async ({task}) => {
  if (task.result?.state === 'fail') await sweep(lab)
})

const onLaptop = (line: string, input?: string) => lab.exec('laptop', 'alice', `set -e; ${line}`, input === undefined ? {} : {input})

/** Puts alice's ~/.ssh on the laptop back after the test. */
async function keepSsh(): Promise<void> {
  await onLaptop('cp -a ~/.ssh ~/ssh.before')
  onTestFinished(async () => void (await onLaptop('rm -rf ~/.ssh; mv ~/ssh.before ~/.ssh')))
}

test('a session over it: one login per hop, lent, made again after a loss; a keeper that is killed leaves no ssh', async () => {
  const logins = await countLogins(lab)
  const session = await jnode.ok('start prog --host head --node node1 --transport openssh')
  expect(await answers(lab, session.url!)).toEqual(OPEN)
  expect(await logins()).toEqual({...NONE, gateway: 1, head: 1, node1: 1})
  expect(await jnode.ok('status')).toMatchObject({state: 'ready', tunnel: 'connected', route: 'socket'})
  expect(await logins()).toEqual({...NONE, gateway: 1, head: 1, node1: 1})
  const commandLines = (await lab.processes('laptop', 'alice')).map(({command}) => command)
  expect(commandLines).toContain('ssh')
  expect((await jnode.run('ssh prog --transport openssh -- hostname')).stdout).toBe('node1.local\n')
  expect(await logins(), 'ssh itself logs in to the node').toEqual({...NONE, gateway: 1, head: 1, node1: 2})

  await lab.endSessions('head')
  await until('it is connected again', async () => (await answers(lab, session.url!)).withToken === 200 && (await logins()).node1 === 3)
  await lab.exec('laptop', 'alice', ['kill', '-KILL', String(session.keeperPid)])
  await until('no process of alice on the laptop', async () => (await lab.processes('laptop', 'alice')).length === 0)
  expect(await lab.files('laptop', '/tmp')).toEqual([])
  expect(await jnode.ok('stop prog --transport openssh')).toMatchObject({stopped: [{name: 'prog', was: 'running'}]})
  await nothingLeft(lab)
})

test('what ssh asks is asked by us, once per hop', async () => {
  await keepSsh()
  onTestFinished(async () => void (await onLaptop('rm -f ~/answer ~/asked')))
  await onLaptop('ssh-keygen -q -p -N "open sesame" -f ~/.ssh/id_ed25519; cat >~/answer; chmod 700 ~/answer', '#!/bin/sh\nprintf "%s\\n" "$1" >>~/asked\necho open sesame\n')
  await jnode.ok('list --host head --transport openssh', {env: {SSH_ASKPASS: '/home/alice/answer', SSH_ASKPASS_REQUIRE: 'force'}})
  const asked = "Enter passphrase for key '/home/alice/.ssh/id_ed25519': "
  expect((await onLaptop('cat ~/asked')).stdout).toBe(`${asked}\n${asked}\n`)
})

test('a user certificate opens the way by itself, where the key alone does not', async () => {
  await keepSsh()
  for (const host of ['gateway', 'head'] as const) {
    onTestFinished(await lab.sshd(host, {port: 2200, settings: 'TrustedUserCAKeys /home/alice/ca.pub\nAuthorizedKeysFile none\n'}))
    onTestFinished(async () => void (await lab.exec(host, 'alice', 'rm -f ~/ca.pub')))
  }
  await onLaptop('ssh-keygen -q -t ed25519 -N "" -f ~/.ssh/ca')
  const ca = (await onLaptop('cat ~/.ssh/ca.pub')).stdout
  for (const host of ['gateway', 'head'] as const) await lab.exec(host, 'alice', 'cat >~/ca.pub', {input: ca})
  const there = '--host head:2200 --jump gateway:2200'
  expect(await jnode.fails(`list ${there}`)).toMatchObject({exitCode: 3, code: 'login-failed'})
  await onLaptop('ssh-keygen -q -s ~/.ssh/ca -I alice -n alice -V +1h ~/.ssh/id_ed25519.pub')
  expect(await jnode.fails(`list ${there} --transport ssh2`)).toMatchObject({exitCode: 3, code: 'login-failed'})
  const session = await jnode.ok(`start cert ${there} --node node1`)
  expect(await answers(lab, session.url!)).toEqual(OPEN)
  await jnode.ok('stop cert')
  await nothingLeft(lab)
})

test('a connection that the user’s own ssh has open is used, and stays theirs', async () => {
  await keepSsh()
  await onLaptop('printf "Host head\\n  ControlPath ~/.ssh/mine\\n" >~/c; cat ~/.ssh/config >>~/c; mv ~/c ~/.ssh/config; chmod 600 ~/.ssh/config; ssh -M -f -N -o ControlPersist=no head >/dev/null 2>&1 </dev/null')
  const logins = await countLogins(lab)
  const session = await jnode.ok('start mine --host head --node node1')
  expect(await answers(lab, session.url!)).toEqual(OPEN)
  expect(await logins()).toEqual({...NONE, node1: 1})
  await jnode.ok('stop mine')
  expect((await onLaptop('ssh -O check head')).exitCode).toBe(0)
  // It ends under a session: that comes back with a login of its own.
  const again = await jnode.ok('start mine --host head --node node1')
  await onLaptop('ssh -O exit head')
  await until('it is connected again', async () => (await answers(lab, again.url!)).withToken === 200 && (await logins()).head === 1, 60_000)
  await jnode.ok('stop mine')
  await nothingLeft(lab)
})

test.each([
  ['another host key', 'ssh-keygen -q -t ed25519 -N "" -f ~/.ssh/x; awk -v key="$(cut -d" " -f2 ~/.ssh/x.pub)" "{\\$3 = key} 1" ~/.ssh/known_hosts >~/k; mv ~/k ~/.ssh/known_hosts', {exitCode: 4, code: 'host-key', message: expect.stringContaining('/.ssh/known_hosts line 1') as string}],
  ['a key that nobody knows', 'rm ~/.ssh/id_ed25519*; ssh-keygen -q -t ed25519 -N "" -f ~/.ssh/id_ed25519', {exitCode: 3, code: 'login-failed'}],
  ['a name that no host has', 'sed -i "s/gateway/nowhere/g" ~/.ssh/config', {exitCode: 3, code: 'unreachable'}],
])('%s is told in our words', async (_, breakIt, failure) => {
  await keepSsh()
  await onLaptop(breakIt)
  expect(await jnode.fails('list --host head --transport openssh')).toMatchObject(failure)
  expect(await lab.processes('laptop', 'alice')).toEqual([])
})
