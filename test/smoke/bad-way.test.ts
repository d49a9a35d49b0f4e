import {join} from 'node:path'
import {writeFileSync} from 'node:fs'
import {makeKeyPair} from '../fake-cluster/keys.ts'
import {expect, test} from 'vitest'
import {makeWorld, refusalOf, usePackage, type World} from './world.ts'
import type {FakeClusterOptions} from '../fake-cluster/cluster.ts'

usePackage()

const NO_ANSWERS = {SSH_ASKPASS_REQUIRE: 'never'}

async function told(faults: FakeClusterOptions['faults'] = {}, args: (world: World) => string[] = () => [], env: Record<string, string> = {}) {
  const world = await makeWorld({faults: faults ?? {}})
  const refusal = await refusalOf(world, ['start', 'nb', ...args(world)], env)
  // Not a single program of Grid Engine's was run for a job.
  expect(world.cluster.submit('true').id).toBe(1)
  return {...refusal, world}
}

test('a host that nobody knows, asked for by this computer', async () => {
  expect(await told({}, () => ['--host', 'ada@nosuch.invalid'])).toMatchObject({
    exitCode: 3,
    code: 'unreachable',
    message: 'No host is called nosuch.invalid',
    hint: 'Check the name, your network, and whether you need the VPN.',
  })
})

test('a host that nobody knows, asked for by the gateway', async () => {
  const way = ({cluster}: World) => ['--host', 'ada@nosuch.local', '--jump', `ada@127.0.0.1:${cluster.gatewayPort}`]
  expect(await told({}, way)).toMatchObject({exitCode: 3, code: 'unreachable', message: 'No host is called nosuch.local on 127.0.0.1', hint: 'Check the name, your network, and whether you need the VPN.'})
})

test('a host that refuses this computer', async () => {
  expect(await told({}, () => ['--host', 'ada@127.0.0.1:1'])).toMatchObject({
    exitCode: 3,
    code: 'unreachable',
    message: '127.0.0.1 refused the connection on port 1',
    hint: 'Check the host and port; its SSH server may be down.',
  })
})

test('a head node that refuses the gateway', async () => {
  expect(await told({unreachable: ['head']})).toMatchObject({
    exitCode: 3,
    code: 'unreachable',
    message: 'head.local refused the connection on port 22 from 127.0.0.1',
    hint: 'Check the host and port; its SSH server may be down.',
  })
})

test('a wrong user', async () => {
  const {world, ...refusal} = await told({}, ({cluster}) => ['--host', `bob@127.0.0.1:${cluster.headPort}`])
  expect(refusal).toMatchObject({
    exitCode: 3,
    code: 'login-failed',
    message: expect.stringMatching(/^bob@127\.0\.0\.1:\d+ refused the login; it takes publickey, password; tried \S+id_ed25519, a password \(3 times\)$/) as string,
    hint: expect.stringMatching(/^See whether `ssh .*bob@127\.0\.0\.1.*` lets you in\.$/) as string,
  })
  // A program that answers is not asked without end.
  expect(world.cluster.attempts('head').filter(({method}) => method === 'password').length).toBe(6)
})

test('a wrong key, and nobody to ask for a password', async () => {
  const key = ({laptop}: World) => {
    writeFileSync(join(laptop.home, '.ssh', 'id_ed25519'), makeKeyPair().private)
    return []
  }
  expect(await told({}, key, NO_ANSWERS)).toMatchObject({
    exitCode: 3,
    code: 'login-failed',
    message: expect.stringMatching(/^ada@127\.0\.0\.1:\d+ refused the login; it takes publickey, password; tried \S+id_ed25519; it wants a password, and there is no terminal to ask on$/) as string,
    hint: 'Run it in a terminal, load the key into an agent (ssh-add), or set SSH_ASKPASS.',
  })
})

