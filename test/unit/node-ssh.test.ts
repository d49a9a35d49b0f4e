import {once} from 'node:events'
import {mkdirSync, mkdtempSync, rmSync} from 'node:fs'
import {connect} from 'node:net'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {PassThrough} from 'node:stream'
import {expect, onTestFinished, test} from 'vitest'
import {behind} from '../../src/node-ssh.ts'
import type {NodeConfig} from '../../src/ssh/node-config.ts'

test('a stand-in for a node is reached also where the folder for temporary files is too deep for sockets', async () => {
  const base = mkdtempSync(join(tmpdir(), 'jnode-deep-'))
  const before = process.env['TMPDIR']
  onTestFinished(() => {
    if (before === undefined) delete process.env['TMPDIR']
    else process.env['TMPDIR'] = before
    rmSync(base, {recursive: true})
  })
  process.env['TMPDIR'] = join(base, 't'.repeat(90))
  mkdirSync(process.env['TMPDIR'])
  const {config, close} = await behind({hostKey: 'ssh-ed25519 AAAA', open: async () => new PassThrough()}, {node: 'node1'} as NodeConfig)
  const path = config.proxy.at(-1)!
  expect(Buffer.byteLength(path)).toBeLessThan(104)
  const socket = connect(path)
  socket.write('there')
  expect(String(await once(socket, 'data'))).toBe('there')
  socket.destroy()
  await close()
})
