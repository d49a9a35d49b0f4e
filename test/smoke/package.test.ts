/** What a user gets of npm: the bundle, the notices of what is in it, and at run time nothing but what package.json says. */
import {cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync} from 'node:fs'
import {isBuiltin} from 'node:module'
import {tmpdir} from 'node:os'
import {dirname, join} from 'node:path'
import {fileURLToPath} from 'node:url'
import {afterAll, beforeAll, describe, expect, onTestFinished, test} from 'vitest'
import {startFakeCluster} from '../fake-cluster/cluster.ts'
import {buildPackage, type BuiltPackage} from './package.ts'
import {runJnode} from './run-jnode.ts'

const checkout = fileURLToPath(new URL('../..', import.meta.url))
const {dependencies, files} = JSON.parse(readFileSync(join(checkout, 'package.json'), 'utf8')) as {dependencies: Record<string, string>; files: string[]}

let built: BuiltPackage
let code: string
beforeAll(() => {
  built = buildPackage()
  const dist = join(built.root, 'dist')
  code = readdirSync(dist).filter((name) => name.endsWith('.js')).map((name) => readFileSync(join(dist, name), 'utf8')).join('\n')
})
afterAll(() => built.remove())

test('each package whose code is in the bundle has its name, its version and a text in the notices', () => {
  const notices = readFileSync(join(built.root, 'dist', 'THIRD-PARTY-NOTICES'), 'utf8')
  const entries = new Map(notices.split(/^-{79}$/m).slice(1).map((entry) => entry.trim().split(/\n\n([^]*)/)).map(([title, text]) => [title!.replace(/ \(.*$/, ''), text]))
  // esbuild says above each file's code where it is from.
  const places = new Set([...code.matchAll(/^\/\/ (\S*node_modules\/(?:@[^/\s]+\/)?[^/\s]+)\/\S+$/gm)].map(([, place]) => place!.replace(/^.*?node_modules\//, 'node_modules/')))
  expect(places.size).toBeGreaterThan(50)
  for (const place of places) {
    const {name, version} = JSON.parse(readFileSync(join(checkout, place, 'package.json'), 'utf8')) as {name: string; version: string}
    expect(entries.get(`${name} ${version}`), place).toMatch(/copyright|license/i)
  }
  expect(files).toContain('dist')
})

test('the program loads no package but those that are installed with it', () => {
  const imported = [...code.matchAll(/^(?:import|export) (?:[^'"=\n]* from )?"([^".][^"]*)";$/gm), ...code.matchAll(/\bimport\(["']([^"'.][^"']*)["']\)/g)].map(([, name]) => name!)
  expect(new Set(imported.filter((name) => !isBuiltin(name)))).toEqual(new Set(Object.keys(dependencies)))
})

test('with nothing else installed it logs in and plans a job', async () => {
  const root = mkdtempSync(join(tmpdir(), 'jnode-installed-'))
  onTestFinished(() => rmSync(root, {recursive: true}))
  const home = join(root, 'node_modules', 'jnode')
  mkdirSync(home, {recursive: true})
  for (const name of ['bin', 'dist', 'package.json']) cpSync(join(built.root, name), join(home, name), {recursive: true})
  for (const name of Object.keys(dependencies)) symlinkSync(join(checkout, 'node_modules', name), join(root, 'node_modules', name), 'junction')
  const cluster = await startFakeCluster()
  onTestFinished(() => cluster.close())
  const {exitCode, stdout, stderr} = await runJnode(join(home, 'bin', 'run.js'), ['start', '--dry-run'], cluster.laptop.env).ended
  expect({exitCode, stderr}).toMatchObject({exitCode: 0})
  expect(stdout).toMatch(/^qsub /)
})

describe('no bundle is made with a package', () => {
  const refusal = async (described: object, text?: string): Promise<string> => {
    const root = mkdtempSync(join(tmpdir(), 'jnode-notices-'))
    onTestFinished(() => rmSync(root, {recursive: true}))
    const place = join(root, 'node_modules/@some/one')
    mkdirSync(place, {recursive: true})
    writeFileSync(join(place, 'package.json'), JSON.stringify({name: '@some/one', version: '1.2.3', ...described}))
    if (text !== undefined) writeFileSync(join(place, 'LICENSE.md'), text)
    const {bundledPackages, noticesOf} = (await import(join(dirname(built.bin), '..', 'scripts', 'third-party-notices.js'))) as {bundledPackages(meta: object): string[]; noticesOf(root: string, directories: string[]): string}
    const inputs = {'src/main.ts': {bytesInOutput: 5}, 'node_modules/@some/one/index.js': {bytesInOutput: 1}, 'node_modules/gone/index.js': {bytesInOutput: 0}}
    try {
      return noticesOf(root, bundledPackages({outputs: {'dist/main.js': {inputs}}}))
    } catch (error) {
      return (error as Error).message
    }
  }

  test('whose licence is not known', async () => {
    expect(await refusal({license: 'GPL-3.0'}, 'Text')).toMatch(/@some\/one 1\.2\.3 has the licence "GPL-3\.0"/)
    expect(await refusal({}, 'Text')).toMatch(/has the licence undefined/)
  })

  test('that brings no text of its licence', async () => {
    expect(await refusal({license: 'MIT'})).toMatch(/@some\/one 1\.2\.3 brings no text of its licence/)
  })

  test('else; its licence is in the notices word for word', async () => {
    expect(await refusal({license: 'MIT'}, 'Copyright Some One\n\nDo what you like.\n')).toMatch(/^@some\/one 1\.2\.3 \(MIT\)\n\nCopyright Some One\n\nDo what you like\.\n$/m)
  })
})
