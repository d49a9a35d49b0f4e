/** Hosts that refuse a password which they took before: it is not sent to them again, and to no host that it was not typed for. */
import {afterEach, describe, expect, onTestFinished, test} from 'vitest'
import type {SessionView} from '../../src/flows/session-view.ts'
import {answers, jnodeIn, nothingLeft, OPEN, sweep, type Who} from '../cluster/jnode.ts'
import {until} from '../cluster/run.ts'
import type {ExtraSshd} from '../cluster/sshd.ts'
import type {HostName} from '../cluster/topology.ts'
import {useLab} from '../cluster/use-lab.ts'
import {changePassword, PASSWORD} from '../cluster/users.ts'
import {figure, seconds, tunnelOf} from '../faults/scene.ts'

const lab = await useLab()
const jnode = jnodeIn(lab)

/** Twenty take minutes, and two show the same. */
const CUTS = process.env['JNODE_LONG'] ? 20 : 2

afterEach(async ({task}) => {
  await changePassword(lab.name, PASSWORD)
  await lab.exec('laptop', 'alice', 'rm -rf ~/answer ~/asked ~/secret ~/.config/jnode; sed -i "/:22[0-9][0-9]/d" ~/.ssh/known_hosts')
  if (task.result?.state === 'fail') await sweep(lab)
})

/** Somebody who answers each question of jnode with the password of the account, and notes what was asked. */
async function person(): Promise<{who: Who; asked(): Promise<string[]>; learns(password: string): Promise<void>}> {
  const learns = async (password: string) => void (await lab.exec('laptop', 'alice', 'umask 077 && cat >~/secret', {input: password}))
  await lab.exec('laptop', 'alice', 'cat >~/answer && chmod 700 ~/answer', {input: '#!/bin/sh\nprintf "%s\\n" "$1" >>~/asked\ncat ~/secret\n'})
  await learns(PASSWORD)
  return {
    who: {env: {SSH_ASKPASS: '/home/alice/answer', SSH_ASKPASS_REQUIRE: 'force'}},
    asked: async () => (await lab.exec('laptop', 'alice', 'cat ~/asked; rm -f ~/asked')).stdout.split('\n').filter(Boolean).sort(),
    learns,
  }
}

interface Server {
  /** Passwords and answers that it has taken and refused since it was started. */
  counts(): Promise<{accepted: number; refused: number}>
  /** Kills the connections that it has. */
  cut(): Promise<void>
}

async function sshd(host: HostName, settings: ExtraSshd): Promise<Server> {
  const log = `/var/log/sshd${settings.port === 22 ? '' : `-${settings.port}`}.log`
  const asRoot = async (line: string) => (await lab.exec(host, 'root', line, {cwd: '/'})).stdout
  const lines = async () => (await asRoot(`cat ${log} 2>/dev/null`)).split('\n')
  const before = (await lines()).length
  onTestFinished(await lab.sshd(host, settings))
  return {
    async counts() {
      const since = (await lines()).slice(before - 1)
      const count = (wanted: RegExp) => since.filter((line) => wanted.test(line)).length
      return {accepted: count(/^Accepted \S+ for /), refused: count(/^Failed (password|keyboard-interactive\S*) for /)}
    },
    cut: async () => void (await asRoot(`for child in $(pgrep -P $(cat /run/sshd-${settings.port}/pid)); do pkill -KILL -P $child; kill -KILL $child; done`)),
  }
}

const PAM_UNIX = 'auth requisite pam_unix.so\naccount required pam_permit.so\nsession required pam_permit.so\n'
const PASSWORD_ONLY = 'PasswordAuthentication yes\nPubkeyAuthentication no'

