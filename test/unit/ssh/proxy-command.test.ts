import {spawn} from 'node:child_process'
import {once} from 'node:events'
import {chmodSync, mkdtempSync, rmSync, writeFileSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {expect, onTestFinished, test} from 'vitest'
import {openProxy} from '../../../src/ssh/proxy-command.ts'

/** Says what comes of a way through `cat` after Ctrl-C, which this program takes as jnode does. */
const PROGRAM = `const {openProxy} = await import(${JSON.stringify(new URL('../../../src/ssh/proxy-command.ts', import.meta.url).href)})
const stream = openProxy('cat', {quiet: false})
const say = (text) => process.stdout.write(text)
stream.on('data', (chunk) => say(chunk.toString()))
stream.on('close', () => say('closed'))
stream.on('error', () => {})
process.on('SIGINT', () => setTimeout(() => stream.end('still there '), 200))
stream.write('ready ')`

test('Ctrl-C, which a terminal sends to all that runs in it, is left to jnode: what it takes back needs the way', async () => {
  const child = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', PROGRAM], {detached: true, stdio: ['ignore', 'pipe', 'inherit']})
  let said = ''
  child.stdout.on('data', (chunk: Buffer) => {
    if ((said += chunk.toString()) === 'ready ') process.kill(-child.pid!, 'SIGINT')
  })
  await once(child, 'close')
  expect(said).toBe('ready still there closed')
})

test('with nobody there an ssh in it asks nothing, also where that is a script that looks for ssh once more', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'jnode-proxy-'))
  const before = process.env['PATH']
  onTestFinished(() => {
    process.env['PATH'] = before
    rmSync(directory, {recursive: true})
  })
  const program = (text: string) => (writeFileSync(join(directory, 'ssh'), text), chmodSync(join(directory, 'ssh'), 0o755))
  process.env['PATH'] = `${directory}:${before}`
  const said = async () => {
    const stream = openProxy('ssh gateway', {quiet: true})
    const [line] = await once(stream, 'data') as [Buffer]
    await once(stream.end(), 'close')
    return line.toString()
  }
  program('#!/bin/sh\necho "$@"\nexec cat\n')
  expect(await said()).toBe('-o BatchMode=yes gateway\n')
  program(`#!/bin/sh\n[ "$1" = -F ] && { echo "$@"; exec cat; }\nexec ssh -F config "$@"\n`)
  expect(await said()).toBe('-F config -o BatchMode=yes gateway\n')
})
