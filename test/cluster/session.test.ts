import {mkdir, writeFile} from 'node:fs/promises'
import {afterEach, describe, expect, test} from 'vitest'
import {answers, countLogins, jnodeIn, nothingLeft, OPEN, sweep} from './jnode.ts'
import {until} from './run.ts'
import {useLab} from './use-lab.ts'

const lab = await useLab()
const jnode = jnodeIn(lab)

afterEach(async ({task}) => {
  if (task.result?.state === 'fail') await sweep(lab)
})

/** Runs a program of test/cluster/programs on the laptop. */
async function program(name: string, input: object): Promise<string> {
  const {exitCode, stdout, stderr} = await lab.exec('laptop', 'alice', ['node', `/srv/jnode/test/cluster/programs/${name}`], {input: JSON.stringify(input)})
  if (exitCode !== 0) throw new Error(`${name} ended with ${exitCode}: ${stderr}`)
  return stdout
}

describe('one session', () => {
  test('costs one login per hop, is what was asked for, answers its owner only, and leaves nothing', async () => {
    const logins = await countLogins(lab)
    const session = await jnode.ok('start one --host head --node node1 --cores 2 --mem 1G --time 1h')
    expect(session).toMatchObject({name: 'one', state: 'ready', node: 'node1.local', slots: 2, route: 'socket', tunnel: 'connected', localPort: 8888, app: 'notebook'})
    expect(await logins()).toEqual({gateway: 1, head: 1, node1: 1, node2: 0})
    expect(await answers(lab, session.url!)).toEqual(OPEN)

    const {stdout: job} = await lab.exec('head', 'alice', ['qstat', '-j', session.jobId!])
    expect(job).toMatch(/^parallel environment: +smp range: 2$/m)
    expect(job).toMatch(/^hard resource_list: .*\bmem_free=512M/m)
    expect(job).toMatch(/^hard resource_list: .*\bh_rt=3600/m)
    expect(await program('run-cell.js', {url: session.url, code: "import os, socket\nprint(socket.gethostname(), os.environ['NSLOTS'], os.environ['OMP_NUM_THREADS'])"})).toBe('node1.local 2 2\n')

    expect((await jnode.run('url one')).stdout).toBe(`${session.url}\n`)
    expect((await jnode.run('url')).stdout).toBe(`${session.url}\n`)
    await jnode.ok('disconnect')
    expect(await answers(lab, session.url!), 'its port is guarded').toEqual({withToken: 503, without: 503})
    // The node's key is known from its job, so nothing is remembered of it.
    expect(await lab.files('laptop', '/home/alice/.local/state/jnode')).not.toContainEqual(expect.stringContaining('known_nodes'))
    expect(await logins()).toEqual({gateway: 1, head: 1, node1: 1, node2: 0})

    expect(await jnode.ok('connect one')).toMatchObject({jobId: session.jobId, url: session.url, tunnel: 'connected'})
    expect(await answers(lab, session.url!)).toEqual(OPEN)
    expect(await logins()).toEqual({gateway: 2, head: 2, node1: 2, node2: 0})
    const [listed] = (await jnode.ok<{sessions: unknown[]}>('list')).sessions
    expect(listed).toMatchObject({name: 'one', jobId: session.jobId, state: 'ready', node: 'node1.local', slots: 2, url: session.url, tunnel: 'connected'})
    expect((await jnode.run('logs -n 1000')).stdout).toContain('Jupyter Notebook 6')
    expect(await logins(), '`list` and `logs` use the keeper’s connection').toEqual({gateway: 2, head: 2, node1: 2, node2: 0})

    const stopped = await jnode.run('stop')
    expect(stopped).toMatchObject({exitCode: 0, stdout: `one is stopped; job ${session.jobId} is gone.\n`})
    await nothingLeft(lab)
    expect(await logins(), 'and so does `stop`').toEqual({gateway: 2, head: 2, node1: 2, node2: 0})
    expect(await jnode.fails('stop one --host head')).toMatchObject({exitCode: 8, code: 'no-session'})
  })

  test('is stopped without a keeper by one login per hop', async () => {
    const session = await jnode.ok('start lone --host head --node node2')
    await jnode.ok('disconnect lone')
    const logins = await countLogins(lab)
    expect(await jnode.ok('stop lone')).toEqual({stopped: [{name: 'lone', jobId: session.jobId, was: 'running'}]})
    await nothingLeft(lab)
    expect(await logins()).toEqual({gateway: 1, head: 1, node1: 0, node2: 1})
  })

  test('opens in a browser, where the cells of a classic notebook run', async () => {
    await lab.exec('head', 'alice', 'mkdir ~/work')
    const session = await jnode.ok('start browsed --host head --cores 2 --dir work')
    const cells = [
      'import getpass, os, socket\nslots = os.environ["NSLOTS"]\nprint(f"{getpass.getuser()} on {socket.gethostname()}, {slots} slots")',
      'sum(n * n for n in range(1_000_000))',
    ]
    const picture = process.env.JNODE_SCREENSHOTS === '1'
    const seen = JSON.parse(await program('browse.js', {url: session.url, cells, picture})) as {outputs: string[]; picture: string | null}
    expect(seen.outputs).toEqual([`alice on ${session.node}, 2 slots`, '333332833333500000'])
    if (seen.picture) {
      const images = new URL('../../docs/images/', import.meta.url)
      await mkdir(images, {recursive: true})
      await writeFile(new URL('notebook.png', images), Buffer.from(seen.picture, 'base64'))
    }
    await jnode.ok('stop browsed')
    await lab.exec('head', 'alice', 'rm -r ~/work')
    await nothingLeft(lab)
  })

  test('is handed to the browser without its token on any command line', async () => {
    const session = await jnode.ok('start opened --host head')
    // A browser of ours: it writes down what it was given, and goes there.
    const browser = `#!/bin/sh\necho "$@" >~/opened\nexec node -e 'fetch(process.argv[1], {redirect: "manual"}).then((r) => require("fs").appendFileSync(process.env.HOME + "/opened", r.headers.get("location") + "\\n"))' "$@"\n`
    await lab.exec('laptop', 'alice', 'cat >~/browser && chmod 700 ~/browser', {input: browser})
    const logins = await countLogins(lab)
    expect((await jnode.run('open --browser /home/alice/browser')).exitCode).toBe(0)
    const lines = await until('the browser has been there', async () => {
      const read = (await lab.exec('laptop', 'alice', 'cat ~/opened')).stdout.trim().split('\n')
      return read.length === 2 && read
    })
    expect(lines[0]).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/[0-9a-f]{32}$/)
    expect(lines[1]).toBe(session.url)
    expect(await logins()).toEqual({gateway: 0, head: 0, node1: 0, node2: 0})
    await lab.exec('laptop', 'alice', 'rm ~/browser ~/opened')
    await jnode.ok('stop')
    await nothingLeft(lab)
  })
})

