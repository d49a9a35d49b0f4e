/** A user's words in the job: real shells, programs that stand in for Jupyter, modules and conda. More runs: see CONTRIBUTING.md. */
import fc from 'fast-check'
import {existsSync, mkdirSync, readFileSync} from 'node:fs'
import {join} from 'node:path'
import {describe, expect, test} from 'vitest'
import {quote} from '../../src/shell.ts'
import {fuzzing} from './fuzzing.ts'
import {hostile, hostileLine, shellsHere} from './hostile.ts'
import {makeHome, runJob, type RunOptions} from './jupyter/job-run.ts'

/** A login profile with a `module` and a `conda` that note what they are asked for. */
const PROFILE = `PATH="$HOME/bin"
module() { [ "$1" != load ] || printf %s "$2" >"$HOME/module"; LOADEDMODULES=$2; }
conda() { printf %s "$2" >"$HOME/conda"; }
`

const TIMES = {...fuzzing(3), endOnFailure: true}

/** Runs one job to its end; answers with what its programs have noted below the home directory. */
async function job(options: RunOptions, home = makeHome()): Promise<{notes: (name: string) => string | null; hit: boolean; end: string | null | undefined; log: string}> {
  const run = runJob({programs: {'jupyter-lab': 'pwd >"$HOME/cwd"; env >"$HOME/env"; exit 3'}, files: {'.profile': PROFILE}, home, ...options})
  try {
    await run.ended
    const notes = (name: string) => (existsSync(join(home, name)) ? readFileSync(join(home, name), 'utf8') : null)
    const read = new Map(['cwd', 'env', 'module', 'conda', 'ran', 'said'].map((name) => [name, notes(name)]))
    return {notes: (name) => read.get(name) ?? null, hit: existsSync(join(home, 'hit')), end: run.record()?.end?.reason, log: run.log()}
  } finally {
    await run.remove()
  }
}

// `touch $HOME/hit`, without the slash that the name of a directory cannot have.
const HIT = '"$HOME"/hit'
const text = hostile(HIT)
const line = hostileLine(HIT)
const same = (word: string) => Buffer.from(word).toString()

describe.each(shellsHere([['dash'], ['bash', '--posix']]))('under %s, a job runs nothing but what it should', (...shell) => {
  test('with hostile names of modules and of a conda environment, which arrive as they are', () =>
    fc.assert(
      fc.asyncProperty(text, text, async (module, conda) => {
        const {notes, hit} = await job({shell, spec: {modules: [module], conda}})
        expect([notes('module'), notes('conda'), hit]).toEqual([same(module), same(conda), false])
      }),
      TIMES,
    ))

  test('with a hostile directory, where Jupyter starts', () =>
    fc.assert(
      fc.asyncProperty(line, fc.constantFrom('', '~/', '$HOME/'), async (name, from) => {
        const home = makeHome()
        const dir = `d${Buffer.from(name.replaceAll('/', '').replaceAll('\x7f', '')).subarray(0, 150).toString()}.`
        mkdirSync(join(home, dir))
        const {notes, hit} = await job({shell, spec: {dir: `${from}${dir}`}}, home)
        expect([notes('cwd'), hit]).toEqual([`${join(home, dir)}\n`, false])
      }),
      TIMES,
    ))

  test.each(['name', 'sessionDir', 'dir'] as const)('with a hostile %s', (field) =>
    fc.assert(
      fc.asyncProperty(text, async (word) => {
        const {hit} = await job({shell, spec: {[field]: field === 'sessionDir' ? `/nosuch/${word}` : word}})
        expect(hit).toBe(false)
      }),
      TIMES,
    ))

  test('with set-up lines: each runs once, and what it quotes stays text', () =>
    fc.assert(
      fc.asyncProperty(line, text, async (comment, word) => {
        const setup = [`echo once >>"$HOME/ran" # ${comment}`, `printf %s ${quote(word)} >"$HOME/said"`, `: <<'END'\n${word.replaceAll('END', '')}\nEND`]
        const {notes, hit} = await job({shell, spec: {setup}})
        // A set-up line may come from a file with Windows' ends of lines.
        expect([notes('ran'), notes('said'), hit]).toEqual(['once\n', same(word.replaceAll('\r\n', '\n')), false])
      }),
      TIMES,
    ))

  test('with a set-up line that fails: it is told of, not run again', () =>
    fc.assert(
      fc.asyncProperty(text, async (word) => {
        const {notes, hit, end} = await job({shell, spec: {setup: [`echo once >>"$HOME/ran"; test ${quote(word)} = x`]}})
        expect([notes('ran'), hit, end]).toEqual(['once\n', false, 'setup-failed'])
      }),
      TIMES,
    ))

  test('with a hostile environment of the site\'s and the user\'s', () =>
    fc.assert(
      fc.asyncProperty(fc.array(text, {minLength: 10, maxLength: 10}), async (values) => {
        const names = ['NSLOTS', 'QUEUE', 'JOB_ID', 'HOSTNAME', 'SGE_HGR_gpu', 'CUDA_VISIBLE_DEVICES', 'SGE_JOB_SPOOL_DIR', 'OMP_NUM_THREADS', 'JUPYTER_CONFIG_PATH', 'LOADEDMODULES']
        const env = Object.fromEntries(names.map((name, i) => [name, values[i]]))
        const {hit, end, log} = await job({shell, env})
        expect([hit, end, log]).toEqual([false, 'jupyter-exited', expect.anything()])
      }),
      TIMES,
    ))
})
