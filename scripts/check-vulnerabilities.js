/**
 * Asks npm's registry for known vulnerabilities of the locked packages. Fails on one of high severity in what users get: the
 * bundle and what is installed with it. Others, and those of the tools, are named only. Without an answer nothing is known,
 * which is said and is no failure. Run it after a build.
 */
import {spawnSync} from 'node:child_process'
import {readFileSync} from 'node:fs'

const read = (path) => readFileSync(new URL(`../${path}`, import.meta.url), 'utf8')

/** Where there is nobody to ask, that is known within half a minute. */
const ASK = ['audit', '--json', '--fetch-retries=0', '--fetch-timeout=20000']

function audit() {
  const {stdout} = spawnSync('npm', ASK, {cwd: new URL('..', import.meta.url), encoding: 'utf8', timeout: 60_000, maxBuffer: 64 * 1024 * 1024, shell: process.platform === 'win32'})
  try {
    return JSON.parse(stdout)
  } catch {
    return {message: 'npm gave no answer'}
  }
}

/** Whether a vulnerable package is in the bundle or installed with the program. */
function reachesUsers({name, nodes}, locked, bundled) {
  return bundled.has(name) || nodes.some((node) => locked[node]?.dev !== true)
}

const report = audit()
if (report.vulnerabilities === undefined) {
  console.log(`Known vulnerabilities were not checked: ${report.message ?? 'npm gave no answer'}`)
} else {
  const {packages} = JSON.parse(read('package-lock.json'))
  const bundled = new Set([...read('dist/THIRD-PARTY-NOTICES').matchAll(/^-{79}\n(\S+) /gm)].map(([, name]) => name))
  // A package that only depends on a vulnerable one is named by its name, without words of its own.
  const found = Object.values(report.vulnerabilities).flatMap((one) => one.via.filter((advisory) => typeof advisory === 'object').map((advisory) => ({...advisory, fatal: ['high', 'critical'].includes(advisory.severity) && reachesUsers(one, packages, bundled)})))
  for (const {name, severity, title, url, fatal} of found) console.log(`${fatal ? 'FAILED' : 'noted'}: ${name} (${severity}): ${title} ${url}`)
  console.log(found.length === 0 ? 'No vulnerability of the locked packages is known.' : `${found.length} known, ${found.filter(({fatal}) => fatal).length} of high severity in what users get.`)
  if (found.some(({fatal}) => fatal)) process.exitCode = 1
}
