/** `jnode doctor` on a cluster where all is well, and on one where one thing after the other is broken. */
import {afterEach, expect, onTestFinished, test} from 'vitest'
import type {Check} from '../../src/flows/checks.ts'
import {countLogins, jnodeIn, nothingLeft, sweep} from './jnode.ts'
import {useLab} from './use-lab.ts'

const lab = await useLab()
const jnode = jnodeIn(lab)

afterEach(async ({task}) => {
  if (task.result?.state === 'fail') await sweep(lab)
})

interface Report {
  ok: boolean
  cluster: string | null
  checks: Check[]
}

const matching = (text: string | RegExp) => expect.stringMatching(text) as string
const stepsOf = (checks: Check[], state: Check['state']) => checks.filter((check) => check.state === state).map(({step}) => step)

async function report(line: string): Promise<Report & {exitCode: number | null}> {
  const {exitCode, document} = await jnode.json<Report>(`doctor ${line}`)
  return {exitCode, ...document}
}

/** Runs it where something is broken; answers with the one step that failed. */
async function broken(line: string): Promise<Check & {exitCode: number | null}> {
  const {exitCode, ok, checks} = await report(line)
  expect(ok).toBe(false)
  expect(stepsOf(checks, 'failed')).toHaveLength(1)
  return {exitCode, ...checks.find(({state}) => state === 'failed')!}
}

async function onLaptop(line: string, input?: string): Promise<void> {
  const {exitCode, stderr} = await lab.exec('laptop', 'alice', line, {...(input === undefined ? {} : {input})})
  if (exitCode !== 0) throw new Error(`${line} ended with ${exitCode}: ${stderr}`)
}

async function configured(text: string): Promise<void> {
  onTestFinished(() => onLaptop('rm -r ~/.config/jnode'))
  await onLaptop('mkdir -p ~/.config/jnode && cat >~/.config/jnode/config.toml', text)
}

/** A head node that is broken for those who come through this port. */
async function headWith(before: string): Promise<string> {
  onTestFinished(await lab.sshd('head', {port: 2203, settings: '', before}))
  return '--host head:2203 --jump gateway'
}

