import {mkdirSync, mkdtempSync, rmSync} from 'node:fs'
import {createServer} from 'node:http'
import {tmpdir} from 'node:os'
import {dirname, join} from 'node:path'
import {expect, onTestFinished, test} from 'vitest'
import {controlPath, keeperDirectory} from '../../../src/daemon/control.ts'

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
