/** Opens `{url}` in `{browser}`, which has a proxy for everything: the page's title, and what the proxy was asked for of it. */
import {createServer} from 'node:http'
import {text} from 'node:stream/consumers'
import {launch} from './browsers.js'

const {browser: name, url} = JSON.parse(await text(process.stdin))
const asked = []
const proxy = createServer((req, res) => (asked.push(req.url), res.writeHead(502).end()))
proxy.on('connect', (req, socket) => (asked.push(req.url), socket.end('HTTP/1.1 502 no\r\n\r\n')))
await new Promise((resolve) => proxy.listen(0, '127.0.0.1', resolve))
const browser = await launch(name, {proxy: `http://127.0.0.1:${proxy.address().port}`})
try {
  const tab = await browser.tab()
  await tab.goto(url)
  process.stdout.write(JSON.stringify({title: await tab.run('return document.title'), proxied: asked.filter((what) => what.includes(new URL(url).hostname))}))
} finally {
  await browser.close()
  proxy.closeAllConnections()
  proxy.close()
}
