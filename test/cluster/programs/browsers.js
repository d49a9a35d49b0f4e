/**
 * A browser for programs on a laptop: `launch('chromium' | 'firefox', {proxy, past})`, with a proxy for all hosts
 * but those of `past`. Chromium by Playwright; Debian's Firefox, which Playwright
 * cannot drive, by WebDriver BiDi. A tab can `goto` a URL (true if something was loaded) and `run` code in its page.
 */
import {spawn} from 'node:child_process'
import {mkdtempSync, rmSync, writeFileSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {chromium} from 'playwright-core'
import {WebSocket} from 'ws'

const inPage = (code) => `(async () => JSON.stringify((await (async () => { ${code} })()) ?? null))()`

export function launch(name, options = {}) {
  return name === 'firefox' ? firefox(options) : chrome(options)
}

async function chrome({proxy, past}) {
  const browser = await chromium.launch({executablePath: '/usr/bin/chromium', args: ['--no-sandbox', '--disable-gpu', ...(proxy ? [`--proxy-server=${proxy}`, `--proxy-bypass-list=${past.join(';')}`] : [])]})
  const context = await browser.newContext()
  context.setDefaultTimeout(60_000)
  return {
    async tab() {
      const page = await context.newPage()
      return {
        goto: (url) => page.goto(url).then(() => true, () => false),
        // Chromium loads a page that failed once more by itself, which may be in the middle of what is run there.
        async run(code) {
          for (let tries = 1; ; tries++) {
            try {
              return JSON.parse(await page.evaluate(inPage(code)))
            } catch (error) {
              if (tries === 3 || !/context was destroyed/.test(error.message)) throw error
              await page.waitForLoadState()
            }
          }
        },
      }
    },
    close: () => browser.close(),
  }
}

async function firefox({proxy, past}) {
  const profile = mkdtempSync(join(tmpdir(), 'firefox-'))
  const [host, port] = proxy ? proxy.replace('http://', '').split(':') : []
  const settings = {
    'browser.shell.checkDefaultBrowser': false,
    'datareporting.policy.dataSubmissionEnabled': false,
    'app.normandy.enabled': false,
    'network.captive-portal-service.enabled': false,
    'network.connectivity-service.enabled': false,
    ...(proxy && {'network.proxy.type': 1, 'network.proxy.http': host, 'network.proxy.http_port': Number(port), 'network.proxy.no_proxies_on': past.join(',')}),
  }
  writeFileSync(join(profile, 'user.js'), Object.entries(settings).map(([key, value]) => `user_pref(${JSON.stringify(key)}, ${JSON.stringify(value)});\n`).join(''))
  const child = spawn('/usr/bin/firefox-esr', ['--headless', '--no-remote', '--remote-debugging-port', '0', '--profile', profile, 'about:blank'], {stdio: ['ignore', 'ignore', 'pipe'], env: {...process.env, MOZ_DISABLE_CONTENT_SANDBOX: '1'}})
  const ended = new Promise((resolve) => child.once('close', resolve))
  const address = await new Promise((resolve, reject) => {
    let said = ''
    child.stderr.on('data', (data) => {
      said += data
      const found = /WebDriver BiDi listening on (ws:\S+)/.exec(said)
      if (found) resolve(found[1])
    })
    void ended.then(() => reject(new Error(`Firefox ended: ${said}`)))
  })
  const command = await bidi(`${address}/session`)
  await command('session.new', {capabilities: {}})
  return {
    async tab() {
      const {context} = await command('browsingContext.create', {type: 'tab'})
      return {
        goto: (url) => command('browsingContext.navigate', {context, url, wait: 'complete'}).then(() => true, () => false),
        async run(code) {
          const {result, exceptionDetails} = await command('script.evaluate', {target: {context}, expression: inPage(code), awaitPromise: true})
          if (exceptionDetails) throw new Error(exceptionDetails.text)
          return JSON.parse(result.value)
        },
      }
    },
    async close() {
      await command('browser.close', {}).catch(() => child.kill())
      await ended
      rmSync(profile, {recursive: true, force: true, maxRetries: 10})
    },
  }
}

/** One command after the other, each with its answer. */
async function bidi(address) {
  const socket = new WebSocket(address)
  await new Promise((resolve, reject) => socket.once('open', resolve).once('error', reject))
  const waiting = new Map()
  socket.on('message', (text) => {
    const {id, type, result, error, message} = JSON.parse(text)
    const answered = waiting.get(id)
    waiting.delete(id)
    if (type === 'success') answered?.resolve(result)
    else if (type === 'error') answered?.reject(new Error(`${error}: ${message}`))
  })
  socket.on('close', () => waiting.forEach(({reject}) => reject(new Error('Firefox closed the connection'))))
  let last = 0
  return (method, params) =>
    new Promise((resolve, reject) => {
      waiting.set(++last, {resolve, reject})
      socket.send(JSON.stringify({id: last, method, params}))
    })
}
