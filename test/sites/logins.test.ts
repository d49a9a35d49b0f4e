/** Logins that only the system's ssh can do, each with what Debian has of it: chosen by itself, and a whole session over it. */
import {afterEach, beforeEach, expect, onTestFinished, test} from 'vitest'
import {answers, countLogins, jnodeIn, nothingLeft, OPEN, sweep, type Who} from '../cluster/jnode.ts'
import {until} from '../cluster/run.ts'
import type {ExtraSshd} from '../cluster/sshd.ts'
import type {HostName} from '../cluster/topology.ts'
import {useLab} from '../cluster/use-lab.ts'
import {PASSWORD} from '../cluster/users.ts'

const lab = await useLab()
const jnode = jnodeIn(lab)
const matching = (text: string | RegExp) => expect.stringMatching(text) as string

beforeEach(async () => {
  for (const host of ['laptop', 'head'] as const) await lab.exec(host, 'alice', 'cp -a ~/.ssh ~/ssh.before')
})
afterEach(async ({task}) => {
  for (const host of ['laptop', 'head'] as const) await lab.exec(host, 'alice', 'rm -rf ~/.ssh ~/answer ~/answers ~/asked && mv ~/ssh.before ~/.ssh')
  if (task.result?.state === 'fail') await sweep(lab)
})

async function at(host: HostName, user: 'alice' | 'root', line: string, input?: string, env: NodeJS.ProcessEnv = {}): Promise<string> {
  const {exitCode, stdout, stderr} = await lab.exec(host, user, `set -e\n${line}`, {env, ...(input === undefined ? {} : {input}), ...(user === 'root' ? {cwd: '/'} : {})})
  if (exitCode !== 0) throw new Error(`${line} ended with ${exitCode}: ${stdout}${stderr}`)
  return stdout
}
const onLaptop = (line: string, input?: string, env?: NodeJS.ProcessEnv) => at('laptop', 'alice', line, input, env)

/** Lines before the rest of alice's configuration of ssh. */
const configured = (lines: string) => onLaptop('cat - ~/.ssh/config >~/.ssh/new; mv ~/.ssh/new ~/.ssh/config; chmod 600 ~/.ssh/config', lines)

/** SSH servers on port 2200 of gateway and head with these settings. */
async function servers(settings: string | ((host: HostName) => Omit<ExtraSshd, 'port'>)): Promise<void> {
  for (const host of ['gateway', 'head'] as const) onTestFinished(await lab.sshd(host, {port: 2200, ...(typeof settings === 'string' ? {settings} : settings(host))}))
}
const THERE = '--host head:2200 --jump gateway:2200'

/** Somebody who gives the same answer to whatever SSH_ASKPASS is asked. */
async function person(answer: string) {
  await onLaptop('cat >~/answer; chmod 700 ~/answer; : >~/asked', '#!/bin/sh\nprintf "%s\\n" "$1" >>~/asked\ncat ~/answers\n')
  await onLaptop('cat >~/answers', `${answer}\n`)
  return {who: {env: {SSH_ASKPASS: '/home/alice/answer', SSH_ASKPASS_REQUIRE: 'force'}} satisfies Who, asked: async () => (await onLaptop('cat ~/asked')).split('\n').filter(Boolean)}
}

/** A whole session by the transport that is chosen by itself, with one login per hop. */
async function session(name: string, who: Who = {}): Promise<void> {
  const before = await Promise.all([lab.accepted('gateway', 0, 2200), lab.accepted('head', 0, 2200), lab.accepted('node1')])
  const {url} = await jnode.ok(`start ${name} ${THERE} --node node1`, who)
  expect(await answers(lab, url!)).toEqual(OPEN)
  expect(await jnode.ok(`status ${name}`)).toMatchObject({state: 'ready', tunnel: 'connected', route: 'socket'})
  await jnode.ok(`stop ${name}`)
  expect(await Promise.all([lab.accepted('gateway', before[0], 2200), lab.accepted('head', before[1], 2200), lab.accepted('node1', before[2])])).toEqual([1, 1, 1])
}

