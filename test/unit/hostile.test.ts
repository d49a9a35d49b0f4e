/** Text that tries to be shell, wherever a user's words reach a real one: what is quoted stays text. More runs: see CONTRIBUTING.md. */
import fc from 'fast-check'
import {existsSync, readFileSync, rmSync} from 'node:fs'
import {join} from 'node:path'
import {describe, expect, onTestFinished, test} from 'vitest'
import {gridEngine} from '../../src/sge/client.ts'
import {qsubArguments} from '../../src/sge/qsub.ts'
import {command} from '../../src/shell.ts'
import {localRemote} from '../../src/ssh/local.ts'
import {fuzzing} from './fuzzing.ts'
import {runJob} from './jupyter/job-run.ts'
import {headNode} from './sge/head-node.ts'

/** Each would leave the file `hit`, were it run. No NUL, which no argument can hold. */
const hostile = (hit: string) => {
  const attempts = [`$(touch ${hit})`, `\`touch ${hit}\``, `'; touch ${hit}; '`, `"; touch ${hit}; "`, `\n touch ${hit}\n`, `; touch ${hit} #`, `| touch ${hit}`, `&& touch ${hit}`, `\\'; touch ${hit};`, `\n#$ -o ${hit}\n`, `END_OF_START\ntouch ${hit}`, `!!`, `%s\\n`, `-x`, `~`, `*`, '\u{1F980}', '\t', '\r\n', '\x1B[2J']
  const piece = fc.oneof(fc.constantFrom(...attempts), fc.string({maxLength: 12}), fc.string({unit: 'binary', maxLength: 6}))
  return fc.array(piece, {minLength: 1, maxLength: 4}).map((pieces) => pieces.join('').replaceAll('\0', ''))
}

test('arguments of qsub arrive as they are', () => {
  const head = headNode()
  head.program('bin/qsub', `printf '%s\\0' "$@" >${head.path('args')}; echo 7`)
  const grid = gridEngine({setup: ''})
  const word = hostile(head.path('hit'))
  const request = fc.record({queue: word, node: word, project: word, extra: fc.array(word, {maxLength: 3}), name: word, log: word})
  fc.assert(
    fc.property(request, ({queue, node, project, extra, name, log}) => {
      const args = qsubArguments(
        {name, slots: 1, parallelEnvironment: null, memoryBytes: null, gpus: 0, runSeconds: 60, queue, node, project, account: null, extraArgs: ['-w', 'n', ...extra], logPath: `/${log}`, shell: '/bin/sh'},
        {memory: [], gpu: null},
      )
      expect(head.ask(grid.submit(args, `/${name}`))).toMatchObject({kind: 'submitted', jobId: '7'})
      expect(readFileSync(head.path('args'), 'utf8')).toBe([...args, `/${name}`, ''].join('\0'))
      expect(existsSync(head.path('hit'))).toBe(false)
    }),
    {...fuzzing(25), endOnFailure: true},
  )
})

describe('a job script runs nothing but what it should', () => {
  test.each(['dir', 'modules', 'conda', 'name', 'sessionDir'] as const)('with a hostile %s', async (field) => {
    const hit = join('/tmp', `jnode-hit-${process.pid}-${field}`)
    onTestFinished(() => rmSync(hit, {force: true}))
    await fc.assert(
      fc.asyncProperty(hostile(hit), async (text) => {
        const value = field === 'modules' ? [text] : field === 'sessionDir' ? `/nosuch/${text}` : text
        const run = runJob({programs: {'jupyter-lab': 'exit 0'}, spec: {[field]: value}})
        try {
          await run.ended
          expect(existsSync(hit)).toBe(false)
        } finally {
          await run.remove()
        }
      }),
      {...fuzzing(4), endOnFailure: true},
    )
  })
})

test('scripts reach a shell as they are, and one does not end another', async () => {
  const head = headNode()
  const remote = localRemote()
  onTestFinished(() => remote.close())
  await fc.assert(
    fc.asyncProperty(fc.array(hostile(head.path('hit')), {minLength: 1, maxLength: 4}), async (words) => {
      const results = await remote.run(words.map((word, i) => `${command(['printf', '%s', word])}; exit ${i}`))
      expect(results.map(({exitCode, stdout}) => [exitCode, stdout])).toEqual(words.map((word, i) => [i, Buffer.from(word).toString()]))
      expect(existsSync(head.path('hit'))).toBe(false)
    }),
    {...fuzzing(20), endOnFailure: true},
  )
})
