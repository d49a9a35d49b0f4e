import {spawn, type ChildProcess} from 'node:child_process'
import {once} from 'node:events'
import {mkdirSync, writeFileSync} from 'node:fs'
import {dirname} from 'node:path'
import {afterEach, beforeEach, describe, expect, test} from 'vitest'
import {readRuntimeFile, serversOfJob} from '../../../src/jupyter/job-servers.ts'
import {headNode, type HeadNode} from '../sge/head-node.ts'

describe('a runtime file', () => {
  test('of Jupyter Server and of Notebook, on a port and on a socket', () => {
    const server = {base_url: '/u/', hostname: '0.0.0.0', port: 8889, secure: true, sock: '', token: 't', root_dir: '/work', pid: 7}
    expect(readRuntimeFile(JSON.stringify(server))).toEqual({endpoint: {kind: 'tcp', host: '127.0.0.1', port: 8889}, secure: true, baseUrl: '/u/', token: 't', directory: '/work'})
    const notebook = {base_url: '/', hostname: 'node7', port: 8888, secure: false, token: '', notebook_dir: '/home/a', password: true}
    expect(readRuntimeFile(JSON.stringify(notebook))).toEqual({endpoint: {kind: 'tcp', host: 'node7', port: 8888}, secure: false, baseUrl: '/', token: null, directory: '/home/a'})
    expect(readRuntimeFile(JSON.stringify({...notebook, port: 0, sock: '/tmp/j.sock'}))).toMatchObject({endpoint: {kind: 'socket', path: '/tmp/j.sock'}})
  })

  test.each([
    {base_url: '//evil.example/'}, {base_url: '@evil.example/'}, {base_url: '/\\evil.example/'}, {base_url: '/@evil/'}, {base_url: '/u'}, {base_url: 'u/'}, {base_url: '/a\nb/'}, {base_url: '/?x/'}, {base_url: '/#/'}, {base_url: '/a//b/'},
    {port: 8888.5}, {port: -1}, {port: 70_000}, {hostname: '-oProxyCommand=id'}, {hostname: '$(id)'}, {hostname: 'a b'}, {sock: 'relative.sock'}, {sock: '/tmp/a\nb'},
  ])('with %j is none', (wrong) => {
    const right = {base_url: '/', hostname: 'node7', port: 8888, secure: false, sock: '', token: 't', root_dir: '/work'}
    expect(readRuntimeFile(JSON.stringify(right))).not.toBeNull()
    expect(readRuntimeFile(JSON.stringify({...right, ...wrong}))).toBeNull()
  })

  test('with a token or a folder of several lines has neither', () => {
    const file = {base_url: '/', hostname: 'node7', port: 8888, token: 'a\nb', root_dir: '/a\u001b[2J'}
    expect(readRuntimeFile(JSON.stringify(file))).toMatchObject({token: null, directory: null})
  })

  test('that is none, or only half written', () => {
    for (const text of ['', '{"port": 88', 'null', '[]', '{"port": "8888"}', '"x"']) expect(readRuntimeFile(text)).toBeNull()
  })
})

// It reads /proc, as compute nodes have it.
describe.runIf(process.platform === 'linux')('the servers of a job', () => {
  const JOB = `9${process.pid}`
  let servers: ChildProcess[]

  beforeEach(() => void (servers = []))
  afterEach(() => Promise.all(servers.map((server) => server.kill('SIGKILL') && once(server, 'exit'))))

  /** A process that listens, as a Jupyter of the job does; answers with its pid and port. */
  async function listening(node: HeadNode, env: Record<string, string>, where: number | string = 0): Promise<{pid: number; port: number}> {
    const program = `const s = require('net').createServer().listen(${JSON.stringify(where)}, ${typeof where === 'number' ? "'127.0.0.1'" : 'undefined'}, () => console.log(s.address().port ?? 0))`
    const child = spawn(process.execPath, ['-e', program], {env: {HOME: node.path('.'), ...env}, stdio: ['ignore', 'pipe', 'inherit']})
    servers.push(child)
    const [said] = (await once(child.stdout, 'data')) as [Buffer]
    return {pid: child.pid!, port: Number(said)}
  }

  function writes(node: HeadNode, file: string, content: Record<string, unknown>): void {
    mkdirSync(dirname(node.path(file)), {recursive: true})
    writeFileSync(node.path(file), JSON.stringify({hostname: 'localhost', base_url: '/', token: 't', ...content}))
  }

  const RUNTIME = '.local/share/jupyter/runtime'

  test('are its processes that listen and have a file, wherever their own variables put it', async () => {
    const node = headNode()
    const [usual, elsewhere, xdg] = [await listening(node, {JOB_ID: JOB, QRSH_COMMAND: 'true\nJUPYTER_RUNTIME_DIR=/x jupyter-lab'}), await listening(node, {JOB_ID: JOB, JUPYTER_RUNTIME_DIR: node.path('my runtime')}), await listening(node, {JOB_ID: JOB, XDG_DATA_HOME: node.path('xdg')})]
    writes(node, `${RUNTIME}/nbserver-${usual.pid}.json`, {port: usual.port, notebook_dir: '/usual'})
    writes(node, `my runtime/jpserver-${elsewhere.pid}.json`, {port: elsewhere.port, root_dir: '/elsewhere'})
    writes(node, `xdg/jupyter/runtime/jpserver-${xdg.pid}.json`, {port: xdg.port, root_dir: '/xdg'})
    expect(node.ask(serversOfJob(JOB)).map(({directory}) => directory).sort()).toEqual(['/elsewhere', '/usual', '/xdg'])
  })

  test('on a socket, and on another port than they have written down', async () => {
    const node = headNode()
    const path = node.path('j.sock')
    const [socket, zero] = [await listening(node, {JOB_ID: JOB}, path), await listening(node, {JOB_ID: JOB})]
    writes(node, `${RUNTIME}/jpserver-${socket.pid}.json`, {port: 0, sock: path})
    writes(node, `${RUNTIME}/jpserver-${zero.pid}.json`, {port: 0})
    expect(node.ask(serversOfJob(JOB)).map(({endpoint}) => endpoint)).toEqual(expect.arrayContaining([{kind: 'socket', path}, {kind: 'tcp', host: '127.0.0.1', port: zero.port}]))
  })

  test('and not those of another job, nor a file that a process of another node has written under the same number', async () => {
    const node = headNode()
    const path = node.path('k.sock')
    const [other, kernel] = [await listening(node, {JOB_ID: `${JOB}0`}), await listening(node, {JOB_ID: JOB}, path)]
    writes(node, `${RUNTIME}/jpserver-${other.pid}.json`, {port: other.port})
    writes(node, `${RUNTIME}/jpserver-${kernel.pid}.json`, {port: 8888})
    writes(node, `${RUNTIME}/jpserver-1.json`, {port: 8888})
    expect(node.ask(serversOfJob(JOB))).toEqual([])
  })

  test('also where nothing but its shepherd tells whose they are', async () => {
    const node = headNode()
    const {pid, port} = await listening(node, {})
    writes(node, `${RUNTIME}/jpserver-${pid}.json`, {port})
    expect(node.ask(serversOfJob(JOB))).toEqual([])
    node.program('bin/ps', `printf '%s\\n' '1 0 init' '50 1 sge_shepherd-${JOB} -bg' '51 50 sshd' '${pid} 51 jupyter-lab'`)
    expect(node.ask(serversOfJob(JOB))).toMatchObject([{endpoint: {port}}])
  })
})
