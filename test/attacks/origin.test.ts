/** Pages and servers of one session against those of another in the same browser, and names and proxies that lead elsewhere. */
import {afterAll, beforeAll, describe, expect, test} from 'vitest'
import type {SessionView} from '../../src/flows/session-view.ts'
import {jupyterFromPyPI} from '../cluster/jupyters.ts'
import {answers, jnodeIn, OPEN, sweep, type Who} from '../cluster/jnode.ts'
import {until} from '../cluster/run.ts'
import type {HostName} from '../cluster/topology.ts'
import {useLab} from '../cluster/use-lab.ts'

const lab = await useLab()
const jnode = jnodeIn(lab)
const LOOPBACK = {all: 'ip addr replace 127.0.0.1/8 dev lo; ip addr del 127.0.0.1/32 dev lo', one: 'ip addr add 127.0.0.1/32 dev lo; ip addr del 127.0.0.1/8 dev lo'}

interface Heard {
  url: string
  host: string
  cookie: string
  referer: string
}

interface Seen {
  cookie: string
  storage: Record<string, string>
  caches: string[]
  databases: string[]
  workers: number
  controlled: boolean
}

interface Report {
  written: number[]
  secure: unknown
  hostileSees: Seen
  fetched: string[]
  framed: string | null
  sent: Record<string, string>
  heard: Heard[]
  ownSees: Seen
  /** What the browser's proxy was asked for of the sessions. */
  proxied: string[]
}

async function program<T>(host: HostName, name: string, input: object, env: NodeJS.ProcessEnv = {}): Promise<T> {
  const {exitCode, stdout, stderr} = await lab.exec(host, 'alice', ['node', `/srv/jnode/test/cluster/programs/${name}`], {input: JSON.stringify(input), env, timeoutMs: 240_000})
  if (exitCode !== 0) throw new Error(`${name} ended with ${exitCode}: ${stderr}`)
  return JSON.parse(stdout) as T
}

const tokenOf = ({url}: SessionView) => new URL(url!).searchParams.get('token')!

/** A name of the attacker's, whose nameserver says what it likes. One file is /etc/hosts of all hosts. */
const nameLeadsTo = (address: string | null) => lab.exec('laptop', 'root', `grep -v evil /etc/hosts >/tmp/hosts; ${address === null ? '' : `echo '${address} evil.example' >>/tmp/hosts;`} cat /tmp/hosts >/etc/hosts; rm /tmp/hosts`)

let hostileJob: string

beforeAll(async () => {
  const script = '#!/bin/sh\nexec /srv/bin/node /srv/jnode/test/cluster/programs/hostile-jupyter.js 9300\n'
  hostileJob = (await lab.exec('head', 'alice', 'cat >~/hostile.sh && qsub -terse -l h=node2 -S /bin/sh -o ~/hostile.log -j y ~/hostile.sh', {input: script})).stdout.trim()
  // Two clusters as far as jnode knows; what they could do to each other's pages is the same as on two.
  await jnode.ok('start own --host alice@head --node node1')
  await jnode.ok('start other --host head --node node1')
  await until('the hostile server listens', async () => (await lab.exec('head', 'alice', 'cat ~/hostile.log')).stdout.includes('listening'))
})

afterAll(async () => {
  await lab.exec('laptop2', 'root', LOOPBACK.all)
  await nameLeadsTo(null)
  await sweep(lab)
  await lab.exec('head', 'alice', 'rm -rf ~/hostile.sh ~/hostile.log ~/untitled*.txt ~/.local/share/jupyter/runtime; qdel -u alice')
})

/** The three sessions as this laptop has them: two that are good, one that is not. */
async function connected(who: Who): Promise<Record<'own' | 'other' | 'hostile', SessionView>> {
  const held = async (name: string, flags: string) => jnode.ok(`connect ${name} ${flags}`, who)
  return {own: await held('own', '--host alice@head'), other: await held('other', '--host head'), hostile: await held(hostileJob, '--host head --port 9000')}
}

const PLACES = [
  ['laptop', 'at addresses of their own', /^127(\.\d+){3}$/],
  ['laptop2', 'at names, where the system has no address but 127.0.0.1', /^j[0-9a-f]{20}\.localhost$/],
] as const

