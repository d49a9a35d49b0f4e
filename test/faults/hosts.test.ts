/** What happens to the SSH servers on the way. */
import {afterEach, describe, expect, onTestFinished, test} from 'vitest'
import {countLogins, jnodeIn, nothingLeft, sweep} from '../cluster/jnode.ts'
import {until} from '../cluster/run.ts'
import {useLab} from '../cluster/use-lab.ts'
import {figure, seconds, through, tunnelOf} from './scene.ts'

const lab = await useLab()

afterEach(async ({task}) => {
  if (task.result?.state === 'fail') await sweep(lab)
})

describe('sshd is restarted, and its sessions with it', () => {
  test.each(['gateway', 'head', 'node1'] as const)('on %s', async (host) => {
    onTestFinished(async () => void (await lab.startDaemon(host, 'sshd').catch(() => {})))
    await through(lab, 'restarted', async ({tunnelIs}) => {
      await lab.stopDaemon(host, 'sshd')
      await lab.exec(host, 'root', 'pkill -KILL -x sshd; true', {cwd: '/'})
      const from = Date.now()
      await tunnelIs('reconnecting')
      await figure(`sshd of ${host} restarted: noticed after`, `${Math.round((Date.now() - from) / 1000)} s`)
      await seconds(8) // a few attempts meet a host that refuses
      await lab.startDaemon(host, 'sshd')
      await tunnelIs('connected')
    }, {flags: '--node node1'})
    // A route that was taken meanwhile is for this session alone.
    expect((await lab.exec('laptop', 'alice', 'ls ~/.local/state/jnode/routes')).stdout).toBe('')
  })
})

/** What an sshd's log says of those who wanted in. (`Postponed publickey` is a key that the server takes and wants a signature for.) */
async function attempts(host: 'gateway' | 'head' | 'node1', port = 22): Promise<{accepted: number; failed: number; connections: number}> {
  const {stdout} = await lab.exec(host, 'root', `cat /var/log/sshd${port === 22 ? '' : `-${port}`}.log`, {cwd: '/'})
  const count = (wanted: RegExp) => stdout.split('\n').filter((line) => wanted.test(line)).length
  return {accepted: count(/^Accepted \S+ for /), failed: count(/^Failed \S+ for |maximum authentication attempts|Too many authentication/), connections: count(/^Connection from /)}
}

test('20 cuts cost one login each per hop, and not one refused attempt', async () => {
  await through(lab, 'often', async ({kernel, tunnelIs}) => {
    const hosts = ['gateway', 'head', 'node1'] as const
    const before = await Promise.all(hosts.map((host) => attempts(host)))
    const logins = await countLogins(lab)
    for (let cut = 1; cut <= 20; cut++) {
      await lab.endSessions('gateway')
      await until(`login ${cut}`, async () => (await logins()).node1! >= cut, 60_000)
      await tunnelIs('connected')
      await kernel.survives()
    }
    expect(await logins()).toEqual({gateway: 20, head: 20, node1: 20, node2: 0})
    const after = await Promise.all(hosts.map((host) => attempts(host)))
    expect(after.map(({failed}, i) => failed - before[i]!.failed)).toEqual([0, 0, 0])
    await figure('20 cuts: logins at gateway, head, node; refused', `20, 20, 20; 0`)
  }, {flags: '--node node1'})
})

test.each(['ssh2', 'openssh'])('home directories are away for 15 s, by %s: the key that is refused meanwhile is tried again, and nobody is needed', async (transport) => {
  onTestFinished(async () => void (await lab.exec('gateway', 'root', 'mv -n /home/alice/.ssh.away /home/alice/.ssh; true', {cwd: '/'})))
  await through(lab, 'away', async ({tunnelIs}) => {
    await lab.exec('gateway', 'root', 'mv /home/alice/.ssh /home/alice/.ssh.away', {cwd: '/'})
    await lab.endSessions('gateway')
    await tunnelIs('reconnecting')
    await seconds(15)
    await tunnelIs('reconnecting', 1000)
    await lab.exec('gateway', 'root', 'mv /home/alice/.ssh.away /home/alice/.ssh', {cwd: '/'})
    await tunnelIs('connected')
  }, {flags: `--host head --transport ${transport}`})
})