/** Gateways, each with a session behind it; and one in front of a node that wants a password of its own. */
const WAYS: {name: string; gateway: ExtraSshd; flags?: string}[] = [
  {name: 'password', gateway: {port: 2201, settings: `${PASSWORD_ONLY}\nMaxAuthTries 6`}},
  {name: 'one-try', gateway: {port: 2202, settings: `${PASSWORD_ONLY}\nMaxAuthTries 1`}},
  {name: 'pam', gateway: {port: 2203, settings: 'UsePAM yes\nKbdInteractiveAuthentication yes\nPubkeyAuthentication no', pam: PAM_UNIX}},
  {name: 'key-and-password', gateway: {port: 2205, settings: 'PasswordAuthentication yes\nAuthenticationMethods publickey,password'}},
  {name: 'node', gateway: {port: 2206, settings: ''}, flags: '--node node1 --route socket'},
]

async function passwordOnNode(): Promise<Server> {
  await lab.stopDaemon('node1', 'sshd')
  onTestFinished(() => lab.startDaemon('node1', 'sshd'))
  return sshd('node1', {port: 22, settings: PASSWORD_ONLY})
}

describe(`${CUTS} cuts`, () => {
  test('cost one login each while the password is right; when it is not, one refusal, and then nothing until its owner comes', async () => {
    const node = await passwordOnNode()
    const {who, asked, learns} = await person()
    const sessions = await Promise.all(WAYS.map(async ({name, gateway, flags = '--node node2'}) => {
      const server = await sshd('gateway', gateway)
      const view = await jnode.ok(`start ${name} --host head --jump gateway:${gateway.port} ${flags}`, who)
      return {name, gateway: server, judge: name === 'node' ? node : server, view}
    }))
    expect(await asked()).toEqual(['Password: (alice@gateway) ', "alice@gateway's password: ", "alice@gateway's password: ", "alice@gateway's password: ", "alice@node1.local's password: "].sort())
    const counts = () => Promise.all(sessions.map(({judge}) => judge.counts()))
    const all = (figures: {accepted: number; refused: number}) => sessions.map(() => figures)
    const cutAll = () => Promise.all(sessions.map(({gateway}) => gateway.cut()))
    const tunnels = (state: SessionView['tunnel']) => until(`all are ${state}`, async () => (await Promise.all(sessions.map(({name}) => tunnelOf(lab, name)))).every((now) => now === state), 120_000)

    for (let cut = 1; cut <= CUTS; cut++) {
      await cutAll()
      await until(`each has logged in again after cut ${cut}`, async () => (await counts()).every(({accepted}) => accepted === cut + 1), 120_000)
      await tunnels('connected')
    }
    expect(await counts()).toEqual(all({accepted: 1 + CUTS, refused: 0}))

    await changePassword(lab.name, 'another one')
    await cutAll()
    await tunnels('needs-login')
    expect(await counts(), 'one has found out').toEqual(all({accepted: 1 + CUTS, refused: 1}))
    for (let cut = 1; cut <= CUTS; cut++) {
      await cutAll()
      await lab.link('laptop').down()
      await seconds(1.5)
      await lab.link('laptop').up()
      await seconds(1.5)
    }
    await tunnels('needs-login')
    expect(await counts(), 'and nobody tries again').toEqual(all({accepted: 1 + CUTS, refused: 1}))
    await figure(`refused passwords sent in ${CUTS} cuts (${sessions.map(({name}) => name).join(', ')})`, '1 each, by the first; then 0')

    expect(await asked()).toEqual([])
    await learns('another one')
    for (const {name, view} of sessions) {
      expect(await jnode.ok(`connect ${name}`, who)).toMatchObject({url: view.url, tunnel: 'connected'})
      expect(await answers(lab, view.url!)).toEqual(OPEN)
    }
    expect(await counts()).toEqual(all({accepted: 2 + CUTS, refused: 1}))
    await jnode.ok('stop --all')
    await nothingLeft(lab)
  }, 1_200_000)
})

