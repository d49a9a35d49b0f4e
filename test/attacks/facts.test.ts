/**
 * A program that runs as the user on the cluster writes ~/.bashrc and everything below ~/.jnode. No word of it becomes a command,
 * a file or a line of configuration on the laptop. Each attack would leave a file `pwned` there.
 */
import {afterEach, expect, onTestFinished, test} from 'vitest'
import type {SessionView} from '../../src/flows/session-view.ts'
import {answers, jnodeIn, nothingLeft, sweep, type Who} from '../cluster/jnode.ts'
import {until} from '../cluster/run.ts'
import {useLab} from '../cluster/use-lab.ts'

const lab = await useLab()
const jnode = jnodeIn(lab)

const onLaptop = (line: string) => lab.exec('laptop', 'alice', line)
const onHead = (line: string, input?: string) => lab.exec('head', 'alice', line, input === undefined ? {} : {input})

afterEach(async ({task}) => {
  const left = await onLaptop('find / -xdev -name "pwned*" -not -path "/proc/*" 2>/dev/null; true')
  await onHead('cp ~/.bashrc.before ~/.bashrc 2>/dev/null; rm -f ~/.bashrc.before ~/pwned*; true')
  if (task.result?.state === 'fail') await sweep(lab)
  expect(left.stdout).toBe('')
})

/** Puts the lines before alice's own start-up file, which every command by ssh reads. */
async function inBashrc(lines: string): Promise<void> {
  await onHead('[ -e ~/.bashrc.before ] || cp ~/.bashrc ~/.bashrc.before 2>/dev/null || touch ~/.bashrc.before; { cat -; cat ~/.bashrc.before; } >~/.b && mv ~/.b ~/.bashrc', lines)
}

/** Changes a session's facts on the cluster as a notebook cell could. */
async function poison(session: string, changes: object): Promise<void> {
  const program = 'const [file, changes] = process.argv.slice(1); const fs = require("fs"); fs.writeFileSync(file, JSON.stringify({...JSON.parse(fs.readFileSync(file)), ...JSON.parse(changes)}))'
  const {exitCode, stderr} = await lab.exec('head', 'alice', ['node', '-e', program, `/home/alice/.jnode/sessions/${session}/session.json`, JSON.stringify(changes)])
  expect({exitCode, stderr}).toEqual({exitCode: 0, stderr: ''})
}

const facts = async (session: string) => JSON.parse((await onLaptop(`cat ~/.local/state/jnode/sessions/head/${session}.json`)).stdout) as {headAddress?: string}

test('what the head calls its address is no command, after links were lost and for the next jnode', async () => {
  const who: Who = {env: {JNODE_TRANSPORT: 'openssh'}}
  await inBashrc(`export SSH_CONNECTION='1 1 "'\\''$(id>/tmp/pwned)'\\''" 1'\n`)
  const session = await jnode.ok('start nb --host head --node node1', who)
  for (const times of [1, 2]) {
    const before = await lab.accepted('head')
    await lab.endSessions('head')
    await until(`connected again, ${times}`, async () => (await lab.accepted('head')) > before && (await answers(lab, session.url!)).withToken === 200, 60_000)
  }
  await jnode.ok('disconnect nb', who)
  expect(await facts('nb')).not.toHaveProperty('headAddress')
  // Saved by a jnode that believed it.
  await onLaptop(`cd ~/.local/state/jnode/sessions/head && sed -i 's|"token"|"headAddress": "\\x27$(id>/tmp/pwned-saved)\\x27",\\n  "token"|' nb.json`)
  expect((await facts('nb')).headAddress).toContain('$(id')
  expect((await jnode.run('logs nb', who)).exitCode).toBe(0)
  await jnode.ok('stop nb', who)
  await nothingLeft(lab)
})

