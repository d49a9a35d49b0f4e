/** The kernel of this machine and its files are asked, as those of a node are. */
import {chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync} from 'node:fs'
import {connect, createServer, type AddressInfo, type Server} from 'node:net'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {describe, expect, onTestFinished, test} from 'vitest'
import {checkPort} from '../../../src/flows/listener-owner.ts'
import type {OnNode} from '../../../src/flows/place-owner.ts'
import {closed} from '../../../src/flows/route-context.ts'
import {lookAtSocket} from '../../../src/flows/socket-owner.ts'
import {localRemote} from '../../../src/ssh/local.ts'
import type {Remote} from '../../../src/ssh/remote.ts'
import {rejectionOf} from '../expect-error.ts'

const onNode = (run: Remote['run']): OnNode => ({nodeName: 'node1', remote: {run} as Remote, script: (text) => text, notRun: (why) => closed(`not run: ${why}`, null)})
const here = onNode(localRemote().run)
const said = (stdout: string) => onNode(async () => [{exitCode: 0, stdout, stderr: ''}])
const me = process.getuid!()

async function listening(at: {path: string} | {port: number; host: string}): Promise<Server> {
  const server = createServer((socket) => socket.on('error', () => {}))
  await new Promise<void>((resolve) => server.listen(at, resolve))
  onTestFinished(() => void server.close())
  return server
}

describe.runIf(process.platform === 'linux')('a port', () => {
  test.each(['127.0.0.1', '0.0.0.0', '::'])('is its owner’s when a server of the user on %s holds the connection', async (host) => {
    const {port} = (await listening({port: 0, host})).address() as AddressInfo
    const to = {host: '127.0.0.1', port}
    expect((await rejectionOf(checkPort(to, here))).message).toBe(`port ${port} of node1 has closed the connection`)
    const socket = connect(port, '127.0.0.1')
    onTestFinished(() => void socket.destroy())
    await new Promise((resolve) => socket.once('connect', resolve))
    await checkPort(to, here)
  })

  test('is nobody’s when only another address has a listener there', async () => {
    const {port} = (await listening({port: 0, host: '127.0.0.2'})).address() as AddressInfo
    expect((await rejectionOf(checkPort({host: '127.0.0.1', port}, here))).message).toBe(`nothing of yours listens on port ${port} of node1`)
  })
})

describe('a port with sockets of somebody else', () => {
  const check = (...held: string[]) => checkPort({host: '127.0.0.1', port: 8888}, said(`${held.map((line) => `held ${line}\n`).join('')}me 1001\n`))

  test('is refused when they listen, also beside the user’s own', async () => {
    for (const held of [['0A 1002 77'], ['0A 1001 76', '0A 1002 77', '01 1001 78']]) {
      expect(await rejectionOf(check(...held))).toMatchObject({code: 'no-route', message: 'Port 8888 of node1 belongs to another user'})
    }
  })

  test('is refused when they have accepted a connection, although the user listens there by now', async () => {
    for (const state of ['01', '04', '05', '08']) {
      expect((await rejectionOf(check('0A 1001 76', '01 1001 78', `${state} 1002 79`))).message).toBe('Port 8888 of node1 belongs to another user')
    }
  })

  test('is the user’s when nobody has accepted the connection yet, whatever owner the kernel names for that', async () => {
    await check('0A 1001 76', '01 0 0', '06 0 0')
  })
})

describe.runIf(process.platform === 'linux')('a socket', () => {
  const room = (mode: number) => {
    const directory = mkdtempSync(join(tmpdir(), 'jnode-owner-'))
    onTestFinished(() => rmSync(directory, {recursive: true, force: true}))
    chmodSync(directory, mode)
    return directory
  }

  test('is told by its file: another one at the same path is another one', async () => {
    const path = join(room(0o700), 's')
    const first = await listening({path})
    const before = await lookAtSocket(path, here)
    expect(await lookAtSocket(path, here)).toEqual(before)
    await new Promise((resolve) => first.close(resolve))
    await listening({path})
    expect((await lookAtSocket(path, here)).identity).not.toBe(before.identity)
  })

  test('is reached without links, which others could turn elsewhere', async () => {
    const path = join(room(0o700), 's')
    await listening({path})
    const link = join(room(0o755), 'link')
    symlinkSync(path, link)
    expect((await lookAtSocket(link, here)).path).toBe(path)
  })

  test.each([0o777, 0o775])('in a directory of mode %o, where others can write, is refused', async (mode) => {
    const directory = room(mode)
    mkdirSync(join(directory, 'in'))
    for (const path of [join(directory, 's'), join(directory, 'in', 's')]) {
      await listening({path})
      expect(await rejectionOf(lookAtSocket(path, here))).toMatchObject({code: 'no-route', message: `Others on node1 could replace socket ${path}: they can write to ${directory}`})
    }
  })

  test('in a sticky directory is the user’s as long as its file is', async () => {
    const path = join(room(0o1777), 's')
    await listening({path})
    await lookAtSocket(path, here)
  })

  test('of somebody else, a file that is no socket and a path where nothing is are refused', async () => {
    expect((await rejectionOf(lookAtSocket('/tmp/s', said(`path /tmp/s\nfile ${me + 1} c1ff 1:2:3\ndirectory 0 43ff\ndirectory 0 41ed\nme ${me}\n`)))).message).toBe('Socket /tmp/s of node1 belongs to another user')
    const path = join(room(0o700), 'f')
    writeFileSync(path, '')
    expect((await rejectionOf(lookAtSocket(path, here))).message).toBe(`${path} of node1 is no socket`)
    expect((await rejectionOf(lookAtSocket(`${path}/none`, here))).code).toBe('no-route')
  })

  test('below a directory of another user is refused, and so is one whose directories are not all seen', async () => {
    expect((await rejectionOf(lookAtSocket('/d/s', said(`path /d/s\nfile ${me} c1ff 1:2:3\ndirectory ${me + 1} 41ed\ndirectory 0 41ed\nme ${me}\n`)))).message).toMatch(/they can write to \/d$/)
    expect((await rejectionOf(lookAtSocket('/d/s', said(`path /d/s\nfile ${me} c1ff 1:2:3\ndirectory ${me} 41ed\nme ${me}\n`)))).code).toBe('no-route')
  })
})

test('a node that does not run the question is no proof', async () => {
  const silent = onNode(async () => [{exitCode: 255, stdout: '', stderr: 'Permission denied\n'}])
  expect((await rejectionOf(checkPort({host: '127.0.0.1', port: 1}, silent))).message).toBe('not run: Permission denied')
  expect((await rejectionOf(lookAtSocket('/tmp/s', silent))).message).toBe('not run: Permission denied')
})
