/** Makes a bare clone ready: installs the locked packages and builds, installing only what changed. */
import {execFileSync} from 'node:child_process'
import {existsSync, readFileSync, writeFileSync} from 'node:fs'
import {createHash} from 'node:crypto'

const root = new URL('..', import.meta.url)
const at = (path) => new URL(path, root)
const run = (file, args) => execFileSync(file, args, {cwd: root, stdio: ['ignore', 2, 2], shell: process.platform === 'win32'})

const lock = createHash('sha256').update(readFileSync(at('package-lock.json'))).digest('hex')
const stamp = at('node_modules/.jnode-lock')
if (!existsSync(stamp) || readFileSync(stamp, 'utf8') !== lock) {
  process.stderr.write('Installing packages (about a minute the first time) ...\n')
  run('npm', ['ci', '--no-fund', '--no-audit', '--loglevel=error'])
  writeFileSync(stamp, lock)
}
run(process.execPath, ['scripts/build.js'])
