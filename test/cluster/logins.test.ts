/** Each way to log in that docs/logins.md names, on real sshd. Servers with other settings than the lab's own listen on other ports. */
import {afterEach, beforeEach, describe, expect, onTestFinished, test} from 'vitest'
import {answers, countLogins, jnodeIn, nothingLeft, OPEN, sweep, type Who} from './jnode.ts'
import {until} from './run.ts'
import type {ExtraSshd} from './sshd.ts'
import type {HostName} from './topology.ts'
import {useLab} from './use-lab.ts'
import {PASSWORD} from './users.ts'

const lab = await useLab()
const jnode = jnodeIn(lab)
const matching = (text: string | RegExp) => expect.stringMatching(text) as string

/** What a test does to alice's ~/.ssh on the laptop and the servers is undone after it. */
beforeEach(async () => {
  for (const host of ['laptop', 'gateway', 'head'] as const) await lab.exec(host, 'alice', 'cp -a ~/.ssh ~/ssh.before')
})
afterEach(async ({task}) => {
  for (const host of ['laptop', 'gateway', 'head'] as const) await lab.exec(host, 'alice', 'rm -rf ~/.ssh ~/answers ~/asked ~/answer && mv ~/ssh.before ~/.ssh')
  if (task.result?.state === 'fail') await sweep(lab)
})

async function onLaptop(line: string, input?: string): Promise<string> {
  const {exitCode, stdout, stderr} = await lab.exec('laptop', 'alice', line, {...(input === undefined ? {} : {input})})
  if (exitCode !== 0) throw new Error(`${line} ended with ${exitCode}: ${stderr}`)
  return stdout
}

async function sshd(host: HostName, settings: ExtraSshd): Promise<void> {
  onTestFinished(await lab.sshd(host, settings))
}

/** Somebody who gives these answers, one after the other, to what SSH_ASKPASS is asked. */
async function person(given: readonly string[]) {
  const program = '#!/bin/sh\nprintf "%s\\n" "$1" >>~/asked\nhead -n 1 ~/answers\nsed -i 1d ~/answers\n'
  await onLaptop('cat >~/answer && chmod 700 ~/answer && : >~/asked', program)
  await onLaptop('cat >~/answers', given.map((line) => `${line}\n`).join(''))
  const env = {SSH_ASKPASS: '/home/alice/answer', SSH_ASKPASS_REQUIRE: 'force'}
  return {
    who: {env} satisfies Who,
    asked: async () => (await onLaptop('cat ~/asked')).split('\n').filter(Boolean),
    left: async () => (await onLaptop('cat ~/answers')).split('\n').filter(Boolean),
  }
}

const CODES = ['31415926', '27182818', '16180339']

/** Codes of paper, each good once, so that a second login with one would be seen. */
async function secondFactor(): Promise<void> {
  onTestFinished(async () => void (await lab.exec('gateway', 'root', 'rm -f /home/alice/.google_authenticator', {cwd: '/'})))
  const file = ['JBSWY3DPEHPK3PXPJBSWY3DPEH', '" TOTP_AUTH', ...CODES, ''].join('\n')
  await lab.exec('gateway', 'alice', 'umask 077 && cat >~/.google_authenticator', {input: file})
}
const codesLeft = async () => (await lab.exec('gateway', 'alice', 'grep -xE "[0-9]{8}" ~/.google_authenticator')).stdout.split('\n').filter(Boolean)

const PAM = (...modules: string[]) => `${modules.map((module) => `auth requisite ${module}\n`).join('')}account required pam_permit.so\nsession required pam_permit.so\n`
const CODE = 'pam_google_authenticator.so'
const UNIX = 'pam_unix.so'
const WITH_PAM = 'UsePAM yes\nKbdInteractiveAuthentication yes\nPubkeyAuthentication yes\n'

const LOCKED = 'cd ~/.ssh && ssh-keygen -q -p -N "open sesame" -f id_ed25519'
const AGENT = 'cd ~/.ssh && rm -f agent && eval $(ssh-agent -a ~/.ssh/agent) >/dev/null && ssh-add -q id_ed25519 && echo $SSH_AGENT_PID >agent.pid && rm id_ed25519 id_ed25519.pub'

