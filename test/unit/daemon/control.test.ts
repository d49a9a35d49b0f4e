import {spawnSync} from 'node:child_process'
import {existsSync, mkdirSync, mkdtempSync, rmSync} from 'node:fs'
import {createServer} from 'node:http'
import {tmpdir} from 'node:os'
import {dirname, join} from 'node:path'
import {expect, onTestFinished, test} from 'vitest'
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
  const both = await Promise.allSettled([serveControl(path, handlers(1)), serveControl(path, handlers(2))])
  const [held] = both.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []))
  onTestFinished(() => held?.close())
  expect(both.map((one) => (one.status === 'fulfilled' ? 'held' : (one.reason as {code: string}).code)).sort()).toEqual(['held', 'session-exists'])
  const winner = both.findIndex((one) => one.status === 'fulfilled') + 1
  expect((await keeperDirectory(stateDir).find('c1', 't1'))?.status).toEqual({pid: winner})
})
