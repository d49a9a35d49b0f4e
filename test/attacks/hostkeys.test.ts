/** Host keys that ssh would refuse, or would know although jnode does not; and which keys of a compute node are believed. */
import {afterEach, beforeEach, describe, expect, onTestFinished, test} from 'vitest'
import type {SessionView} from '../../src/flows/session-view.ts'
import {answers, countLogins, jnodeIn, nothingLeft, OPEN, sweep} from '../cluster/jnode.ts'
import {until} from '../cluster/run.ts'
import type {HostName} from '../cluster/topology.ts'
import {useLab} from '../cluster/use-lab.ts'

const lab = await useLab()
const jnode = jnodeIn(lab)
const matching = (text: string | RegExp) => expect.stringMatching(text) as string

/** What a test does to alice's ~/.ssh on the laptop is undone after it. */
beforeEach(async () => void (await lab.exec('laptop', 'alice', 'cp -a ~/.ssh ~/ssh.before')))
afterEach(async ({task}) => {
  await lab.exec('laptop', 'alice', 'rm -rf ~/.ssh && mv ~/ssh.before ~/.ssh')
  if (task.result?.state === 'fail') await sweep(lab)
})

async function onLaptop(line: string, input = ''): Promise<string> {
  const {exitCode, stdout, stderr} = await lab.exec('laptop', 'alice', line, {input})
  if (exitCode !== 0) throw new Error(`${line} ended with ${exitCode}: ${stderr}`)
  return stdout
}

async function asRoot(host: HostName, line: string, input = ''): Promise<void> {
  const {exitCode, stderr} = await lab.exec(host, 'root', line, {cwd: '/', input})
  if (exitCode !== 0) throw new Error(`${line} on ${host} ended with ${exitCode}: ${stderr}`)
}

/** Lines that ssh's configuration on the laptop begins with. */
const configure = (lines: string) => onLaptop('cat - ~/.ssh/config >~/c && mv ~/c ~/.ssh/config && chmod 600 ~/.ssh/config', `${lines}\nHost *\n`)
const revoke = async (...hosts: HostName[]) => onLaptop('cat >~/.ssh/revoked', (await Promise.all(hosts.map((host) => lab.hostKey(host)))).join(''))

describe('a key in RevokedHostKeys', () => {
  test.each([['gateway', 0], ['head', 1]] as const)('of the %s is refused as by ssh, whichever client logs in', async (host, onGateway) => {
    await revoke(host)
    await configure(`Host ${host}\n  RevokedHostKeys /home/alice/.ssh/revoked`)
    expect((await lab.exec('laptop', 'alice', 'ssh -o BatchMode=yes head true')).stderr, 'ssh is the judge').toMatch(/revoked/)
    const logins = await countLogins(lab)
    const start = 'start x --dry-run --host head'
    expect(await jnode.fails(`${start} --transport ssh2`)).toMatchObject({exitCode: 4, code: 'host-key', message: matching(new RegExp(`${host}\\b.*sets RevokedHostKeys`)), hint: matching(/--transport ssh2/)})
    expect(await logins(), 'nothing was dialled').toMatchObject({gateway: 0, head: 0})
    expect(await jnode.fails(start)).toMatchObject({exitCode: 4, code: 'host-key', message: matching(/revoked/)})
    expect(await logins()).toMatchObject({gateway: onGateway, head: 0})
  })

  test('of a gateway in the middle is refused, too', async () => {
    await revoke('gateway')
    await configure('Host gateway-lan\n  HostKeyAlias gateway\n  RevokedHostKeys /home/alice/.ssh/revoked')
    const start = 'start x --dry-run --host head --jump gateway --jump gateway-lan'
    const logins = await countLogins(lab)
    expect(await jnode.fails(`${start} --transport ssh2`)).toMatchObject({exitCode: 4, code: 'host-key', message: matching(/gateway-lan.*RevokedHostKeys/)})
    expect(await jnode.fails(start)).toMatchObject({exitCode: 4, code: 'host-key', message: matching(/revoked/)})
    expect(await logins()).toMatchObject({head: 0})
  })

  test('of a compute node is refused; with another key in it the ssh program logs in over the connection that there is', async () => {
    await revoke('node1')
    await configure('Host node1*\n  RevokedHostKeys /home/alice/.ssh/revoked')
    const logins = await countLogins(lab)
    const start = 'start x --host head --node node1 --route socket'
    expect(await jnode.fails(start)).toMatchObject({exitCode: 4, code: 'host-key', message: matching(/revoked/)})
    expect(await jnode.fails(`${start} --transport ssh2`)).toMatchObject({exitCode: 4, code: 'host-key', message: matching(/node1.*RevokedHostKeys/)})
    expect(await logins()).toMatchObject({node1: 0})
    await revoke('node2')
    const session = await jnode.ok(start)
    expect(await answers(lab, session.url!)).toEqual(OPEN)
    expect(await logins()).toMatchObject({head: 3, node1: 1})
    await jnode.ok('stop x')
    await nothingLeft(lab)
  })
})