test.each(['ssh2', 'openssh'])('with a second factor, by %s: 20 changes of the network and not one attempt, until its owner says `connect`', async (transport) => {
  const codes = ['31415926', '27182818']
  const file = ['JBSWY3DPEHPK3PXPJBSWY3DPEH', '" TOTP_AUTH', ...codes, ''].join('\n')
  const pam = 'auth requisite pam_google_authenticator.so\naccount required pam_permit.so\nsession required pam_permit.so\n'
  const settings = 'UsePAM yes\nKbdInteractiveAuthentication yes\nAuthenticationMethods publickey,keyboard-interactive'
  onTestFinished(await lab.sshd('gateway', {port: 2201, settings, pam}))
  onTestFinished(async () => {
    await lab.exec('gateway', 'root', 'rm -f /home/alice/.google_authenticator', {cwd: '/'})
    await lab.exec('laptop', 'alice', 'rm -rf ~/answer ~/codes ~/bin ~/notices; sed -i "/2201/d" ~/.ssh/known_hosts')
  })
  await lab.exec('gateway', 'alice', 'umask 077 && cat >~/.google_authenticator', {input: file})
  await lab.exec('laptop', 'alice', 'cat >~/codes', {input: `${codes.join('\n')}\n`})
  await lab.exec('laptop', 'alice', 'cat >~/answer && chmod 700 ~/answer', {input: '#!/bin/sh\nhead -n 1 ~/codes\nsed -i 1d ~/codes\n'})
  // The desktop of somebody who writes down what it shows.
  await lab.exec('laptop', 'alice', 'mkdir -p ~/bin && cat >~/bin/notify-send && chmod 700 ~/bin/notify-send', {input: '#!/bin/sh\nprintf "%s|" "$@" >>~/notices\n'})
  const who = {env: {SSH_ASKPASS: '/home/alice/answer', SSH_ASKPASS_REQUIRE: 'force', PATH: '/home/alice/bin:/srv/bin:/usr/local/bin:/usr/bin:/bin'}}
  const jnode = jnodeIn(lab)
  const flags = `--host head --jump gateway:2201 --transport ${transport}`
  await through(lab, 'factor', async ({tunnelIs, session}) => {
    expect((await lab.exec('laptop', 'alice', 'cat ~/codes')).stdout).toBe(`${codes[1]}\n`)
    // Has logged in nowhere itself, and must know all the same.
    await jnode.ok(`start beside ${flags}`, who)
    const before = await attempts('gateway', 2201)
    await lab.exec('gateway', 'root', 'pkill -KILL -u alice -x sshd', {cwd: '/'})
    await tunnelIs('needs-login')
    await until('the other one needs a login, too', async () => (await tunnelOf(lab, 'beside')) === 'needs-login')
    for (let change = 0; change < 20; change++) {
      await lab.link('laptop').down()
      await seconds(1.5)
      await lab.link('laptop').up()
      await seconds(1.5)
    }
    await tunnelIs('needs-login')
    expect(await attempts('gateway', 2201)).toEqual(before)
    await figure('second factor: connections to the gateway in 20 changes of the network', '0')
    const notices = (await lab.exec('laptop', 'alice', 'cat ~/notices')).stdout
    const notice = (name: string) => `--app-name=jnode|--|jnode: ${name}|Log in again with: jnode connect ${name}|`
    expect([notice('factor') + notice('beside'), notice('beside') + notice('factor')]).toContain(notices)
    const page = await lab.exec('laptop', 'alice', ['curl', '-s', '-H', 'Accept: text/html', new URL('/tree', session.url!).href])
    expect(page.stdout).toContain('<code>jnode connect factor</code>')
    expect(page.stdout).not.toContain(new URL(session.url).searchParams.get('token'))
    expect(await jnode.ok(`connect factor ${flags}`, who)).toMatchObject({url: session.url, tunnel: 'connected'})
    expect((await lab.exec('laptop', 'alice', 'cat ~/codes')).stdout).toBe('')
    // A connection is there again, to be used by all.
    await until('the other one has come back by itself', async () => (await tunnelOf(lab, 'beside')) === 'connected')
    await jnode.ok('stop beside')
  }, {flags, who})
  await nothingLeft(lab)
})
