/** Settings of ssh that decide which hosts it trusts; what it prints of them is asked of the ssh of this machine. */
import {execFileSync} from 'node:child_process'
import {mkdtempSync, readFileSync, rmSync, writeFileSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {afterAll, beforeAll, describe, expect, onTestFinished, test} from 'vitest'
import {logInWith} from '../../../src/log-in.ts'
import {sshDoor} from '../../../src/ssh/door.ts'
import {resolveHops} from '../../../src/ssh/host-config.ts'
import {hostTrustIn} from '../../../src/ssh/host-trust.ts'
import {byAuthorityAlone, revokedLines} from '../../../src/ssh/known-hosts.ts'
import {emptySecrets} from '../../../src/ssh/login.ts'
import {opensshDoor} from '../../../src/ssh/openssh.ts'
import {noPrompter} from '../../../src/ssh/prompt.ts'
import {settingsOf, type HostConfigDeps} from '../../../src/ssh/ssh-settings.ts'
import type {ClusterTarget} from '../../../src/config/cluster.ts'
import type {NodeAddress} from '../../../src/flows/deps.ts'
import {startFakeCluster, type FakeCluster} from '../../fake-cluster/cluster.ts'
import {rejectionOf} from '../expect-error.ts'

let dir: string
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'jnode-host-trust-'))
})
afterAll(() => rmSync(dir, {recursive: true}))

let files = 0
function config(text: string): string {
  const file = join(dir, `config-${++files}`)
  writeFileSync(file, `${text}\n`)
  return file
}
const HOST = {user: null, host: 'head', port: null}
const trustOf = async (text: string, deps: HostConfigDeps = {}) => hostTrustIn(await settingsOf(HOST, {configFile: config(text), ...deps}))

