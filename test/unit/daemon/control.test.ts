import {spawnSync} from 'node:child_process'
import {once} from 'node:events'
import {existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync} from 'node:fs'
import {createServer, request} from 'node:http'
import {connect, createServer as createPlainServer, Socket} from 'node:net'
import {tmpdir} from 'node:os'
import {dirname, join} from 'node:path'
import {describe, expect, onTestFinished, test} from 'vitest'
import {askPrivately, pipeSecret} from '../../../src/daemon/private-http.ts'
import {controlPath, keeperDirectory, serveControl, type ControlHandlers} from '../../../src/daemon/control.ts'

test('an answer that is none of a keeper is no keeper', async () => {
  const stateDir = mkdtempSync(join(tmpdir(), 'jnode-control-'))
  const path = controlPath(stateDir, 'c1', 't1')
  mkdirSync(dirname(path), {recursive: true})
  const server = createServer((_, res) => void res.end('{"pid": 7')).listen(path)
  onTestFinished(() => {
    server.close()
    rmSync(stateDir, {recursive: true})
  })
  expect(await keeperDirectory(stateDir).find('c1', 't1')).toBeNull()
})

test('of two that come at once upon the socket of a killed keeper one has it, and the other hears that', async () => {
  const stateDir = mkdtempSync(join(tmpdir(), 'jnode-control-'))
  onTestFinished(() => rmSync(stateDir, {recursive: true}))
  const path = controlPath(stateDir, 'c1', 't1')
  mkdirSync(dirname(path), {recursive: true})
  spawnSync(process.execPath, ['-e', 'require("net").createServer().listen(process.argv[1], () => process.kill(process.pid, "SIGKILL"))', path])
  expect(existsSync(path)).toBe(true)
  const handlers = (port: number) => ({status: () => ({pid: port})}) as unknown as ControlHandlers
  const both = await Promise.allSettled([serveControl(path, handlers(1), () => null), serveControl(path, handlers(2), () => null)])
  const [held] = both.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []))
  onTestFinished(() => held?.close())
  expect(both.map((one) => (one.status === 'fulfilled' ? 'held' : (one.reason as {code: string}).code)).sort()).toEqual(['held', 'session-exists'])
  const winner = both.findIndex((one) => one.status === 'fulfilled') + 1
  expect((await keeperDirectory(stateDir).find('c1', 't1'))?.status).toMatchObject({pid: winner})
})