test.each(['gateway', 'head'] as const)('another host key on the %s', async (hop) => {
  const {world, ...refusal} = await told({'hostkey-changed': [hop]})
  expect(refusal).toMatchObject({
    exitCode: 4,
    code: 'host-key',
    message: expect.stringMatching(/^The host key of ada@\S+ has changed: \S+known_hosts line \d has ED25519 SHA256:\S+, the host now shows ED25519 SHA256:\S+$/) as string,
    hint: expect.stringMatching(/^Somebody may be listening in\. Only if you know from its admins .* got a new key: ssh-keygen -f \S+ -R \S+$/) as string,
  })
  expect(world.cluster.attempts(hop)).toEqual([])
})

test('no qsub on the head node', async () => {
  expect(await told({'no-qsub': true})).toMatchObject({
    exitCode: 5,
    code: 'no-grid-engine',
    message: 'There is no qsub on head.local (tried: PATH, a bash login shell)',
    hint: 'Say how qsub gets on the PATH with sge_setup in the cluster\'s section of config.toml, e.g. ". /opt/sge/default/common/settings.sh".',
  })
})

test('a home directory that is not writable', async () => {
  expect(await told({'home-not-writable': true})).toMatchObject({
    exitCode: 5,
    code: 'remote-storage',
    message: expect.stringMatching(/^Cannot store the session below \S+\/\.jnode\/sessions on ada@head\.local: .*Permission denied$/) as string,
    hint: 'Free some space or quota in your home directory there, and check that it is yours to write to.',
  })
})

test('a home directory that is full', async () => {
  expect(await told({'home-full': true})).toMatchObject({
    exitCode: 5,
    code: 'remote-storage',
    message: expect.stringMatching(/^Cannot store the session below \S+\/\.jnode\/sessions on ada@head\.local: /) as string,
    hint: 'Free some space or quota in your home directory there, and check that it is yours to write to.',
  })
})

test('a qmaster that is down', async () => {
  expect(await told({'qmaster-down': true})).toMatchObject({
    exitCode: 5,
    code: 'no-grid-engine',
    message: expect.stringContaining('unable to send message to qmaster') as string,
    hint: 'Grid Engine itself is down or out of reach: try again later, or tell the administrators.',
  })
})

test.each([
  ['an environment', ['--cores', '2', '--pe', 'nope'], 'There is no parallel environment nope', 'Name one that exists with --pe: make: $round_robin, mpi: $fill_up, smp: $pe_slots.'],
  ['a queue', ['--queue', 'nope.q'], 'Grid Engine rejected the job: Job was rejected because job requests unknown queue "nope.q"', 'Name one that exists with --queue, or leave it out; "qconf -sql" lists them.'],
  ['a resource', ['--sge-arg=-l', '--sge-arg=nope=1'], 'Grid Engine rejected the job: unknown resource "nope"', expect.stringMatching(/correct --sge-arg; "qconf -sc" lists them\.$/) as string],
  ['a project', ['--project', 'nope'], 'Grid Engine rejected the job: job rejected: the requested project "nope" does not exist', 'Name a project that you may use with --project, or leave it out.'],
  ['a node', ['--node', 'nope'], 'Grid Engine rejected the job: can\'t resolve hostname "nope"', 'Name a node that exists with --node; "qhost" lists them.'],
])('%s that does not exist', async (_, flags, message, hint) => {
  expect(await told({}, () => flags)).toMatchObject({exitCode: 5, code: 'rejected', message, hint})
})

test.each([
  ['slots', ['--cores', '64'], /^This request can never run: parallel environment smp cannot give 64 slots/, 'Ask for less with --cores, or name another parallel environment with --pe.'],
  ['memory', ['--mem', '900G'], /^This request can never run: no host or queue offers mem_free=900G; the best is 8G on node[12]\.local/, 'Ask for less with --mem.'],
  ['GPUs', ['--gpus', '20'], /^This request can never run: no host or queue offers gpu=20; the best is 2 on node2\.local/, 'Ask for less with --gpus.'],
])('more %s than there are anywhere', async (_, flags, message, hint) => {
  expect(await told({}, () => flags)).toMatchObject({exitCode: 5, code: 'never-runs', message: expect.stringMatching(message) as string, hint})
})