describe.each(PLACES)('on %s sessions %s', (host, _, form) => {
  let own: SessionView
  let other: SessionView
  let hostile: SessionView
  const place = ({url}: SessionView) => new URL(url!)

  beforeAll(async () => {
    if (host === 'laptop2') await lab.exec('laptop2', 'root', LOOPBACK.one)
    ;({own, other, hostile} = await connected({host}))
    const rebound = host === 'laptop' ? place(own).hostname : '127.0.0.1'
    await nameLeadsTo(rebound)
  })

  test('have each a place that is nobody else’s, the same after each reconnect', async () => {
    for (const session of [own, other, hostile]) expect(place(session).hostname).toMatch(form)
    expect(new Set([own, other, hostile].map((session) => place(session).hostname)).size).toBe(3)
    const {origin: label} = JSON.parse((await lab.exec('head', 'alice', 'cat ~/.jnode/sessions/own/session.json')).stdout) as {origin: string}
    if (host === 'laptop2') expect(place(own).hostname, 'as on the laptop that started it').toBe(`${label}.localhost`)
    await jnode.ok('disconnect own', {host})
    expect((await jnode.ok('connect own', {host})).url).toBe(own.url)
  })

  test.each(['chromium', 'firefox'])('%s keeps the pages, cookies, storage and workers of one from the other, whatever Host it asks for, and past its proxy', async (browser) => {
    const report = await program<Report>(host, 'two-origins.js', {browser, own: own.url, other: other.url, hostile: hostile.url, evil: ['evil.example']})
    expect(report.secure).toEqual({context: true, clipboard: true, workers: true})
    expect(report.written, 'two at once do not log each other out').toEqual([201, 201, 201, 201, 201])
    expect(report.hostileSees.storage).toEqual({planted: 'by-hostile'})
    expect(report.hostileSees).toMatchObject({workers: 1, caches: ['by-hostile']})
    expect(report.ownSees).toMatchObject({storage: expect.objectContaining({secret: 'of-own'}) as object, caches: ['of-own'], workers: 0, controlled: false})
    expect(JSON.stringify(report.ownSees)).not.toContain('hostile')
    expect(JSON.stringify(report.hostileSees)).not.toContain('of-own')
    for (const answer of report.fetched) expect(answer).toMatch(/^(TypeError|opaque)$/)
    expect([null, 'SecurityError']).toContain(report.framed)
    for (const [where, what] of Object.entries(report.sent)) expect(what, where).toMatch(/^nothing$|403|Blocking request|^jnode: no session of this name/)
    expect(report.proxied).toEqual([])
    const told = JSON.stringify(report.heard)
    for (const secret of ['of-own', tokenOf(own), tokenOf(other), ...[own, other].map((session) => place(session).hostname)]) expect(told).not.toContain(secret)
    expect(told).not.toContain('evil')
  })

  test('are reached by curl, Node and Python, past a proxy for all else', async () => {
    const seen = `/tmp/proxied-${host}`
    const proxy = lab.spawn(host, 'alice', ['node', '-e', `require('http').createServer((req, res) => (require('fs').appendFileSync('${seen}', req.url + '\\n'), res.writeHead(502).end())).listen(3128, '127.0.0.1', () => console.log('listening'))`])
    await new Promise((resolve) => proxy.stdout!.once('data', resolve))
    const {hostname, port} = place(own)
    // Python and Node ask the system for names, which knows none below localhost: there they are given the address and the Host.
    const [at, header] = host === 'laptop' ? [hostname, ''] : ['127.0.0.1', `${hostname}:${port}`]
    const direct = host === 'laptop' ? `localhost,127.0.0.1,${hostname}` : 'localhost,127.0.0.1'
    const env = {http_proxy: 'http://127.0.0.1:3128', HTTP_PROXY: 'http://127.0.0.1:3128', NODE_USE_ENV_PROXY: '1', no_proxy: direct, NO_PROXY: direct}
    const clients = {
      curl: ['curl', '-s', '-o', '/dev/null', '-w', '%{http_code}', '-K', '-'],
      node: ['node', '-e', `const {url, header, token} = JSON.parse(require('fs').readFileSync(0)); require('http').get(url, {agent: false, headers: {authorization: 'token ' + token, ...(header && {host: header})}}, (res) => (res.resume(), console.log(res.statusCode)))`],
      python: ['python3', '-c', `import json, sys, urllib.request as r; i = json.load(sys.stdin); print(r.urlopen(r.Request(i["url"], headers={"Authorization": "token " + i["token"], **({"Host": i["header"]} if i["header"] else {})})).status)`],
    }
    for (const [client, command] of Object.entries(clients)) {
      const input = client === 'curl' ? `url = "http://${hostname}:${port}/api/status"\nheader = "Authorization: token ${tokenOf(own)}"` : JSON.stringify({url: `http://${at}:${port}/api/status`, header, token: tokenOf(own)})
      const {stdout, stderr} = await lab.exec(host, 'alice', command, {input, env})
      expect(`${client} ${stdout.trim()}`, stderr).toBe(`${client} 200`)
    }
    proxy.kill()
    expect((await lab.exec(host, 'alice', `cat ${seen}; rm -f ${seen}`)).stdout).toBe('')
  })

  test('a leftover tab of one finds nothing of the next', async () => {
    await jnode.ok('disconnect own', {host})
    const left = await lab.exec(host, 'alice', ['curl', '-s', '-o', '/dev/null', '-w', '%{http_code}', `http://${place(own).host}/api`])
    // Nobody, or who guards the port meanwhile.
    expect(['000', '421', '503']).toContain(left.stdout)
    own = await jnode.ok('connect own', {host})
    expect(await answers(lab, host === 'laptop' ? own.url! : own.url!.replace(place(own).hostname, '127.0.0.1'), {host})).toEqual(host === 'laptop' ? OPEN : {withToken: 421, without: 421})
  })
})

describe('today’s JupyterLab', () => {
  test.each(PLACES)('on %s works %s: page, kernel, terminal and upload', async (host) => {
    const bin = await jupyterFromPyPI('plain')
    const session = host === 'laptop' ? await jnode.ok(`start modern --host head --app lab --setup 'PATH=${bin}:$PATH'`) : await jnode.ok('connect modern --host head', {host})
    const {output} = await program<{output: string}>(host, 'jupyterlab.js', {url: session.url, code: 'import jupyterlab\nprint(jupyterlab.__version__)', command: 'echo $((6 * 7)) > ~/from-terminal-$JOB_ID', file: `from-${host}.txt`})
    expect(output).toMatch(/^4\.6\./)
    expect((await lab.exec('head', 'alice', `cat ~/from-terminal* ~/from-${host}.txt; rm -r ~/from-terminal* ~/from-${host}.txt ~/Untitled* ~/.jupyter/lab`)).stdout).toBe('42\nuploaded\n')
    if (host === 'laptop2') await jnode.ok('stop modern')
  })
})
