import {mkdir, mkdtemp, readdir, rm, writeFile} from 'node:fs/promises'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {afterEach, beforeEach, expect, test} from 'vitest'
import type {StartOptions} from '../../../src/config/start-options.ts'
import type {Deps} from '../../../src/flows/deps.ts'
import {start} from '../../../src/flows/start.ts'
import {openStore} from '../../../src/session/local-store.ts'
import {originStore} from '../../../src/session/origins.ts'
import {quote} from '../../../src/shell.ts'
import {localRemote} from '../../../src/ssh/local.ts'
import {systemClock} from '../../../src/time.ts'
import {rejectionOf} from '../expect-error.ts'

let dir: string
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'jnode-start-'))
})
afterEach(() => rm(dir, {recursive: true}))

/** This machine as a head node with a home directory of its own and just enough of a Grid Engine to be found. */
async function head() {
  const bin = join(dir, 'bin')
  await mkdir(bin)
  await writeFile(join(bin, 'qsub'), '#!/bin/sh\nexit 1\n', {mode: 0o755})
  await writeFile(join(bin, 'qstat'), '#!/bin/sh\necho "usage: qstat [-xml]"\n', {mode: 0o755})
  const local = localRemote()
  const setting = `HOME=${quote(dir)} PATH=${quote(bin)}:$PATH; export HOME PATH\n`
  return {...local, run: ((scripts, options) => local.run(scripts.map((script) => setting + script), options)) as typeof local.run}
}

test('a name that is taken leaves the other session alone, also before that has written its facts', async () => {
  const other = join(dir, '.jnode/sessions/t1')
  await mkdir(other, {recursive: true})
  await writeFile(join(other, 'job.sh'), '#!/bin/sh\n')
  const remote = await head()
  const deps = {
    connect: async () => ({head: remote, close: async () => {}}),
    store: openStore(join(dir, 'state')),
    origins: originStore(join(dir, 'state')),
    keepers: {dismiss: async () => {}},
    clock: systemClock,
    randomHex: (length: number) => 'ab'.repeat(length),
    tell: () => {},
  } as unknown as Deps
  const cluster = {name: 'c1', label: 'head', hops: [], sgeSetup: null, memory: null, gpu: null}
  const options = {cluster, cores: 1, memoryBytes: null, gpus: 0, runSeconds: null, queue: null, node: null, pe: null, project: null, account: null, sgeArgs: [], app: 'auto', dir: null, modules: [], conda: null, setup: [], route: 'auto', port: null, waitSeconds: null} as unknown as StartOptions
  const failure = await rejectionOf(start({name: 't1', options, signal: new AbortController().signal}, deps))
  expect(failure.code).toBe('session-exists')
  expect(await readdir(other)).toEqual(['job.sh'])
})