test('all is well: every step with what was seen, in order, by one login per hop; nothing is left', async () => {
  const logins = await countLogins(lab)
  const {exitCode, ok, cluster, checks} = await report('--host head')
  expect({exitCode, ok, cluster}).toEqual({exitCode: 0, ok: true, cluster: 'head'})
  expect(stepsOf(checks, 'ok')).toEqual([
    'configuration', 'local port', 'ssh program', 'ssh configuration',
    'alice@gateway: resolve', 'alice@gateway: connect', 'alice@gateway: host key', 'alice@gateway: login',
    'alice@head: connect', 'alice@head: host key', 'alice@head: login',
    'login shell', 'Grid Engine', 'scheduler', 'parallel environment', 'memory', 'GPUs', 'home directory', 'Jupyter', 'kernels',
  ])
  expect(stepsOf(checks, 'skipped')).toEqual(['job', 'routes'])
  const saw = Object.fromEntries(checks.map((check) => [check.step, check.saw]))
  expect(saw['ssh configuration']).toBe('the way is alice@gateway -> alice@head')
  expect(saw['alice@gateway: resolve']).toBe('10.10.1.1')
  expect(saw['alice@gateway: host key']).toBe(`ED25519 ${(await lab.exec('gateway', 'root', 'ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub', {cwd: '/'})).stdout.split(' ')[1]}`)
  expect(saw['alice@head: login']).toMatch(/^by \/home\/alice\/\.ssh\/id_ed25519; it offers publickey \(OpenSSH_/)
  expect(saw['parallel environment']).toMatch(/^smp /)
  expect(await logins()).toEqual({gateway: 1, head: 1, node1: 0, node2: 0})
  await nothingLeft(lab)
})

test('with a job: the node, Jupyter and a byte through each route are seen, by one login per hop; nothing is left', async () => {
  const logins = await countLogins(lab)
  const {exitCode, ok, checks} = await report('--host head --job')
  expect({exitCode, ok}).toEqual({exitCode: 0, ok: true})
  const named = (step: string) => step.replace(/node\d/, 'node')
  const of = (name: string) => checks.find(({step}) => named(step) === name)
  expect(checks.map(({step}) => named(step)).slice(-9)).toEqual([
    'alice@node.local: connect', 'alice@node.local: host key', 'alice@node.local: login', 'job',
    'route socket', 'route node', 'route head', 'route direct', 'route reverse',
  ])
  expect(of('job')).toMatchObject({state: 'ok', saw: matching(/^job \d+ ran on node\d\.local, Jupyter \(notebook\) answered by route socket/)})
  for (const route of ['socket', 'node', 'direct']) expect(of(`route ${route}`)).toMatchObject({state: 'ok', saw: 'the server’s proof came through it'})
  // alice has no key on the head node for its nodes, and none on the nodes for the head.
  for (const step of ['route head', 'route reverse']) expect(of(step)).toMatchObject({state: 'warning', action: matching(/ask the cluster’s support for SSH logins/)})
  const {gateway, head, node1, node2} = await logins()
  expect({gateway, head, nodes: node1! + node2!}).toEqual({gateway: 1, head: 1, nodes: 1})
  await nothingLeft(lab)
})

test('with the system’s ssh: the same steps but those of the login, which it keeps to itself', async () => {
  const {exitCode, checks} = await report('--host head --transport openssh')
  expect({exitCode, login: checks.filter(({step}) => /login$/.test(step))}).toMatchObject({exitCode: 0, login: [{state: 'ok', saw: 'alice@head, with the system’s ssh'}]})
  expect(stepsOf(checks, 'ok')).toEqual(expect.arrayContaining(['configuration', 'Grid Engine', 'scheduler', 'home directory', 'Jupyter']))
  expect(await broken('--host nosuch.example --transport openssh')).toMatchObject({step: matching(/: connect$|^login$/), exitCode: 3, saw: matching(/nosuch\.example/)})
})

test('in words: what failed has its mending on the next line, what comes after it is not tried', async () => {
  const {exitCode, stdout} = await jnode.run('doctor --host head:2222')
  expect(exitCode).toBe(3)
  expect(stdout).toMatch(/^✔ alice@gateway: login: .*\n✖ alice@head:2222: connect: head refused the connection on port 2222 from gateway.*\n {2}-> Check the host and port.*\n- alice@head:2222: host key: not reached/m)
})

test.each([
  ['a host that is not there', '--host nosuch.example', 'alice@nosuch.example: resolve', 3, /No host is called/, /VPN/],
  ['a port where nobody listens', '--host gateway:2222', 'alice@gateway:2222: connect', 3, /refused the connection/, /port/],
  ['a user who is not known', '--host nobody9@gateway', 'nobody9@gateway: login', 3, /it takes publickey/, /which one gateway knows/],
  ['a head node without Grid Engine', '--host gateway', 'Grid Engine', 5, /no qsub on gateway/, /sge_setup/],
] as const)('%s', async (_, line, step, exitCode, saw, action) => {
  expect(await broken(line)).toMatchObject({step, exitCode, saw: matching(saw), action: matching(action)})
})

test('a configuration with a wrong key', async () => {
  await configured('[clusters.site]\nhost = "head"\njumps = ["gateway"]\n')
  expect(await broken('')).toMatchObject({step: 'configuration', exitCode: 2, saw: matching(/jumps/), action: matching(/jump/)})
})

test('a parallel environment that does not exist', async () => {
  await configured('[clusters.site]\nhost = "head"\npe = "nosuch"\n')
  expect(await broken('')).toMatchObject({step: 'parallel environment', exitCode: 5, saw: matching(/nosuch/), action: matching(/--pe: .*smp/)})
})

test('a host key that has changed', async () => {
  onTestFinished(() => onLaptop('cd ~/.ssh && mv known_hosts.before known_hosts'))
  const other = (await lab.hostKey('node2')).split(' ').slice(0, 2).join(' ')
  await onLaptop(`cd ~/.ssh && cp known_hosts known_hosts.before && sed -i 's|^head,.*|head ${other}|' known_hosts`)
  expect(await broken('--host head')).toMatchObject({step: 'alice@head: host key', exitCode: 4, saw: matching(/has changed/), action: matching(/ssh-keygen -f .* -R head/)})
})

test('a qmaster that does not answer', async () => {
  const line = await headWith('echo nosuch.local >/run/act_qmaster && mount --bind /run/act_qmaster /var/lib/gridengine/default/common/act_qmaster')
  expect(await broken(line)).toMatchObject({step: 'scheduler', exitCode: 5, saw: matching(/qstat gives no answer/), action: matching(/qmaster/)})
})

test('a home directory without room', async () => {
  onTestFinished(async () => void (await lab.exec('head', 'alice', 'rmdir ~/.jnode')))
  const line = await headWith('mkdir -p /home/alice/.jnode && mount -t tmpfs -o size=64k,uid=4001,mode=700 tmpfs /home/alice/.jnode')
  expect(await broken(line)).toMatchObject({step: 'home directory', exitCode: 5, saw: matching(/cannot be written to: .*No space left on device/), action: matching(/Make room/)})
})

test('a Jupyter that is not there, on the head node and, with a job, on its node', async () => {
  await configured('[clusters.site]\nhost = "head"\napp = "lab"\n')
  const {exitCode, checks} = await report('')
  expect({exitCode, warned: stepsOf(checks, 'warning')}).toEqual({exitCode: 0, warned: ['Jupyter']})
  expect(checks.find(({step}) => step === 'Jupyter')).toMatchObject({saw: matching(/jupyter-lab is not on PATH \(there is: notebook/), action: matching(/--job/)})
  expect(await broken('--job')).toMatchObject({step: 'job', exitCode: 6, saw: matching(/jupyter-lab is not on PATH/), action: matching(/--module/)})
  await nothingLeft(lab)
})

test('a start-up file that prints, which stops nothing', async () => {
  onTestFinished(async () => void (await lab.exec('head', 'alice', 'mv ~/bashrc.before ~/.bashrc')))
  await lab.exec('head', 'alice', 'mv ~/.bashrc ~/bashrc.before && echo "echo Welcome, stranger" >~/.bashrc')
  const {exitCode, checks} = await report('--host head')
  expect({exitCode, warned: stepsOf(checks, 'warning')}).toEqual({exitCode: 0, warned: ['login shell']})
  expect(checks.find(({step}) => step === 'login shell')).toMatchObject({saw: matching(/print 18 bytes/), action: matching(/\[ -t 1 \]/)})
})