test('a host that only KnownHostsCommand knows is known, as it is to ssh', async () => {
  await onLaptop('mv ~/.ssh/known_hosts ~/.ssh/elsewhere')
  await configure('Host *\n  KnownHostsCommand /usr/bin/cat /home/alice/.ssh/elsewhere')
  expect(await jnode.fails('list --host head --transport ssh2')).toMatchObject({exitCode: 4, code: 'host-key', message: matching(/KnownHostsCommand/)})
  const session = await jnode.ok('start known --host head --node node1')
  expect(await answers(lab, session.url!)).toEqual(OPEN)
  await lab.endSessions('head')
  await until('it is connected again, by itself', async () => (await answers(lab, session.url!)).withToken === 200)
  await jnode.ok('stop known')
  await nothingLeft(lab)
})

test('a host that only its certificate makes known is known, as it is to ssh', async () => {
  onTestFinished(() => asRoot('gateway', 'rm -f /etc/ssh/ca /etc/ssh/ca.pub /etc/ssh/ssh_host_ed25519_key-cert.pub'))
  await asRoot('gateway', 'cd /etc/ssh && ssh-keygen -q -t ed25519 -N "" -f ca && ssh-keygen -q -s ca -h -I gateway -n gateway -V +1h ssh_host_ed25519_key.pub')
  onTestFinished(await lab.sshd('gateway', {port: 2205, settings: 'HostCertificate /etc/ssh/ssh_host_ed25519_key-cert.pub'}))
  const {stdout: ca} = await lab.exec('gateway', 'root', 'cat /etc/ssh/ca.pub', {cwd: '/'})
  await onLaptop('grep -v ^gateway ~/.ssh/known_hosts >~/k; cat - ~/k >~/.ssh/known_hosts; rm ~/k', `@cert-authority gateway,[gateway]:2205 ${ca}`)
  await jnode.ok('list --host head --jump gateway:2205')
})

describe('the host keys of a compute node', () => {
  /** The node's sshd shows a key of its own, while /etc/ssh holds that of another one. */
  async function keyElsewhere() {
    await lab.stopDaemon('node1', 'sshd')
    onTestFinished(() => lab.startDaemon('node1', 'sshd'))
    onTestFinished(await lab.sshd('node1', {port: 22, settings: 'HostKey /run/own_key', before: 'test -e /run/own_key || ssh-keygen -q -t ed25519 -N "" -f /run/own_key'}))
  }

  test('are those that its sshd shows, where the files in /etc/ssh belong to another one', async () => {
    await keyElsewhere()
    const {exitCode, stderr} = await jnode.run('start own --host head --node node1 --route socket --detach -v')
    expect(stderr).not.toMatch(/host key/)
    expect(exitCode).toBe(0)
    expect((await lab.exec('head', 'alice', 'cat ~/.jnode/sessions/own/record')).stdout).toContain('hostkeys-from sshd\n')
    await jnode.ok('stop own')
    await nothingLeft(lab)
  })

  /** Whoever comes from elsewhere is led to another sshd; on the node itself its own answers. */
  async function impostor() {
    onTestFinished(() => asRoot('node1', 'nft flush ruleset'))
    onTestFinished(await lab.sshd('node1', {port: 2222, settings: 'HostKey /run/other_key', before: 'test -e /run/other_key || ssh-keygen -q -t ed25519 -N "" -f /run/other_key'}))
    await asRoot('node1', 'nft -f -', 'table ip attack {\n chain in {\n  type nat hook prerouting priority -100;\n  tcp dport 22 redirect to :2222\n }\n}\n')
    return async () => (await lab.exec('node1', 'root', 'grep -c ^Accepted /var/log/sshd-2222.log', {cwd: '/'})).stdout.trim()
  }

  test('are not those of whoever answers in its place: exit 4, or a route that needs no login to it', async () => {
    const letIn = await impostor()
    const wrong = /shows a host key \(.*SHA256:\S+\) that the job on that node did not find\. The job asked the SSH server of its own node/
    expect(await jnode.fails('start wrong --host head --node node1 --route socket')).toMatchObject({exitCode: 4, code: 'host-key', message: matching(wrong)})
    const {document, stderr} = await jnode.json<SessionView>('start wrong --host head --node node1')
    expect(document.route).toBe('direct')
    expect(stderr).toMatch(wrong)
    expect(await answers(lab, document.url!)).toEqual(OPEN)
    await jnode.ok('stop wrong')
    expect(await letIn()).toBe('0')
    await lab.exec('laptop', 'alice', 'rm -rf ~/.local/state/jnode/routes')
    await nothingLeft(lab)
  })

  test('let the next of its names be tried where the first leads to another machine', async () => {
    onTestFinished(() => asRoot('node1', 'hostname node1.local'))
    await asRoot('node1', 'hostname localhost')
    const session = await jnode.ok('start named --host head --node node1 --route socket')
    expect(session.node).toBe('localhost')
    expect(await answers(lab, session.url!)).toEqual(OPEN)
    await jnode.ok('stop named')
    await nothingLeft(lab)
  })
})
