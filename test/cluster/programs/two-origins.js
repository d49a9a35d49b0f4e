/**
 * Two good sessions and a hostile one in one browser, which has a proxy for all else: `{browser, own, other, hostile, evil}` on stdin, URLs all but
 * the first, and `evil` names that somebody's nameserver leads here. On stdout what each could see of the others, and the proxy of them, as JSON.
 */
import {createServer} from 'node:http'
import {text} from 'node:stream/consumers'
import {launch} from './browsers.js'

const {browser: name, own, other, hostile, evil} = JSON.parse(await text(process.stdin))
const [ownUrl, otherUrl, hostileUrl] = [own, other, hostile].map((url) => new URL(url))
const asked = []
const proxy = createServer((req, res) => (asked.push(req.url), res.writeHead(502).end())).on('connect', (req, socket) => (asked.push(req.url), socket.end('HTTP/1.1 502 no\r\n\r\n')))
await new Promise((resolve) => proxy.listen(0, '127.0.0.1', resolve))
const browser = await launch(name, {proxy: `http://127.0.0.1:${proxy.address().port}`, past: evil})

const WRITE = `const xsrf = /(?:^|; )_xsrf=([^;]*)/.exec(document.cookie)?.[1] ?? ''
  return (await fetch('/api/contents', {method: 'POST', headers: {'content-type': 'application/json', 'X-XSRFToken': xsrf}, body: '{"type": "file", "ext": ".txt"}'})).status`
const SEEN = `return {cookie: document.cookie, storage: {...localStorage}, caches: await caches.keys(), databases: (await indexedDB.databases()).map(({name}) => name), workers: (await navigator.serviceWorker.getRegistrations()).length, controlled: navigator.serviceWorker.controller !== null}`

/** Where a tab that is sent to a URL ends up. */
async function sent(tab, url) {
  if (!(await tab.goto(url))) return 'nothing'
  return tab.run('return document.body.innerText.slice(0, 300)')
}

try {
  const [mine, second, theirs] = [await browser.tab(), await browser.tab(), await browser.tab()]
  await mine.goto(own)
  await mine.run(`localStorage.setItem('secret', 'of-own'); document.cookie = 'secret=of-own; path=/'; await caches.open('of-own')`)
  await second.goto(other)
  const report = {written: [await mine.run(WRITE), await second.run(WRITE)]}

  await theirs.goto(hostile)
  report.secure = await theirs.run(`return {context: isSecureContext, clipboard: navigator.clipboard !== undefined, workers: navigator.serviceWorker !== undefined}`)
  await theirs.run(`await navigator.serviceWorker.register('/sw.js'); await navigator.serviceWorker.ready
    localStorage.setItem('planted', 'by-hostile'); await caches.open('by-hostile'); indexedDB.open('by-hostile')
    for (const domain of ['${ownUrl.hostname}', '${otherUrl.hostname}', 'localhost', '127.0.0.1', location.hostname]) document.cookie = '_xsrf=by-hostile; path=/; domain=' + domain
    document.cookie = '_xsrf=by-hostile; path=/'`)
  report.hostileSees = await theirs.run(SEEN)
  report.fetched = await theirs.run(`const out = []
    for (const url of ${JSON.stringify([own, new URL('/api/contents', own).href])}) for (const mode of ['cors', 'no-cors']) out.push(await fetch(url, {mode, credentials: 'include'}).then(async (r) => r.type + (await r.text()), (e) => e.name))
    return out`)
  report.framed = await theirs.run(`const frame = document.createElement('iframe'); frame.src = ${JSON.stringify(own)}
    await new Promise((resolve) => { frame.onload = resolve; setTimeout(resolve, 5000); document.body.append(frame) })
    try { return frame.contentDocument && frame.contentDocument.cookie } catch (error) { return error.name }`)

  // The browser is sent to the other's place at the own port, and to all names that might lead there.
  const hosts = [ownUrl.hostname, 'localhost', '127.0.0.1', '[::1]', ...evil]
  const ports = [...new Set([ownUrl.port, hostileUrl.port])]
  report.sent = {}
  for (const host of hosts) {
    for (const port of ports) {
      if (host !== ownUrl.hostname || port !== ownUrl.port) report.sent[`${host}:${port}`] = await sent(theirs, `http://${host}:${port}/`)
    }
  }
  await theirs.goto(hostile)
  report.heard = await theirs.run(`return (await fetch('/heard')).json()`)

  // Both again, as a person who goes from tab to tab.
  await mine.goto(ownUrl.origin + ownUrl.pathname)
  await second.goto(otherUrl.origin + otherUrl.pathname)
  report.ownSees = await mine.run(SEEN)
  report.written.push(await mine.run(WRITE), await second.run(WRITE), await mine.run(WRITE))
  report.proxied = asked.filter((what) => [ownUrl, otherUrl, hostileUrl].some(({hostname}) => what.includes(hostname)))
  process.stdout.write(JSON.stringify(report))
} finally {
  await browser.close()
  proxy.closeAllConnections()
  proxy.close()
}
