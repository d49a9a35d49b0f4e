import {mkdirSync, readFileSync, rmSync, writeFileSync} from 'node:fs'
import {join} from 'node:path'
import {expect, test} from 'vitest'
import {documentOf, makeWorld, usePackage, type World} from './world.ts'

usePackage()

const planOf = async (world: World, env: Record<string, string> = {}) =>
  documentOf(await world.launch(['start', 'nb', '--cores', '4', '--mem', '2G', '--dry-run', '--json'], {env}).ended)['qsub']

test('with --yes it writes what it found beside what was there, and start needs no more', async () => {
  const world = await makeWorld()
  const {configFile} = world.laptop
  const before = readFileSync(configFile, 'utf8')
  const {exitCode, stdout} = await world.jnode('init', '--yes')
  const text = readFileSync(configFile, 'utf8')
  expect(exitCode).toBe(0)
  expect(stdout).toMatch(/^\[clusters\.fake\]\n# learnt: by "jnode init" on \d{4}-\d\d-\d\d from SGE 8\.1\.9/)
  expect(stdout).toContain(`Written into ${configFile}.\nYour own lines stay as they are: host, jump.\n`)
  expect(text).toMatch(/^pe = "smp" {2}# learnt: keeps all slots/m)
  expect(text).toMatch(/^memory = \{resource = "mem_free", per = "slot"\} {2}# learnt: counted per slot/m)
  expect(text.split('\n').filter((line) => !line.includes('# learnt')).join('\n')).toBe(before)
  expect(await planOf(world)).toContain('-pe smp 4 -l mem_free=512M')
  expect(documentOf(await world.jnode('init', '--yes', '--json'))).toMatchObject({cluster: 'fake', file: configFile, written: true, learnt: {pe: 'smp', jupyters: expect.any(Array) as unknown}})
  expect(readFileSync(configFile, 'utf8')).toBe(text)
  await world.expectNothingLeft()
})

test('with nobody to ask it logs in nowhere and writes nothing', async () => {
  const world = await makeWorld()
  const before = readFileSync(world.laptop.configFile, 'utf8')
  expect(await world.jnode('init')).toMatchObject({exitCode: 2, stdout: '', stderr: expect.stringMatching(/nobody to ask here\n {2}Give it --yes/) as string})
  expect(world.cluster.accepted('gateway')).toBe(0)
  expect(readFileSync(world.laptop.configFile, 'utf8')).toBe(before)
})

test('a file of the site is read below the user\'s, and named where it is wrong', async () => {
  const world = await makeWorld()
  const {configFile, home} = world.laptop
  const site = join(home, 'site', 'jnode', 'config.toml')
  mkdirSync(join(site, '..'), {recursive: true})
  const env = {XDG_CONFIG_DIRS: join(home, 'site')}
  writeFileSync(site, `${readFileSync(configFile, 'utf8')}pe = "mpi"\n`)
  rmSync(configFile)
  expect(await planOf(world, env)).toContain('-pe mpi 4')
  writeFileSync(configFile, '[clusters.fake]\npe = "make"\n')
  expect(await planOf(world, env)).toContain('-pe make 4')
  writeFileSync(site, '[clusters.fake]\nhots = "head"\n')
  expect(await world.launch(['list'], {env}).ended).toMatchObject({exitCode: 2, stderr: expect.stringContaining(`clusters.fake.hots in ${site} is not a key`) as string})
  await world.expectNothingLeft()
})
