import {spawnSync} from 'node:child_process'
import {cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {fileURLToPath} from 'node:url'
import {describe, expect, onTestFinished, test} from 'vitest'

/** Runs the check with an npm that prints `answer`. */
function check(answer: string): {status: number | null; stdout: string} {
  const root = mkdtempSync(join(tmpdir(), 'jnode-audit-'))
  onTestFinished(() => rmSync(root, {recursive: true}))
  for (const name of ['scripts', 'dist', 'bin']) mkdirSync(join(root, name))
  cpSync(fileURLToPath(new URL('../../scripts/check-vulnerabilities.js', import.meta.url)), join(root, 'scripts/check-vulnerabilities.js'))
  writeFileSync(join(root, 'package.json'), '{"type": "module"}')
  writeFileSync(join(root, 'package-lock.json'), JSON.stringify({packages: {'node_modules/loaded': {}, 'node_modules/bundled': {dev: true}, 'node_modules/tool': {dev: true}}}))
  writeFileSync(join(root, 'dist/THIRD-PARTY-NOTICES'), `Words\n\n${'-'.repeat(79)}\nbundled 1.0.0 (MIT)\n\nText\n`)
  writeFileSync(join(root, 'answer'), answer)
  writeFileSync(join(root, 'bin/npm'), `#!/bin/sh\ncat '${root}/answer'\nexit 1\n`, {mode: 0o755})
  const {status, stdout} = spawnSync(process.execPath, [join(root, 'scripts/check-vulnerabilities.js')], {encoding: 'utf8', env: {PATH: `${root}/bin:/usr/bin:/bin`}})
  return {status, stdout}
}

const vulnerable = (name: string, severity: string) => ({[name]: {name, nodes: [`node_modules/${name}`], via: [{name, severity, title: 'It breaks', url: 'https://example.org/1'}, 'other']}})
const report = (...found: object[]) => JSON.stringify({vulnerabilities: Object.assign({}, ...found) as object})

describe.skipIf(process.platform === 'win32')('the check for known vulnerabilities', () => {
  test.each(['loaded', 'bundled'])('fails on one of high severity in what users get: %s', (name) => {
    expect(check(report(vulnerable(name, 'high')))).toMatchObject({status: 1, stdout: `FAILED: ${name} (high): It breaks https://example.org/1\n1 known, 1 of high severity in what users get.\n`})
  })

  test('only names a lesser one, and one of a tool', () => {
    const {status, stdout} = check(report(vulnerable('loaded', 'moderate'), vulnerable('tool', 'critical')))
    expect(status).toBe(0)
    expect(stdout).toMatch(/^noted: loaded .*\nnoted: tool .*\n2 known, 0 of high severity/)
  })

  test('says that there are none', () => {
    expect(check(report())).toEqual({status: 0, stdout: 'No vulnerability of the locked packages is known.\n'})
  })

  test.each([
    ['that refuses', '{"message": "405 Method Not Allowed", "error": {}}', '405 Method Not Allowed'],
    ['that says nothing', '', 'npm gave no answer'],
  ])('passes and says so where there is a registry %s', (_, answer, why) => {
    expect(check(answer)).toEqual({status: 0, stdout: `Known vulnerabilities were not checked: ${why}\n`})
  })
})
