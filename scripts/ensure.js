/** Makes a bare clone ready: installs the locked packages and builds, installing only what changed. */
import {spawnSync} from 'node:child_process'
import {createHash} from 'node:crypto'
import {existsSync, readFileSync, writeFileSync} from 'node:fs'

const root = new URL('..', import.meta.url)
const at = (path) => new URL(path, root)

/** Ends here, in words and without a stack. */
function stop(sentence) {
  process.stderr.write(`${sentence}\n`)
  process.exit(1)
}

/** What a program printed and how it ended; npm is a script on Windows, which only a shell starts. */
function run(file, args) {
  const {error, status, stdout, stderr} = spawnSync(file, args, {cwd: root, stdio: ['ignore', 'pipe', 'pipe'], encoding: 'utf8', shell: process.platform === 'win32'})
  return {well: !error && status === 0, said: error ? error.message : `${stdout}${stderr}`.trim()}
}

const OFFLINE = /\b(ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|ENETUNREACH|EHOSTUNREACH|ERR_SOCKET_TIMEOUT)\b/

function stopIfOffline(said) {
  const code = OFFLINE.exec(said)?.[1]
  if (code) stop(`The packages cannot be installed: npm's registry cannot be reached (${code}). Check the network and the proxy, then run it again.`)
}

function install() {
  process.stderr.write('Installing packages into node_modules (less than a minute, the first time only) ...\n')
  // Without a network `npm ci` tries for minutes, package by package; one question first tells at once.
  const ping = run('npm', ['ping', '--loglevel=error', '--fetch-retries=1', '--fetch-retry-mintimeout=1000', '--fetch-timeout=20000'])
  if (!ping.well) stopIfOffline(ping.said)
  const {well, said} = run('npm', ['ci', '--no-fund', '--no-audit', '--loglevel=error'])
  if (well) return
  stopIfOffline(said)
  stop(`The packages cannot be installed. npm says:\n${said}`)
}

const {engines} = JSON.parse(readFileSync(at('package.json'), 'utf8'))
const [least, have] = [engines.node, process.versions.node].map((version) => version.replace(/^\D+/, '').split('.').map(Number))
if (have[0] < least[0] || (have[0] === least[0] && have[1] < (least[1] ?? 0))) {
  stop(`jnode needs Node ${least.join('.')} or later, and this is ${process.versions.node}. Newer ones are at https://nodejs.org.`)
}

const lock = createHash('sha256').update(readFileSync(at('package-lock.json'))).digest('hex')
const stamp = at('node_modules/.jnode-lock')
if (!existsSync(stamp) || readFileSync(stamp, 'utf8') !== lock) {
  install()
  writeFileSync(stamp, lock)
}
const {well, said} = run(process.execPath, ['scripts/build.js'])
if (!well) stop(`The program cannot be built:\n${said}`)
