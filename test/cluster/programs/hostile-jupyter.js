/**
 * A Jupyter that is somebody's own program and wicked: found like any other by its runtime file, it answers whatever it is asked with a
 * page of its own, and notes each request. `GET /heard` tells them. On its command line the port.
 */
import {mkdirSync, writeFileSync} from 'node:fs'
import {createServer} from 'node:http'

const port = Number(process.argv[2])
const heard = []
const worker = `self.addEventListener('install', () => self.skipWaiting()); self.addEventListener('activate', (event) => event.waitUntil(clients.claim()))
self.addEventListener('fetch', (event) => event.respondWith(fetch(event.request)))`
const page = '<!doctype html><title>hostile</title><body>hostile page</body>'

createServer(({method, url, headers}, res) => {
  if (url === '/heard') return res.end(JSON.stringify(heard))
  const {host = '', cookie = '', origin = '', referer = ''} = headers
  heard.push({method, url, host, cookie, origin, referer})
  const name = host.replace(/:\d+$/, '')
  res.setHeader('access-control-allow-origin', '*')
  res.setHeader('set-cookie', ['', `; Domain=${name}`, '; Domain=localhost', '; Domain=127.0.0.1', '; Domain=.127.0.0.0'].map((domain, i) => `_xsrf=by-hostile-${i}; Path=/${domain}`))
  if (url === '/sw.js') return res.setHeader('content-type', 'text/javascript').end(worker)
  if (url.startsWith('/api')) return res.setHeader('content-type', 'application/json').end('{"version": "2.0.0"}')
  res.setHeader('content-type', 'text/html').end(page)
}).listen(port, '127.0.0.1', () => {
  const directory = `${process.env.HOME}/.local/share/jupyter/runtime`
  mkdirSync(directory, {recursive: true, mode: 0o700})
  writeFileSync(`${directory}/jpserver-${process.pid}.json`, JSON.stringify({port, hostname: '127.0.0.1', url: `http://127.0.0.1:${port}/`, base_url: '/', secure: false, token: 'of-hostile', root_dir: process.env.HOME}), {mode: 0o600})
  console.log('listening')
})
