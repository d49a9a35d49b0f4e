import {spawnSync} from 'node:child_process'
import {fileURLToPath} from 'node:url'
import {expect, test} from 'vitest'
import {steers} from './strange-text.ts'

test('what Node prints of an error that nobody has caught steers no terminal and tells no token', () => {
  const module = fileURLToPath(new URL('../../src/crash.ts', import.meta.url))
  const program = `import {printCrashesSafely} from ${JSON.stringify(module)}
printCrashesSafely()
const words = ' \\u001B]0;mine\\u0007\\u009B2J\\u202E http://127.0.0.1/?token=0123456789abcdef'
void Promise.reject(new TypeError('It said' + words, {cause: new Error('for' + words)}))`
  const {status, stderr} = spawnSync(process.execPath, ['--import', 'tsx', '--input-type=module', '--eval', program], {encoding: 'utf8'})
  expect(status).toBe(1)
  expect(stderr).toMatch(/TypeError: It said \uFFFD]0;mine/)
  expect(stderr).toMatch(/Error: for \uFFFD]0;mine/)
  expect(steers(stderr)).toBeNull()
  expect(stderr).toMatch(/TypeError: .*token=\[secret\]/)
  expect(stderr).toMatch(/Error: for .*token=\[secret\]/)
})