test.each(['openssh', 'ssh2'])('a head does not choose where its gateway connects to: %s', async (transport) => {
  const who: Who = {env: {JNODE_TRANSPORT: transport}}
  // The gateway's own side of the network: an sshd listens there, and the head's name does not mean it.
  await inBashrc(`export SSH_CONNECTION='10.10.1.11 40000 10.10.2.2 22'\n`)
  const session = await jnode.ok('start nb --host head --node node1', who)
  const [gateway, head] = [await lab.accepted('gateway'), await lab.accepted('head')]
  const fromItself = async () => Number((await lab.exec('gateway', 'root', 'grep -c "^Connection from 10.10.2.2 " /var/log/sshd.log; true', {cwd: '/'})).stdout)
  const before = await fromItself()
  await lab.endSessions('head')
  await until('connected again', async () => (await lab.accepted('head')) > head && (await answers(lab, session.url!)).withToken === 200, 60_000)
  expect(await fromItself() - before).toBe(0)
  expect(await lab.accepted('gateway') - gateway, 'one login to the gateway, as always').toBe(1)
  await jnode.ok('stop nb', who)
  await nothingLeft(lab)
})

const LINES = "* \\'\n  ProxyCommand sh -c id>/tmp/pwned;cat\nHost decoy \\'"

test('a session whose facts do not fit is broken: said by each command, used by none', async () => {
  await jnode.ok('start nb --host head --no-wait --sge-arg -h')
  const other: Who = {host: 'laptop2'}
  const whole = (await onHead('cat ~/.jnode/sessions/nb/session.json')).stdout
  const why = (key: string) => `Session "nb" on head cannot be read: session.json lacks a right value for ${key}`
  for (const [changes, key] of [[{jobId: '1;id>/tmp/pwned'}, 'jobId'], [{remoteDir: '/home/alice'}, 'remoteDir'], [{name: LINES}, 'name']] as const) {
    await onHead('cat >~/.jnode/sessions/nb/session.json', whole)
    await poison('nb', changes)
    expect(await jnode.ok('list --host head', other)).toEqual({sessions: [], warnings: [why(key)]})
  }
  for (const command of ['connect nb', 'logs nb', 'ssh-config nb', 'status nb']) expect(await jnode.fails(`${command} --host head`, other), command).toMatchObject({code: 'no-session', message: why('name')})
  // A head that shows every session whatever it is asked for.
  await inBashrc(`case $BASH_EXECUTION_STRING in *'/bin/sh -s') sed -u '/^for dir in /,/; do$/c\\for dir in *; do' | /bin/sh -s; exit;; esac\n`)
  expect(await jnode.run('ssh-config --host head', other)).toMatchObject({exitCode: 8, stdout: ''})
  await onHead('cp ~/.bashrc.before ~/.bashrc')
  // By its directory's name it can still be ended.
  await jnode.ok('stop nb')
  await nothingLeft(lab)
})

test('a session’s end is written to no file of the user’s', async () => {
  const settings = '~/.config/Code/User/settings.json'
  await onLaptop(`mkdir -p ~/.config/Code/User && echo precious >${settings}`)
  onTestFinished(async () => void (await onLaptop('rm -rf ~/.config/Code; rmdir ~/.config 2>/dev/null; true')))
  const {jobId} = await jnode.ok('start nb --host head --node node1')
  await jnode.ok('disconnect nb')
  await poison('nb', {name: '../../../../../.config/Code/User/settings'})
  const connected = await jnode.json<SessionView>('connect nb')
  expect(connected.exitCode).toBe(8)
  await onHead(`qdel ${jobId}`)
  await until('the job is gone', async () => (await lab.jobs('alice')).length === 0)
  await jnode.run('status nb')
  expect((await onLaptop(`cat ${settings}`)).stdout).toBe('precious\n')
  await jnode.ok('stop nb')
  await nothingLeft(lab)
})

test('a node that calls itself an option or shell text is no node', async () => {
  await jnode.ok('start nb --host head --node node1')
  await jnode.ok('disconnect nb')
  for (const name of ['-oProxyCommand=id>/tmp/pwned', "'$(id>/tmp/pwned)'", "n';id>/tmp/pwned;'"]) {
    const record = ['jnode-record 1', 'start x.1', `name ${name}`, `address ${name}`, 'endpoint tcp 127.0.0.1 8888', `node ${name}`, 'listening', ''].join('\n')
    await onHead('cat >>~/.jnode/sessions/nb/record', record)
    expect(await jnode.fails('ssh-config nb')).toMatchObject({code: 'no-route', message: 'The job of nb does not run yet'})
    expect(await jnode.fails('connect nb --transport openssh --wait 2s')).toMatchObject({code: 'gave-up'})
  }
  await jnode.ok('stop nb')
  await nothingLeft(lab)
})