describe('where a socket’s place proves nothing, as with a pipe of Windows', () => {
  function room() {
    const stateDir = mkdtempSync(join(tmpdir(), 'jnode-control-'))
    onTestFinished(() => rmSync(stateDir, {recursive: true}))
    const path = controlPath(stateDir, 'c1', 't1')
    mkdirSync(dirname(path), {recursive: true})
    const secret = pipeSecret(stateDir, 'win32')!
    return {stateDir, path, secret, keepers: keeperDirectory(stateDir, {secretOf: () => secret})}
  }

  const disconnects: boolean[] = []
  const handlers = {status: () => ({pid: 7}), disconnect: async (takenOver: boolean) => void disconnects.push(takenOver)} as unknown as ControlHandlers

  /** The status of an answer to one who proves nothing, or something wrong. */
  const statusOf = (socketPath: string, headers = {}) => new Promise((resolve, reject) => {
    request({socketPath, method: 'POST', path: '/disconnect', headers, agent: false}, (res) => resolve(res.resume().statusCode)).on('error', reject).end()
  })

  test('the secret is in a file that only the user can read, and the same for all processes', () => {
    const {stateDir, secret} = room()
    expect(statSync(join(stateDir, 'secret')).mode & 0o777).toBe(0o600)
    expect(pipeSecret(stateDir, 'win32')).toEqual(secret)
    expect(pipeSecret(stateDir, 'linux')).toBeNull()
    expect(readdirSync(stateDir).sort()).toEqual(['keepers', 'secret'])
  })

  test('a secret that was cut short is made anew', () => {
    const {stateDir, secret} = room()
    writeFileSync(join(stateDir, 'secret'), '')
    expect(pipeSecret(stateDir, 'win32')).toHaveLength(32)
    expect(pipeSecret(stateDir, 'win32')).not.toEqual(secret)
  })

  test('a keeper and its user’s commands understand each other', async () => {
    const {path, secret, keepers} = room()
    const held = await serveControl(path, handlers, () => secret)
    onTestFinished(() => held.close())
    const keeper = await keepers.find('c1', 't1')
    expect(keeper?.status).toMatchObject({pid: 7})
    await keeper!.disconnect('taken-over')
    await keeper!.disconnect()
    expect(disconnects.splice(0)).toEqual([true, false])
  })

  test('who does not know the secret gets no answer', async () => {
    const {stateDir, path, secret} = room()
    const held = await serveControl(path, handlers, () => secret)
    onTestFinished(() => held.close())
    expect(await statusOf(path)).toBe(401)
    expect(await statusOf(path, {'x-jnode-proof': '0'.repeat(64)})).toBe(401)
    expect(await keeperDirectory(stateDir, {secretOf: () => Buffer.alloc(32)}).find('c1', 't1')).toBeNull()
    expect(disconnects).toEqual([])
  })

  test('one who has taken the name is not believed, and what was sent to it is of no use to it', async () => {
    const {path, secret, keepers} = room()
    let captured = ''
    const thief = createPlainServer((socket) => socket.on('data', (data) => {
      captured += String(data)
      const body = '{"pid":666}'
      socket.write(`HTTP/1.1 200 OK\r\nX-Jnode-Challenge: 00\r\nX-Jnode-Proof: ${'0'.repeat(64)}\r\nContent-Length: ${body.length}\r\n\r\n${body}`)
    })).listen(path)
    expect(await keepers.find('c1', 't1')).toBeNull()
    expect(captured).not.toContain(secret.toString('hex'))
    expect(captured).not.toMatch(/x-jnode-proof/i)
    await new Promise((resolve) => thief.close(resolve))
  })

  test('one who passes on what is said to a keeper of another name learns nothing', async () => {
    const {stateDir, path, secret, keepers} = room()
    const other = controlPath(stateDir, 'c1', 't2')
    const held = await serveControl(other, handlers, () => secret)
    onTestFinished(() => held.close())
    const relay = createPlainServer((socket) => {
      const further = connect(other)
      socket.pipe(further).pipe(socket)
      socket.on('error', () => {})
    }).listen(path)
    onTestFinished(() => void relay.close())
    expect((await keepers.find('c1', 't2'))?.status).toMatchObject({pid: 7})
    expect(await keepers.find('c1', 't1')).toBeNull()
  })

  test('a proof that was overheard serves for no second request', async () => {
    const {path, secret} = room()
    const held = await serveControl(path, handlers, () => secret)
    onTestFinished(() => held.close())
    const sent: string[] = []
    const {write} = Socket.prototype
    // What a debugger in the middle would see of a genuine command.
    Socket.prototype.write = function (this: Socket, data: unknown, ...rest: never[]) {
      if (String(data).includes('x-jnode-proof')) sent.push(String(data))
      return write.call(this, data as string, ...rest)
    } as typeof write
    onTestFinished(() => void (Socket.prototype.write = write))
    await askPrivately(path, 'POST', '/disconnect', {secret, timeoutMs: 5000})
    expect(disconnects.splice(0)).toEqual([false])
    const overheard = sent.find((text) => text.startsWith('POST /disconnect'))!
    const again = connect(path, () => again.write(overheard))
    const [answer] = (await once(again, 'data')) as [Buffer]
    again.destroy()
    expect(String(answer)).toMatch(/^HTTP\/1\.1 401 /)
    expect(disconnects).toEqual([])
  })
})
