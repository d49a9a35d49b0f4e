import {EventEmitter} from 'node:events'
import {readFileSync, existsSync, statSync} from 'node:fs'
import {dirname} from 'node:path'
import {fileURLToPath} from 'node:url'
import {expect, test} from 'vitest'
import {openBrowser, type BrowserSystem} from '../../../src/ui/browser.ts'
import {rejectionOf} from '../expect-error.ts'

const URL_WITH_TOKEN = 'http://127.0.0.1:8888/lab?token=secret'

/** A browser that does `visit` with what it is given; answers with that. */
function browser(system: Partial<BrowserSystem>, visit: (target: string) => Promise<unknown>) {
  const given: string[] = []
  const launch = async (target: string) => {
    given.push(target)
    void visit(target)
    return new EventEmitter() as never
  }
  return {given, system: {platform: 'linux' as const, checked: true, launch, ...system}}
}

const ask = (url: string) => fetch(url, {redirect: 'manual'})

test.runIf(process.platform === 'linux')('where the system says who asks, the browser is given an address that sends it on, once', async () => {
  let location: string | null = null
  const {given, system} = browser({}, async (target) => {
    expect((await ask(`${target}x`)).status).toBe(404)
    location = (await ask(target)).headers.get('location')
  })
  await openBrowser(URL_WITH_TOKEN, 'x', undefined, system)
  await expect.poll(() => location).toBe(URL_WITH_TOKEN)
  expect(given[0]).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/[0-9a-f]{32}$/)
  await expect(ask(given[0]!)).rejects.toThrow()
})

test.each(['darwin', 'win32'] as const)('on %s it is given a file that only this user can read, which leads there without holding the token', async (platform) => {
  let location: string | null = null
  const {given, system} = browser({platform, checked: false}, async (target) => {
    const file = fileURLToPath(target)
    expect([statSync(file).mode & 0o777, statSync(dirname(file)).mode & 0o777]).toEqual([0o600, 0o700])
    const html = readFileSync(file, 'utf8')
    expect(html).not.toContain('secret')
    location = (await ask(/url=([^"]+)"/.exec(html)![1]!)).headers.get('location')
  })
  await openBrowser(URL_WITH_TOKEN, null, undefined, system)
  await expect.poll(() => location).toBe(URL_WITH_TOKEN)
  expect(given[0]).toMatch(/^file:\/\/\//)
  expect(existsSync(dirname(fileURLToPath(given[0]!)))).toBe(false)
})

test('a browser that does not start is told at once, and leaves no file', async () => {
  const child = new EventEmitter()
  const {given, system} = browser({platform: 'darwin', checked: false}, async () => {})
  const launch = async (target: string, name: string | null) => {
    await system.launch(target, name)
    setImmediate(() => child.emit('exit', 1))
    return child as never
  }
  const failure = await rejectionOf(openBrowser(URL_WITH_TOKEN, 'nosuch', undefined, {...system, launch}))
  expect(failure.message).toBe('No browser opened (nosuch)')
  expect(existsSync(dirname(fileURLToPath(given[0]!)))).toBe(false)
})