interface Row {
  what: string
  /** Settings of the gateway's sshd, and its PAM stack. */
  settings?: string
  pam?: string
  /** Shell text run on the laptop first. */
  before?: string
  env?: NodeJS.ProcessEnv
  /** What is asked, and what is answered. */
  talk: [question: RegExp, answer: string][]
}

const rows: Row[] = [
  {what: 'password only', settings: 'PasswordAuthentication yes\nPubkeyAuthentication no', talk: [[/^alice@gateway's password: $/, PASSWORD]]},
  {what: 'password only, by PAM', settings: 'UsePAM yes\nKbdInteractiveAuthentication yes\nPubkeyAuthentication no', pam: PAM(UNIX), talk: [[/^Password: \(alice@gateway\) $/, PASSWORD]]},
  {what: 'a key with a passphrase', before: LOCKED, talk: [[/^Enter passphrase for key '.*id_ed25519': $/, 'open sesame']]},
  {what: 'an agent only', before: AGENT, env: {SSH_AUTH_SOCK: '/home/alice/.ssh/agent'}, talk: []},
  {what: 'a key, then a code', settings: `${WITH_PAM}AuthenticationMethods publickey,keyboard-interactive`, pam: PAM(CODE), talk: [[/^Verification code: \(alice@gateway\) $/, CODES[0]!]]},
  {what: 'a code, then a password', settings: `${WITH_PAM}AuthenticationMethods keyboard-interactive`, pam: PAM(CODE, UNIX), talk: [[/^Verification code: \(alice@gateway\) $/, CODES[0]!], [/^Password: \(alice@gateway\) $/, PASSWORD]]},
  {what: 'a password, then a code', settings: `${WITH_PAM}AuthenticationMethods keyboard-interactive`, pam: PAM(UNIX, CODE), talk: [[/^Password: \(alice@gateway\) $/, PASSWORD], [/^Verification code: \(alice@gateway\) $/, CODES[0]!]]},
  {what: 'two codes', settings: `${WITH_PAM}AuthenticationMethods keyboard-interactive`, pam: PAM(CODE, `${CODE} [authtok_prompt=Second code: ]`), talk: [[/^Verification code: \(alice@gateway\) $/, CODES[0]!], [/^Second code: \(alice@gateway\) $/, CODES[1]!]]},
  {what: 'one method at a time', settings: 'PasswordAuthentication yes\nAuthenticationMethods publickey,password', talk: [[/password: $/, PASSWORD]]},
  {what: 'one try only', settings: 'MaxAuthTries 1', talk: []},
]

describe('a gateway that takes', () => {
  test.each(rows)('$what: asked once, one login per hop', async ({settings = '', pam, before, env, talk}) => {
    if (pam?.includes(CODE)) await secondFactor()
    if (before) await onLaptop(before)
    if (before === AGENT) onTestFinished(async () => void (await lab.exec('laptop', 'alice', 'pkill -u alice ssh-agent')))
    await sshd('gateway', {port: 2201, settings, ...(pam ? {pam} : {})})
    const {who, asked, left} = await person(talk.map(([, answer]) => answer))
    const logins = [await lab.accepted('gateway', 0, 2201), await lab.accepted('head')] as const
    await jnode.ok('start x --dry-run --host head --jump gateway:2201', {env: {...who.env, ...env}})
    const questions = await asked()
    expect(questions).toHaveLength(talk.length)
    for (const [i, [question]] of talk.entries()) expect(questions[i]).toMatch(question)
    expect(await left()).toEqual([])
    expect([await lab.accepted('gateway', logins[0], 2201), await lab.accepted('head', logins[1])]).toEqual([1, 1])
    if (pam?.includes(CODE)) expect(await codesLeft()).toEqual(CODES.filter((code) => !talk.some(([, answer]) => answer === code)))
  })
})

describe('a password typed in the terminal', () => {
  const open = () => sshd('gateway', {port: 2201, settings: 'PasswordAuthentication yes\nPubkeyAuthentication no\nMaxAuthTries 3'})
  const again = (times: number) => new RegExp(`(Permission denied, please try again[^]*){${times}}password:`)

  test('wrong three times, which is all the server gives: refused, exit code 3', async () => {
    await open()
    const running = jnode.spawn('start x --dry-run --host head --jump gateway:2201', {terminal: true})
    await running.says("alice@gateway's password:")
    running.type('wrong\r')
    await running.says(again(1))
    running.type('wrong too\r')
    await running.says(again(2))
    running.type('wrong as well\r')
    const {exitCode, stdout} = await running.ended
    expect(stdout).toMatch(/alice@gateway:2201 refused the login[^]*password/)
    expect(stdout).not.toContain('wrong')
    expect(exitCode).toBe(3)
  })

  test('right at the third time', async () => {
    await open()
    const running = jnode.spawn('start x --dry-run --host head --jump gateway:2201', {terminal: true})
    await running.says("alice@gateway's password:")
    running.type('wrong\r')
    await running.says(again(1))
    running.type('wrong too\r')
    await running.says(again(2))
    running.type(`${PASSWORD}\r`)
    const {exitCode, stdout} = await running.ended
    expect(exitCode).toBe(0)
    expect(stdout).toContain('qsub ')
    expect(stdout).not.toContain(PASSWORD)
  })
})

describe('the time of --wait is over', () => {
  test('while a password is asked for: exit code 7, and nothing is left', async () => {
    await sshd('gateway', {port: 2201, settings: 'PasswordAuthentication yes\nPubkeyAuthentication no'})
    const running = jnode.spawn('start x --wait 3s --host head --jump gateway:2201', {terminal: true})
    await running.says("alice@gateway's password:")
    const {exitCode, stdout} = await running.ended
    expect(stdout).toContain('The server was not ready within 3 s')
    expect(exitCode).toBe(7)
    await nothingLeft(lab)
  })

  test('while ssh is asked for its configuration: exit code 7', async () => {
    await onLaptop('cat - ~/.ssh/config >~/.ssh/new && mv ~/.ssh/new ~/.ssh/config', 'Match exec "exec sleep 6"\n  User nobody\n')
    expect(await jnode.fails('start x --wait 1s --host head')).toMatchObject({exitCode: 7, code: 'gave-up', message: 'The server was not ready within 1 s'})
  })
})

describe('a whole session', () => {
  test('one hop to the head: one login per hop', async () => {
    await lab.exec('gateway', 'alice', 'umask 077 && cat >~/.ssh/id_ed25519', {input: await onLaptop('cat ~/.ssh/id_ed25519')})
    await lab.exec('gateway', 'alice', 'cat >~/.ssh/known_hosts', {input: await onLaptop('cat ~/.ssh/known_hosts')})
    const logins = await countLogins(lab)
    const session = await jnode.ok('start one --host head --node node1', {host: 'gateway'})
    expect(await answers(lab, session.url!, {host: 'gateway'})).toEqual(OPEN)
    await jnode.ok('stop', {host: 'gateway'})
    expect(await logins()).toEqual({gateway: 0, head: 1, node1: 1, node2: 0})
    await nothingLeft(lab)
  })

  test('three hops to the head, a password on each and on the node: each asked for once, by the name of its host', async () => {
    await onLaptop(`sed -n 's/^gateway,/gateway-lan,/p' ~/.ssh/known_hosts >~/lan && cat ~/lan >>~/.ssh/known_hosts && rm ~/lan`)
    const settings = 'PasswordAuthentication yes\nPubkeyAuthentication no'
    await lab.stopDaemon('node1', 'sshd')
    onTestFinished(() => lab.startDaemon('node1', 'sshd'))
    const servers = [['gateway', 2201], ['gateway', 2202], ['head', 2203], ['node1', 22]] as const
    for (const [host, port] of servers) await sshd(host, {port, settings})
    const before = await Promise.all(servers.map(([host, port]) => lab.accepted(host, 0, port)))
    const {who, asked} = await person([PASSWORD, PASSWORD, PASSWORD, PASSWORD])
    const session = await jnode.ok('start far --host head:2203 --jump gateway:2201 --jump gateway-lan:2202 --node node1', who)
    expect(await answers(lab, session.url!)).toEqual(OPEN)
    expect(await asked()).toEqual(["alice@gateway's password: ", "alice@gateway-lan's password: ", "alice@head's password: ", "alice@node1.local's password: "])
    await jnode.ok('stop')
    expect(await Promise.all(servers.map(([host, port], i) => lab.accepted(host, before[i], port)))).toEqual([1, 1, 1, 1])
    await nothingLeft(lab)
  })

  test('behind a key and a code: one code for the first start, none for anything while it is kept', async () => {
    await secondFactor()
    await sshd('gateway', {port: 2201, settings: `${WITH_PAM}AuthenticationMethods publickey,keyboard-interactive`, pam: PAM(CODE)})
    const {who, asked} = await person([CODES[0]!])
    await jnode.ok('start first --host head --jump gateway:2201 --node node1', who)
    const logins = [await lab.accepted('gateway', 0, 2201), await lab.accepted('head')] as const
    // Nobody can be asked any more.
    expect((await jnode.ok<{sessions: unknown[]}>('list')).sessions).toMatchObject([{name: 'first', state: 'ready', tunnel: 'connected'}])
    expect((await jnode.run('logs first')).exitCode).toBe(0)
    const second = await jnode.ok('start second --host head --jump gateway:2201 --node node2')
    expect(await answers(lab, second.url!)).toEqual(OPEN)
    expect((await jnode.run('ssh second -- hostname')).stdout).toBe('node2.local\n')
    await jnode.ok('stop second')
    await jnode.ok('stop first')
    expect([await lab.accepted('gateway', logins[0], 2201), await lab.accepted('head', logins[1])]).toEqual([0, 0])
    expect(await asked()).toHaveLength(1)
    expect(await codesLeft()).toEqual(CODES.slice(1))
    await nothingLeft(lab)
  })

  test('on a node that wants a password, over a connection that is lent: asked for once', async () => {
    await jnode.ok('start lender --host head --node node2')
    await lab.stopDaemon('node1', 'sshd')
    onTestFinished(() => lab.startDaemon('node1', 'sshd'))
    await sshd('node1', {port: 22, settings: 'PasswordAuthentication yes\nPubkeyAuthentication no'})
    const logins = await countLogins(lab)
    const {who, asked} = await person([PASSWORD, PASSWORD])
    const session = await jnode.ok('start asking --host head --node node1 --route socket', who)
    expect(await answers(lab, session.url!)).toEqual(OPEN)
    expect(await asked()).toEqual(["alice@node1.local's password: "])
    expect((await jnode.run('ssh asking -- hostname', who)).stdout).toBe('node1.local\n')
    expect(await asked()).toHaveLength(2)
    expect(await logins()).toEqual({gateway: 0, head: 0, node1: 2, node2: 0})
    await jnode.ok('stop --all')
    await nothingLeft(lab)
  })

  test('on a head with MaxSessions 1 and MaxStartups 2', async () => {
    await sshd('head', {port: 2203, settings: 'MaxSessions 1\nMaxStartups 2'})
    const session = await jnode.ok('start narrow --host head:2203 --jump gateway')
    expect(await answers(lab, session.url!)).toEqual(OPEN)
    expect(await jnode.ok('status')).toMatchObject({state: 'ready'})
    await jnode.ok('stop')
    await nothingLeft(lab)
  })
})

test('hosts written as ssh:// addresses and as IPv6 addresses', async () => {
  const [type, key] = (await lab.hostKey('gateway')).split(' ')
  await onLaptop(`echo '[::1]:2205 ${type} ${key}' >>~/.ssh/known_hosts`)
  await sshd('gateway', {port: 2205, settings: 'ListenAddress ::1'})
  const logins = [await lab.accepted('gateway', 0, 2205), await lab.accepted('head')] as const
  await jnode.ok("start x --dry-run --jump ssh://alice@gateway:22 --jump '[::1]:2205' --host ssh://head")
  expect([await lab.accepted('gateway', logins[0], 2205), await lab.accepted('head', logins[1])]).toEqual([1, 1])
})

test('old algorithms, where ssh’s configuration allows them and only there', async () => {
  await sshd('gateway', {port: 2201, settings: 'KexAlgorithms diffie-hellman-group14-sha1\nCiphers aes256-cbc\nMACs hmac-sha1'})
  const line = 'start x --dry-run --host head --jump gateway:2201'
  expect(await jnode.fails(line)).toMatchObject({exitCode: 3, code: 'unreachable', message: matching(/The SSH handshake with gateway failed: .*no matching key exchange algorithm/)})
  await onLaptop('cat - ~/.ssh/config >~/.ssh/new && mv ~/.ssh/new ~/.ssh/config', 'Host gateway\n  KexAlgorithms +diffie-hellman-group14-sha1\n  Ciphers +aes256-cbc\n')
  await jnode.ok(line)
})

describe('a head node that is really several, under one name', () => {
  const A = '10.10.2.1'
  const B = '10.10.3.1'
  const head = (address: string) => lab.sshd('head', {port: 2204, address, settings: ''})
  const known = (host: HostName) => lab.exec(host, 'alice', 'sed -n s/^head,/login,[login]:2204,/p ~/.ssh/known_hosts >~/login && cat ~/login >>~/.ssh/known_hosts && rm ~/login')
  const accepted = async (address: string) => Number((await lab.exec('head', 'root', `grep -c '^Accepted .* for alice' /var/log/sshd-2204-${address}.log || true`, {cwd: '/'})).stdout)

  const connectedAgain = (times: number) => until('the tunnel is back', async () => (await onLaptop('tac ~/.local/state/jnode/keeper.log | sed "/ keeping /q"')).split('Connected again').length > times, 60_000)

  test.each(['ssh2', 'openssh'])('the one that was taken is taken again, and another one when it has died: %s', async (transport) => {
    const who: Who = {env: {JNODE_TRANSPORT: transport}}
    const ok = (line: string) => jnode.ok(line, who)
    await known('laptop')
    const stopB = await head(B)
    const session = await ok('start several --host login:2204 --jump gateway')
    expect(await answers(lab, session.url!)).toEqual(OPEN)
    const logins = await accepted(B)
    // The name's first address, as the gateway's resolver sorts them, works from now on; yet the session stays where it was.
    onTestFinished(await head(A))
    const atA = await accepted(A)
    await lab.exec('head', 'root', `for child in $(pgrep -P $(cat /run/sshd-2204-${B}/pid)); do pkill -KILL -P $child; kill -KILL $child; done`, {cwd: '/'})
    await connectedAgain(1)
    expect([await accepted(A) - atA, await accepted(B) - logins]).toEqual([0, 1])
    // Without a keeper as well.
    await ok('disconnect several')
    expect((await jnode.run('logs several', who)).exitCode).toBe(0)
    await ok('connect several')
    expect([await accepted(A) - atA, await accepted(B) - logins]).toEqual([0, 3])
    await stopB()
    await connectedAgain(1)
    expect(await answers(lab, session.url!)).toEqual(OPEN)
    expect(await accepted(A) - atA).toBe(1)
    await ok('disconnect several')
    await ok('stop several')
    expect(await accepted(A) - atA).toBe(2)
    await nothingLeft(lab)
  })

  test('straight from here: the first of its addresses that answers', async () => {
    await lab.exec('gateway', 'alice', 'umask 077 && cat >~/.ssh/id_ed25519', {input: await onLaptop('cat ~/.ssh/id_ed25519')})
    await lab.exec('gateway', 'alice', 'cat >~/.ssh/known_hosts', {input: await onLaptop('cat ~/.ssh/known_hosts')})
    await known('gateway')
    onTestFinished(await head(B))
    const before = await accepted(B)
    await jnode.ok('start x --dry-run --host login:2204', {host: 'gateway'})
    expect(await accepted(B) - before).toBe(1)
  })
})

describe('a gateway that takes two unfinished logins at once (MaxStartups), and is busy with two', () => {
  const line = 'start x --dry-run --host head --jump gateway:2201'
  async function busy() {
    await sshd('gateway', {port: 2201, settings: 'MaxStartups 2'})
    const others = lab.spawn('laptop', 'bob', 'exec 3<>/dev/tcp/gateway/2201 4<>/dev/tcp/gateway/2201; echo held; sleep 100')
    onTestFinished(() => void others.kill())
    await new Promise((held) => others.stdout!.once('data', held))
    return others
  }
  const dropped = async () => Number((await lab.exec('gateway', 'root', 'grep -c "past MaxStartups" /var/log/sshd-2201.log', {cwd: '/'})).stdout)

  test('is asked again until they are done', async () => {
    const others = await busy()
    const before = await dropped()
    const running = jnode.spawn(line)
    await until('a connection was dropped', async () => (await dropped()) > before)
    others.kill()
    expect(await running.ended).toMatchObject({exitCode: 0, stdout: matching(/^qsub/)})
  })

  test('is given up in one sentence where they never are', async () => {
    await busy()
    expect(await jnode.fails(line)).toMatchObject({exitCode: 3, code: 'unreachable', message: matching(/gateway closed the connection before/), hint: matching(/no more logins at once/)})
  })
})

describe('a host key that has changed', () => {
  /** A server that has taken the place of a hop: it lets everybody in, and writes down what it is sent. */
  async function impostor(port: number) {
    const server = lab.spawn('gateway', 'bob', ['node', '/srv/jnode/test/cluster/programs/impostor.js', String(port)])
    onTestFinished(() => void server.kill())
    let heard = ''
    server.stdout!.on('data', (data: Buffer) => (heard += data.toString()))
    await until('the impostor listens', () => heard.includes('listening'))
    return () => heard.split('\n').filter((line) => line !== '' && line !== 'listening')
  }

  test('no question is asked and no secret sent; the same server is sent both where its key is known', async () => {
    const heard = await impostor(2301)
    const [type, key] = (await lab.hostKey('gateway')).split(' ')
    await onLaptop(`echo '[gateway]:2301 ${type} ${key}' >>~/.ssh/known_hosts`)
    const {who, asked} = await person([PASSWORD, PASSWORD])
    expect(await jnode.fails('start x --host head --jump gateway:2301', who)).toMatchObject({exitCode: 4, code: 'host-key', message: matching(/gateway:2301/)})
    expect(await asked()).toEqual([])
    expect(heard()).toEqual(['connected'])
    await onLaptop('ssh-keyscan -p 2301 gateway 2>/dev/null >~/.ssh/known_hosts')
    await jnode.fails('start x --host head --jump gateway:2301', who)
    expect(heard()).toContain(`password ${PASSWORD}`)
  })

  test.each([
    ['first', 'gateway', 'start x --host head --jump gateway --jump gateway-lan'],
    ['second', 'gateway-lan', 'start x --host head --jump gateway --jump gateway-lan'],
    ['third', 'head', 'start x --host head --jump gateway --jump gateway-lan'],
  ])('of the %s hop: nobody logs in there', async (_, host, line) => {
    const other = (await lab.hostKey('node2')).split(' ').slice(0, 2).join(' ')
    await onLaptop(`sed -n 's/^gateway,/gateway-lan,/p' ~/.ssh/known_hosts >~/lan && cat ~/lan >>~/.ssh/known_hosts && rm ~/lan && sed -i 's|^${host},\\(.*\\) ssh-ed25519 .*$|${host},\\1 ${other}|' ~/.ssh/known_hosts`)
    const logins = await countLogins(lab)
    const refused = await jnode.fails(line)
    expect(refused).toMatchObject({exitCode: 4, code: 'host-key', message: matching(new RegExp(`host key of alice@${host} has changed: /home/alice/.ssh/known_hosts line \\d`)), hint: matching(/ssh-keygen -f .* -R /)})
    const before = {gateway: {gateway: 0, head: 0}, 'gateway-lan': {gateway: 1, head: 0}, head: {gateway: 2, head: 0}}[host]
    expect(await logins()).toMatchObject(before!)
  })
})

describe('a login shell', () => {
  test.each([['carol', 'tcsh'], ['frank', 'csh'], ['dave', 'fish'], ['erin', 'zsh']])('of %s, which is %s: Grid Engine is found, answers are clean', async (user) => {
    const plan = await jnode.ok<{qsub: string}>('start x --dry-run --host head --cores 2', {user})
    expect(plan.qsub).toMatch(/qsub .*-pe smp 2/)
  })

  test('whose start-up file prints 100 lines and a binary blob: a whole session', async () => {
    onTestFinished(async () => void (await lab.exec('head', 'alice', 'mv ~/bashrc.before ~/.bashrc')))
    await lab.exec('head', 'alice', 'mv ~/.bashrc ~/bashrc.before && { echo \'for i in $(seq 100); do echo "Welcome to line $i"; done; echo "and on stderr" >&2; cat ~/bashrc.blob\'; } >~/.bashrc && head -c 20000 /dev/urandom >~/bashrc.blob')
    const {stdout} = await lab.exec('laptop', 'alice', 'ssh head true | wc -c')
    expect(Number(stdout), 'ssh itself sees it').toBeGreaterThan(20_000)
    const session = await jnode.ok('start noisy --host head')
    expect(await answers(lab, session.url!)).toEqual(OPEN)
    expect(await jnode.ok('status')).toMatchObject({state: 'ready'})
    await jnode.ok('stop')
    await lab.exec('head', 'alice', 'rm ~/bashrc.blob')
    await nothingLeft(lab)
  })
})

describe('a head node where qsub is on the PATH', () => {
  const SETTINGS = '#!/bin/sh\nSGE_ROOT=/var/lib/gridengine; export SGE_ROOT\nSGE_CELL=default; export SGE_CELL\nPATH=/opt/sge/bin:$PATH; export PATH\n'
  /** What `module` is: a function of login shells. The package would define it for the whole machine, where other suites want it to be missing. */
  const MODULE = 'module() { [ "$1 $2" = "load sge" ] || return 1; export SGE_ROOT=/var/lib/gridengine SGE_CELL=default PATH="/opt/sge/bin:$PATH"; }\n'

  /** The commands are nowhere but in /opt/sge/bin, as only this server's users see it. */
  async function elsewhere(further: string) {
    const before = `mount -t tmpfs tmpfs /opt && mkdir -p /opt/sge/bin /opt/sge/default/common
wrapper=/usr/share/gridengine/gridengine-wrapper
for command in /usr/bin/q*; do [ "$(readlink -f $command)" != $wrapper ] || cp $command /opt/sge/bin/; done
mount --bind /dev/null $wrapper
${further}`
    await sshd('head', {port: 2203, settings: '', before})
  }
  const profile = (further: string) => `cat /etc/profile - >/opt/profile <<'END'\n${further}END\nmount --bind /opt/profile /etc/profile`
  const plan = () => jnode.ok<{qsub: string}>('start x --dry-run --host head:2203 --jump gateway')
  const configured = async (setup: string) => {
    onTestFinished(async () => void (await lab.exec('laptop', 'alice', 'rm -r ~/.config/jnode')))
    await onLaptop('mkdir -p ~/.config/jnode && cat >~/.config/jnode/config.toml', `[clusters.site]\nhost = "head:2203"\njump = ["gateway"]\nsge_setup = ${JSON.stringify(setup)}\n`)
  }

  test('nowhere: one sentence that says what was tried', async () => {
    await elsewhere('')
    expect(await jnode.fails('start x --dry-run --host head:2203 --jump gateway')).toMatchObject({exitCode: 5, code: 'no-grid-engine', message: matching(/no qsub on head\.local \(tried: PATH, a bash login shell/), hint: matching(/sge_setup/)})
  })

  test('only after settings.sh in the usual place: found without a word', async () => {
    await elsewhere(`cat >/opt/sge/default/common/settings.sh <<'END'\n${SETTINGS}END`)
    expect((await plan()).qsub).toContain('qsub')
  })

  test('only after settings.sh in a place of its own: with sge_setup', async () => {
    await elsewhere(`mkdir -p /opt/site/here/ours && cat >/opt/site/here/ours/settings.sh <<'END'\n${SETTINGS}END`)
    await configured('. /opt/site/here/ours/settings.sh')
    const session = await jnode.ok('start x --no-wait')
    expect(session.jobId).toMatch(/^\d+$/)
    await jnode.ok('stop')
    await nothingLeft(lab)
  })

  test('only in a login shell', async () => {
    await elsewhere(profile(SETTINGS))
    expect((await plan()).qsub).toContain('qsub')
  })

  test('only through module: with sge_setup', async () => {
    await elsewhere(profile(MODULE))
    await configured('module load sge')
    expect((await jnode.ok<{qsub: string}>('start x --dry-run')).qsub).toContain('qsub')
  })
})