test('Kerberos: a ticket is all there is', async () => {
  const conf = `[libdefaults]\ndefault_realm = LAB\ndns_lookup_kdc = false\ndns_canonicalize_hostname = false\nrdns = false\n[realms]\nLAB = {\n  kdc = gateway\n}\n[domain_realm]\n.local = LAB\n`
  const kdc = '[kdcdefaults]\nkdc_ports = 88\n[realms]\nLAB = {\n  database_name = /run/kdc/principal\n  key_stash_file = /run/kdc/stash\n}\n'
  const env = {KRB5_CONFIG: '/run/kdc/krb5.conf', KRB5_KDC_PROFILE: '/run/kdc/kdc.conf'}
  onTestFinished(async () => void (await at('gateway', 'root', 'kill $(cat /run/kdc/pid); rm -r /run/kdc')))
  await at('gateway', 'root', 'mkdir -p /run/kdc; cat >/run/kdc/krb5.conf', conf)
  await at('gateway', 'root', 'cat >/run/kdc/kdc.conf', kdc)
  await at('gateway', 'root', `kdb5_util create -s -P master >/dev/null 2>&1
kadmin.local addprinc -pw '${PASSWORD}' alice >/dev/null
for host in gateway head; do kadmin.local addprinc -randkey host/$host.local >/dev/null; kadmin.local ktadd -k /run/kdc/$host.keytab host/$host.local >/dev/null; done
krb5kdc -P /run/kdc/pid`, undefined, env)
  const keytab = await at('gateway', 'root', 'base64 /run/kdc/head.keytab')
  await at('head', 'root', 'mkdir -p /run/kdc; base64 -d >/run/kdc/head.keytab', keytab)
  await at('head', 'root', 'cat >/run/kdc/krb5.conf', conf)
  onTestFinished(async () => void (await at('head', 'root', 'rm -r /run/kdc')))
  await servers((host) => ({settings: 'PubkeyAuthentication no\nGSSAPIAuthentication yes\nGSSAPIStrictAcceptorCheck no', before: `export KRB5_CONFIG=/run/kdc/krb5.conf KRB5RCACHENAME=none: KRB5_KTNAME=/run/kdc/${host}.keytab`}))
  await onLaptop('cat >~/krb5.conf', conf)
  onTestFinished(async () => void (await onLaptop('rm -f ~/krb5.conf ~/ticket')))
  const who = {env: {KRB5_CONFIG: '/home/alice/krb5.conf', KRB5CCNAME: 'FILE:/home/alice/ticket'}}
  // Without a word in the configuration ssh does not try it either.
  await configured('Host *\n  GSSAPIAuthentication no\n')
  expect(await jnode.fails(`list ${THERE}`, who)).toMatchObject({exitCode: 3, code: 'login-failed', message: matching(/gssapi-with-mic/)})
  await configured('Host *\n  GSSAPIAuthentication yes\n')
  expect(await jnode.fails(`list ${THERE}`, who), 'no ticket').toMatchObject({exitCode: 3, code: 'login-failed'})
  await onLaptop('kinit alice >/dev/null', `${PASSWORD}\n`, who.env)
  await session('kerberos', who)
  await nothingLeft(lab)
})

test('a FIDO key (sk-): a security key that is a library here', async () => {
  const provider = '/usr/lib/openssh/regress/misc/sk-dummy/sk-dummy.so'
  await onLaptop(`ssh-keygen -q -t ed25519-sk -w ${provider} -N '' -f ~/.ssh/id_ed25519_sk; rm ~/.ssh/id_ed25519 ~/.ssh/id_ed25519.pub`)
  await configured(`SecurityKeyProvider ${provider}\n`)
  const key = await onLaptop('cat ~/.ssh/id_ed25519_sk.pub')
  for (const host of ['gateway', 'head'] as const) {
    await at(host, 'alice', 'cat >~/sk.pub', key)
    onTestFinished(async () => void (await at(host, 'alice', 'rm -f ~/sk.pub')))
  }
  await at('head', 'alice', 'cat ~/sk.pub >>~/.ssh/authorized_keys') // for the node
  await servers('AuthorizedKeysFile /home/alice/sk.pub')
  await session('fido')
  await nothingLeft(lab)
})

test('a PKCS#11 token: its PIN is asked for through us', async () => {
  const provider = '/usr/lib/softhsm/libsofthsm2.so'
  const env = {SOFTHSM2_CONF: '/home/alice/softhsm.conf'}
  onTestFinished(async () => void (await onLaptop('rm -rf ~/softhsm.conf ~/tokens ~/token.pem')))
  await onLaptop('mkdir ~/tokens; cat >~/softhsm.conf', 'directories.tokendir = /home/alice/tokens\n')
  await onLaptop('softhsm2-util --init-token --free --label lab --pin 1234 --so-pin 4321 >/dev/null; openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out ~/token.pem 2>/dev/null; softhsm2-util --import ~/token.pem --token lab --label key --id 01 --pin 1234 >/dev/null; rm ~/token.pem ~/.ssh/id_ed25519*', undefined, env)
  const key = await onLaptop(`ssh-keygen -D ${provider}`, undefined, env)
  for (const host of ['gateway', 'head'] as const) {
    await at(host, 'alice', 'cat >~/token.pub', key)
    onTestFinished(async () => void (await at(host, 'alice', 'rm -f ~/token.pub')))
  }
  await at('head', 'alice', 'cat ~/token.pub >>~/.ssh/authorized_keys')
  await servers('AuthorizedKeysFile /home/alice/token.pub')
  await configured(`PKCS11Provider ${provider}\n`)
  const {who, asked} = await person('1234')
  await session('token', {env: {...env, ...who.env}})
  const questions = await asked()
  expect(new Set(questions)).toEqual(new Set([matching(/PIN for 'lab'/)]))
  await nothingLeft(lab)
})