test('the head’s password goes to no node unasked; with node_password = "same" it does, once', async () => {
  const node = await passwordOnNode()
  const head = await sshd('head', {port: 2207, settings: PASSWORD_ONLY})
  const {who, asked} = await person()
  await lab.exec('laptop', 'alice', 'mkdir -p ~/.config/jnode && cat >~/.config/jnode/config.toml', {input: '[clusters.site]\nhost = "head:2207"\njump = ["gateway"]\n'})
  // Somebody who has no answer for the node.
  await lab.exec('laptop', 'alice', 'cat >~/answer', {input: '#!/bin/sh\nprintf "%s\\n" "$1" >>~/asked\ncase $1 in *node1*) exit 1; esac\ncat ~/secret\n'})
  await jnode.fails('start x --cluster site --node node1 --route socket', who)
  expect(await asked()).toEqual(["alice@head's password: ", "alice@node1.local's password: "])
  expect([await head.counts(), await node.counts()]).toEqual([{accepted: 1, refused: 0}, {accepted: 0, refused: 0}])
  await lab.exec('laptop', 'alice', 'cat >>~/.config/jnode/config.toml', {input: 'node_password = "same"\n'})
  const session = await jnode.ok('start x --cluster site --node node1 --route socket', who)
  expect(await answers(lab, session.url!)).toEqual(OPEN)
  expect(await asked()).toEqual(["alice@head's password: "])
  expect([await head.counts(), await node.counts()]).toEqual([{accepted: 2, refused: 0}, {accepted: 1, refused: 0}])
  await jnode.ok('stop')
  await nothingLeft(lab)
})

// With a peer in the process: test/unit/ssh/transport.test.ts.
test.skipIf(!process.env['JNODE_LONG'])('a wrong password typed for a node reaches it no oftener than it was typed, which is three times', async () => {
  const node = await passwordOnNode()
  const {who, asked, learns} = await person()
  await learns('wrong')
  await jnode.fails('start x --host head --node node1 --route socket', who)
  expect((await asked()).filter((line) => line === "alice@node1.local's password: ")).toHaveLength(3)
  expect(await node.counts()).toEqual({accepted: 0, refused: 3})
  await nothingLeft(lab)
})

// With a peer in the process: test/unit/ssh/auth.test.ts.
test.skipIf(!process.env['JNODE_LONG'])('a server that takes a password first and then a one-time code, both called "Password:", is sent neither again', async () => {
  const codes = ['31415926', '27182818']
  onTestFinished(async () => void (await lab.exec('gateway', 'root', 'rm -f /home/alice/.google_authenticator', {cwd: '/'})))
  await lab.exec('gateway', 'alice', 'umask 077 && cat >~/.google_authenticator', {input: ['JBSWY3DPEHPK3PXPJBSWY3DPEH', '" TOTP_AUTH', ...codes, ''].join('\n')})
  const gateway = await sshd('gateway', {port: 2208, settings: 'UsePAM yes\nKbdInteractiveAuthentication yes\nPubkeyAuthentication no', pam: `auth requisite pam_unix.so\nauth requisite pam_google_authenticator.so [authtok_prompt=Password: ]\naccount required pam_permit.so\nsession required pam_permit.so\n`})
  const {who} = await person()
  await lab.exec('laptop', 'alice', 'cat >~/answer', {input: '#!/bin/sh\nif [ -e ~/asked ]; then echo 31415926; else echo "$1" >~/asked; cat ~/secret; fi\n'})
  await jnode.ok('start radius --host head --jump gateway:2208', who)
  expect(await gateway.counts()).toEqual({accepted: 1, refused: 0})
  await gateway.cut()
  await until('it waits for its owner', async () => (await tunnelOf(lab, 'radius')) === 'needs-login')
  expect(await gateway.counts()).toEqual({accepted: 1, refused: 0})
  await lab.exec('laptop', 'alice', 'rm -f ~/asked; sed -i s/31415926/27182818/ ~/answer')
  await jnode.ok('stop radius', who)
  await nothingLeft(lab)
})