describe('in the foreground', () => {
  test('Ctrl-C in the terminal closes the tunnel, keeps the job and says how to come back', async () => {
    const held = jnode.spawn('start front --host head --time 2h', {terminal: true})
    await held.says(/front on node\d\.local · 1 slot · route socket · [^·]* left · Ctrl-C closes the tunnel, the job stays/)
    const url = /http:\/\/127(?:\.\d+){3}:8888\/\S+/.exec(held.stdout())![0]
    expect(await answers(lab, url)).toEqual(OPEN)
    held.type('\x03')
    const {exitCode, stdout} = await held.ended
    expect(exitCode).toBe(130)
    const [job] = await lab.jobs('alice')
    // `t` until the node has told Grid Engine that it started the job.
    expect(job).toMatchObject({name: 'jnode-front', state: expect.stringMatching(/^[rt]$/) as string})
    expect(stdout).toContain(`The tunnel is closed; job ${job!.id} goes on`)
    expect(stdout).toContain('Come back with `jnode connect front`, end the job with `jnode stop front`.')
    expect(await answers(lab, url), 'its port is guarded').toEqual({withToken: 503, without: 503})

    const again = jnode.spawn('connect')
    await again.says('Ctrl-C closes the tunnel')
    expect(again.stdout()).toBe(`${url}\n`)
    expect(await answers(lab, url)).toEqual(OPEN)
    await jnode.ok('stop front')
    const told = await again.ended
    expect(told).toMatchObject({exitCode: 0, stderr: expect.stringContaining(`Session front was stopped; job ${job!.id} is gone.`) as string})
    await nothingLeft(lab)
  })

  test('`disconnect` from another terminal ends it, and keeps the job', async () => {
    const held = jnode.spawn('start front --host head')
    await held.says('Ctrl-C closes the tunnel')
    await jnode.ok('disconnect front')
    expect(await held.ended).toMatchObject({exitCode: 0, stderr: expect.stringMatching(/closed by `jnode disconnect`; job \d+ goes on/) as string})
    expect(await lab.jobs('alice')).toHaveLength(1)
    await jnode.ok('stop --all')
    await nothingLeft(lab)
  })
})
