import {mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {afterEach, beforeEach, expect, test} from 'vitest'
import {keeperLogPath, logAsKeeper, openKeeperLog} from '../../../src/daemon/keeper-log.ts'
import {failureOf} from '../expect-error.ts'
import {steers} from '../strange-text.ts'

let dir: string
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'jnode-log-'))
})
afterEach(() => rmSync(dir, {recursive: true}))

test('a line has its time and no token, and the file is for its user only', () => {
  logAsKeeper(dir, 'went to http://127.0.0.1:8888/lab?token=0123456789abcdef')
  expect(readFileSync(keeperLogPath(dir), 'utf8')).toMatch(new RegExp(`^20\\S+Z ${process.pid} went to http://127\\.0\\.0\\.1:8888/lab\\?token=\\[secret\\]\n$`))
  expect(statSync(keeperLogPath(dir)).mode & 0o777).toBe(0o600)
})

test('it stays small however much is told', () => {
  for (let i = 0; i < 1000; i++) logAsKeeper(dir, 'x'.repeat(1000))
  expect(readdirSync(dir).sort()).toEqual(['keeper.log', 'keeper.log.1'])
  for (const name of readdirSync(dir)) expect(statSync(join(dir, name)).size).toBeLessThan(270_000)
})

test('where it cannot be written nobody is stopped; where nothing can be made it is said', () => {
  writeFileSync(join(dir, 'file'), '')
  logAsKeeper(join(dir, 'file'), 'lost')
  expect(failureOf(() => openKeeperLog(join(dir, 'file', 'state')))).toMatchObject({code: 'config', hint: expect.stringContaining('XDG_STATE_HOME') as string})
})

test('what it quotes steers no terminal that shows it, and is not taken for a line of its own', () => {
  logAsKeeper(dir, `ended: \u001B]0;mine\u0007\u009B2J\n2026-01-01T00:00:00.000Z 1 keeping nothing`)
  const text = readFileSync(keeperLogPath(dir), 'utf8')
  expect(steers(text)).toBeNull()
  expect(text.split('\n').filter((line) => line.startsWith('20'))).toHaveLength(1)
})