test('each keyword that ssh prints has its place in docs/logins.md', () => {
  const text = readFileSync(new URL('../../../docs/logins.md', import.meta.url), 'utf8')
  const placed = new Set([...text.slice(text.indexOf('## ssh')).matchAll(/`([A-Z][A-Za-z0-9]+)/g)].map(([, keyword]) => keyword!.toLowerCase()))
  // What ssh prints only where it is set.
  const all = config(`RevokedHostKeys /f\nKnownHostsCommand /bin/true\nHostKeyAlias a\nProxyCommand none\nControlPath /s\nIdentityAgent none\nPKCS11Provider /p\nCertificateFile /c\nBindAddress 127.0.0.1
BindInterface lo\nLocalCommand true\nRemoteCommand true\nSetEnv A=b\nSendEnv A\nPreferredAuthentications publickey\nKbdInteractiveDevices pam\nLocalForward 1 a:1\nRemoteForward 1 a:1\nDynamicForward 1`)
  const printed = execFileSync('ssh', ['-G', '-F', all, 'head'], {encoding: 'utf8'}).split('\n').map((line) => line.split(' ')[0]!).filter(Boolean)
  expect(printed).toContain('revokedhostkeys')
  expect(printed.map((keyword) => keyword.toLowerCase()).filter((keyword) => !placed.has(keyword))).toEqual([])
})

describe('the option that only ssh can apply', () => {
  const CASES = [
    ['none by default', '', null],
    ['a file of revoked keys', 'RevokedHostKeys /etc/ssh/revoked', 'RevokedHostKeys'],
    ['none that is revoked', 'RevokedHostKeys none', null],
    ['a command that knows hosts', 'KnownHostsCommand /usr/bin/sss_ssh_knownhosts %H', 'KnownHostsCommand'],
    ['no such command', 'KnownHostsCommand none', null],
    ['keys in DNS', 'VerifyHostKeyDNS yes', 'VerifyHostKeyDNS'],
    ['keys in DNS, asked about', 'VerifyHostKeyDNS ask', 'VerifyHostKeyDNS'],
    ['no keys in DNS', 'VerifyHostKeyDNS no', null],
    ['certificates only', 'HostKeyAlgorithms ssh-ed25519-cert-v01@openssh.com', 'HostKeyAlgorithms'],
    ['keys of security keys only', 'HostKeyAlgorithms sk-ssh-ed25519@openssh.com', 'HostKeyAlgorithms'],
    ['certificates and one type of keys', 'HostKeyAlgorithms ssh-ed25519-cert-v01@openssh.com,rsa-sha2-256', null],
    ['ssh’s own algorithms but one', 'HostKeyAlgorithms -ssh-ed25519', null],
    ['addresses in known_hosts', 'CheckHostIP yes', 'CheckHostIP'],
    ['another host', 'Host other\nRevokedHostKeys /etc/ssh/revoked', null],
  ] as const

  test.each(CASES)('is told by ssh: %s', async (_, text, option) => {
    expect((await trustOf(text)).sshOnlyOption).toBe(option)
    const [hop] = await resolveHops([HOST], {configFile: config(text)})
    expect(hop!.beyondSsh2).toBe(option === null ? null : `ssh’s configuration sets ${option}`)
  })

  test.each(CASES)('is told by the files without an ssh program: %s', async (_, text, option) => {
    expect((await trustOf(text, {program: join(dir, 'none')})).sshOnlyOption).toBe(option)
  })

  test('is not CheckHostIP of an ssh before 8.5, where that is the default', async () => {
    const old = join(dir, 'old-ssh')
    writeFileSync(old, '#!/bin/sh\necho checkhostip yes; echo hostbasedkeytypes ssh-ed25519; echo verifyhostkeydns false\n', {mode: 0o755})
    expect((await trustOf('', {program: old})).sshOnlyOption).toBeNull()
  })
})

test('RequiredRSASize is read, also under Red Hat’s name', async () => {
  expect((await trustOf('')).requiredRsaBits).toBe(1024)
  expect((await trustOf('RequiredRSASize 3072')).requiredRsaBits).toBe(3072)
  expect(hostTrustIn(new Map([['rsaminsize', ['2048']]])).requiredRsaBits).toBe(2048)
})

describe('what known_hosts says besides keys', () => {
  const own = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOWNOWNOWNOWNOWNOWNOWNOWNOWNOWNOWNOWNOWNOWNO'
  async function hopWith(lines: string) {
    const file = join(dir, `known-${++files}`)
    writeFileSync(file, lines)
    const [hop] = await resolveHops([HOST], {configFile: config(`UserKnownHostsFile ${file}\nGlobalKnownHostsFile none`)})
    return {file, hop: hop!}
  }

  test('a certificate is what makes a host known where no key of it is there', async () => {
    const {file, hop} = await hopWith(`other ${own}\n@cert-authority head ${own}\n`)
    expect(byAuthorityAlone(hop)).toBe(`the host is known by certificate (${file} line 2)`)
    expect(byAuthorityAlone((await hopWith(`@cert-authority head ${own}\nhead ${own}\n`)).hop)).toBeNull()
    expect(byAuthorityAlone((await hopWith(`head ${own}\n`)).hop)).toBeNull()
  })

  test('revocations are taken over to where other keys are given, those of all hosts', async () => {
    const {hop} = await hopWith(`head ${own}\n@revoked node* ${own} why\n@cert-authority * ${own}\n@revoked * ${own}\n`)
    expect(revokedLines(hop)).toBe(`@revoked node* ${own}\n@revoked * ${own}\n`)
  })
})

describe('on the way to a cluster', () => {
  const HEAD = [{user: null, host: 'head', port: null}]
  const {signal} = new AbortController()
  const NEEDS_SSH = {message: expect.stringMatching(/needs the system’s ssh: ssh’s configuration sets RevokedHostKeys$/) as string}

  async function laptop(text: string): Promise<FakeCluster> {
    const cluster = await startFakeCluster()
    onTestFinished(() => cluster.close())
    const file = join(cluster.laptop.home, '.ssh', 'config')
    writeFileSync(file, `${text}\n${readFileSync(file, 'utf8')}`)
    writeFileSync(join(dir, 'revoked'), '')
    return cluster
  }
  const options = ({laptop: {env, home}}: FakeCluster) => ({env, prompter: noPrompter, secrets: emptySecrets(), machines: new Map<string, string>(), tell: () => {}, witness: () => {}, knownHosts: null, nodesFile: join(home, 'nodes')})

  test.each(['gateway', 'head'])('a %s that only ssh can judge is left to it before anything is dialled, or refused', async (host) => {
    const cluster = await laptop(`Host ${host}\n  RevokedHostKeys ${dir}/revoked\n`)
    expect(await rejectionOf(sshDoor({...options(cluster), mayGiveWay: async () => true}).open(HEAD))).toMatchObject(NEEDS_SSH)
    const refused = await rejectionOf(sshDoor(options(cluster)).open(HEAD))
    expect(refused).toMatchObject({code: 'host-key', message: expect.stringMatching(/^The host key of \S+ cannot be checked: ssh’s configuration sets RevokedHostKeys, which only the ssh program can apply$/) as string})
    expect([cluster.connections('gateway'), cluster.connections('head')]).toEqual([0, 0])
  })

  test('a node that only ssh can judge is left to it, or refused; by whichever name it is configured', async () => {
    const cluster = await laptop(`Host node1.local\n  RevokedHostKeys ${dir}/revoked\n`)
    const head = await sshDoor(options(cluster)).open(HEAD)
    onTestFinished(() => head.close())
    const node = {name: 'node1.local', hostKeys: [cluster.hostKeys.node1]}
    expect(await rejectionOf(sshDoor({...options(cluster), mayGiveWay: async () => true}).nodeThrough(head, node))).toMatchObject(NEEDS_SSH)
    expect(await rejectionOf(sshDoor(options(cluster)).nodeThrough(head, node))).toMatchObject({code: 'host-key'})
    expect(await rejectionOf(sshDoor(options(cluster)).nodeBehind(head, HEAD, node))).toMatchObject({code: 'host-key'})
    expect(cluster.accepted('node1')).toBe(0)
  })

  /** As a command logs in, and goes on to the node. */
  async function toNode(cluster: FakeCluster, node: NodeAddress, transport: ClusterTarget['transport'] = null) {
    const {logIn} = logInWith({env: cluster.laptop.env, tell: () => {}, prompter: noPrompter, stateDir: join(cluster.laptop.home, 'state')})
    const target = {name: 'c', kind: 'ssh', label: 'head', hops: HEAD, knownHosts: null, transport} as unknown as ClusterTarget
    const link = await logIn(target, {signal})
    onTestFinished(() => link.close())
    return link.toNode(node)
  }

  test('a node that only ssh can judge is logged in to by it, over the connection that there is', async () => {
    const cluster = await laptop(`Host node1.local\n  RevokedHostKeys ${dir}/revoked\n`)
    const node = await toNode(cluster, {names: ['node1.local'], hostKeys: [cluster.hostKeys.node1]})
    expect((await node.run(['hostname']))[0]!.stdout).toBe('node1.local\n')
    expect(node.standIn).toBeUndefined()
    expect([cluster.accepted('gateway'), cluster.accepted('head'), cluster.accepted('node1')]).toEqual([1, 1, 1])
    await node.close()
  })

  test.each(['ssh2', 'openssh'] as const)('the next name of a node is tried where one leads to a machine with other keys, and none of those is logged in to, by %s', async (transport) => {
    const cluster = await laptop('')
    const hostKeys = [cluster.hostKeys.node1]
    const node = await toNode(cluster, {names: ['node2.local', 'node1.local'], hostKeys}, transport)
    expect((await node.run(['hostname']))[0]!.stdout).toBe('node1.local\n')
    const failure = await rejectionOf(toNode(cluster, {names: ['node2.local'], hostKeys}, transport))
    expect(failure).toMatchObject({code: 'no-route', message: expect.stringMatching(/answers as ada@node2\.local shows a host key \(.*SHA256:\S+\) that the job on that node did not find$/) as string})
    expect(cluster.accepted('node2')).toBe(0)
  })

  test('no other name is tried for a node whose key is revoked: it may be configured otherwise', async () => {
    const cluster = await laptop(`Host node1.local\n  RevokedHostKeys ${dir}/revoked\n`)
    writeFileSync(join(dir, 'revoked'), `${cluster.hostKeys.node1}\n`)
    expect(await rejectionOf(toNode(cluster, {names: ['node1.local', 'node1'], hostKeys: [cluster.hostKeys.node1]}))).toMatchObject({code: 'host-key', message: expect.stringMatching(/revoked/) as string})
    expect(cluster.accepted('node1')).toBe(0)
  })

  test('the ssh program keeps to the user’s own lines about a node: another key, and a revoked one', async () => {
    const cluster = await laptop('')
    const {home} = cluster.laptop
    const known = join(home, '.ssh', 'known_hosts')
    const before = readFileSync(known, 'utf8').split('\n').filter((line) => line !== '' && !line.includes(cluster.hostKeys.node1)).map((line) => `${line}\n`).join('')
    const door = opensshDoor(options(cluster))
    const {head, hop} = await door.open(HEAD, signal)
    onTestFinished(() => head.close())
    const enter = (hostKeys: string[]) => rejectionOf(door.nodeThrough(head, hop, {name: 'node1.local', hostKeys}, signal))
    writeFileSync(known, `${before}node1.local ${cluster.hostKeys.node2}\n`)
    expect(await enter([])).toMatchObject({code: 'host-key'})
    writeFileSync(known, `${before}@revoked * ${cluster.hostKeys.node1}\n`)
    expect(await enter([cluster.hostKeys.node1])).toMatchObject({code: 'host-key', message: expect.stringMatching(/revoked/i) as string})
    expect(cluster.accepted('node1')).toBe(0)
  })
})
