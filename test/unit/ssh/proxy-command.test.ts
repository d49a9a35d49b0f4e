import {spawn} from 'node:child_process'
import {once} from 'node:events'
import {expect, test} from 'vitest'

/** Says what comes of a way through `cat` after Ctrl-C, which this program takes as jnode does. */
const PROGRAM = `const {openProxy} = await import(${JSON.stringify(new URL('../../../src/ssh/proxy-command.ts', import.meta.url).href)})
const stream = openProxy('cat')
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