test('a ProxyCommand that hands its connection over (ProxyUseFdpass)', async () => {
  const program = `import socket, sys
s = socket.create_connection((sys.argv[1], int(sys.argv[2])))
socket.send_fds(socket.socket(fileno=1), [b'\\0'], [s.fileno()])
`
  await onLaptop('cat >~/pass.py', program)
  onTestFinished(async () => void (await onLaptop('rm -f ~/pass.py')))
  await configured('Host gateway\n  ProxyCommand python3 /home/alice/pass.py %h %p\n  ProxyUseFdpass yes\n')
  await servers('# as usual')
  await session('fdpass')
  await nothingLeft(lab)
})

test('PuTTY’s keys: version 2 is read, version 3 is told how to convert', async () => {
  const make = async (version: number) => {
    await onLaptop(`rm -f ~/.ssh/id_* ~/.ssh/key.ppk; ssh-keygen -q -t rsa -b 2048 -m PEM -N '' -f ~/.ssh/made
puttygen ~/.ssh/made -O private --ppk-param version=${version} --new-passphrase <(printf 'open sesame') -o ~/.ssh/key.ppk; chmod 600 ~/.ssh/key.ppk`)
    for (const host of ['gateway', 'head'] as const) await at(host, 'alice', 'cat >~/ppk.pub', await onLaptop('cat ~/.ssh/made.pub'))
    await onLaptop('rm ~/.ssh/made ~/.ssh/made.pub')
  }
  for (const host of ['gateway', 'head'] as const) onTestFinished(async () => void (await at(host, 'alice', 'rm -f ~/ppk.pub')))
  await servers('AuthorizedKeysFile /home/alice/ppk.pub')
  await configured('IdentityFile ~/.ssh/key.ppk\n')
  const {who, asked} = await person('open sesame')
  await make(2)
  await jnode.ok(`start x --dry-run ${THERE}`, who)
  expect(await asked()).toEqual([matching(/^Enter passphrase for key '.*key\.ppk'/)])
  await make(3)
  expect(await jnode.fails(`start x --dry-run ${THERE}`, who)).toMatchObject({exitCode: 3, code: 'login-failed', message: matching(/key\.ppk is a PuTTY key of a kind not read here \(convert it: puttygen FILE -O private-openssh/)})
})

test('a password that has expired, by PAM: changed while logging in, and the new one counts', async () => {
  const pam = 'auth required pam_unix.so\naccount required pam_unix.so\npassword required pam_unix.so sha512\nsession required pam_permit.so\n'
  // A file that is mounted cannot be replaced, as a change of password does.
  const before = 'cp -a /etc /run/etc && mount --bind /run/etc /etc && chage -d 0 alice'
  onTestFinished(async () => void (await at('gateway', 'root', 'rm -rf /run/etc')))
  onTestFinished(await lab.sshd('gateway', {port: 2201, settings: 'UsePAM yes\nKbdInteractiveAuthentication yes\nPubkeyAuthentication no', pam, before}))
  const running = jnode.spawn('start x --detach --host head --jump gateway:2201', {terminal: true})
  await running.says('Password: (alice@gateway)')
  running.type(`${PASSWORD}\r`)
  await running.says('Current password:')
  running.type(`${PASSWORD}\r`)
  await running.says('New password:')
  running.type('an0ther-Horse\r')
  await running.says('Retype new password:')
  running.type('an0ther-Horse\r')
  const {exitCode, stdout} = await running.ended
  const url = /http:\S+token=\w+/.exec(stdout)?.[0]
  expect(stdout).not.toContain('an0ther')
  expect(exitCode).toBe(0)
  // A keeper that comes back by itself gives the new one.
  const logins = await countLogins(lab)
  await at('gateway', 'root', 'for child in $(pgrep -P $(cat /run/sshd-2201/pid)); do pkill -KILL -P $child || true; kill -KILL $child || true; done')
  await until('the tunnel is back', async () => (await logins()).head === 1 && (await answers(lab, url!)).withToken === 200, 60_000)
  await jnode.ok('stop x')
  await nothingLeft(lab)
})
