/** A user's words on the head node, through real login shells: what is quoted stays text. More runs: see CONTRIBUTING.md. */
import fc from 'fast-check'
import {spawn} from 'node:child_process'
import {existsSync, mkdirSync, readFileSync} from 'node:fs'
import {join} from 'node:path'
import {describe, expect, test} from 'vitest'
import {ask} from '../../src/ask.ts'
import type {SharedFacts} from '../../src/session/facts.ts'
import {createRemoteSession, readLogTail, readRecordText, readRemoteSessions, remoteDir, removeRemoteSession} from '../../src/session/remote-store.ts'
import {gridEngine} from '../../src/sge/client.ts'
import {qsubArguments} from '../../src/sge/qsub.ts'
import {discoverSite} from '../../src/sge/site.ts'
import {command, quote} from '../../src/shell.ts'
import type {RunCommand} from '../../src/ssh/remote.ts'
import {runOver, SHELL_COMMAND} from '../../src/ssh/remote-command.ts'
import {fuzzing} from './fuzzing.ts'
import {hostile, hostileLine, shellsHere} from './hostile.ts'
import {headNode, type HeadNode} from './sge/head-node.ts'

/** What facts may hold: no control characters. */
const plain = (text: string) => text.replace(/[\p{Cc}\u2028\u2029]/gu, ' ')

/** Scripts as sshd hands them to somebody's login shell. */
function through(shell: string, head: HeadNode, env: Record<string, string> = {}): RunCommand {
  return runOver(async () => {
    const child = spawn(shell, ['-c', SHELL_COMMAND], {stdio: 'pipe', cwd: head.path('.'), env: {LANG: 'C.UTF-8', PATH: `${head.path('bin')}:/usr/bin:/bin`, HOME: head.path('.'), ...env}})
    const ended = new Promise<void>((resolve) => child.once('close', () => resolve()))
    return {stdin: child.stdin, stdout: child.stdout, stderr: child.stderr, ended, kill: () => void child.kill()}
  }, 'alice@head')
}

describe.each(shellsHere([['bash'], ['dash'], ['tcsh'], ['fish'], ['zsh']]))('with %s as login shell', (shell) => {
  test('scripts reach sh as they are, and one does not end another', async () => {
    const head = headNode()
    await fc.assert(
      fc.asyncProperty(fc.array(hostile(head.path('hit')), {minLength: 1, maxLength: 4}), async (words) => {
        const results = await through(shell, head)(words.map((word, i) => `${command(['printf', '%s', word])}; exit ${i}`))
        expect(results.map(({exitCode, stdout}) => [exitCode, stdout])).toEqual(words.map((word, i) => [i, Buffer.from(word).toString()]))
        expect(existsSync(head.path('hit'))).toBe(false)
      }),
      {...fuzzing(4), endOnFailure: true},
    )
  })

  test('arguments of qsub arrive as they are', async () => {
    const head = headNode()
    head.program('bin/qsub', `printf '%s\\0' "$@" >${head.path('args')}; echo 7`)
    const word = hostile(head.path('hit'))
    const request = fc.record({queue: word, node: word, project: word, parallelEnvironment: word, resource: word, extra: fc.array(word, {maxLength: 3}), name: word, log: word})
    await fc.assert(
      fc.asyncProperty(request, async ({queue, node, project, parallelEnvironment, resource, extra, name, log}) => {
        const args = qsubArguments(
          {name, slots: 2, parallelEnvironment, memoryBytes: 2 ** 30, gpus: 0, runSeconds: 60, queue, node, project, account: null, extraArgs: ['-w', 'n', ...extra], logPath: `/${log}`, shell: '/bin/sh'},
          {memory: [{resource, per: 'slot'}], gpu: null},
        )
        const submission = await ask(through(shell, head), gridEngine({setup: ''}).submit(args, `/${name}`))
        expect(submission).toMatchObject({kind: 'submitted', jobId: '7'})
        expect(readFileSync(head.path('args'), 'utf8')).toBe([...args, `/${name}`, ''].join('\0'))
        expect(existsSync(head.path('hit'))).toBe(false)
      }),
      {...fuzzing(4), endOnFailure: true},
    )
  })

  test('an environment that tries to be shell is learnt, and set again for each call, as it is', async () => {
    const head = headNode()
    for (const program of ['bin/qconf', 'bin/qhost']) head.program(program, 'exit 1')
    head.program('site/qsub', 'exit 0')
    head.program('site/qstat', `case $1 in -help) echo 'SGE 8.1.9'; echo '-xml' ;; *) printf '%s\\0' "$SGE_ROOT" "$SGE_CELL" >${head.path('seen')} ;; esac`)
    const value = hostileLine(head.path('hit'))
    await fc.assert(
      fc.asyncProperty(value, value, hostile(head.path('hit')), async (root, cell, other) => {
        const env = {SHELL: `/bin/${shell}`, WORK: other, SCRATCH: other, LC_TIME: other, SGE_CLUSTER_NAME: other}
        const setup = `PATH=${quote(head.path('site'))}:$PATH; SGE_ROOT=${quote(`/${root}`)}; SGE_CELL=${quote(`c${cell}`)}; export PATH SGE_ROOT SGE_CELL`
        const learn = {parallelEnvironments: true, resources: true, account: true}
        const site = await ask(through(shell, head, env), discoverSite({setup, learn}))
        await ask(through(shell, head), gridEngine(site).list(other, {prefix: other, ids: [other]}))
        expect(readFileSync(head.path('seen'), 'utf8')).toBe([...[`/${root}`, `c${cell}`].map((text) => Buffer.from(text).toString()), ''].join('\0'))
        expect(existsSync(head.path('hit'))).toBe(false)
      }),
      {...fuzzing(2), endOnFailure: true},
    )
  })

  test('a home directory that tries to be shell holds a session, from its making to its end', async () => {
    const head = headNode()
    await fc.assert(
      fc.asyncProperty(hostileLine('hit').map((text) => plain(text).replaceAll('/', '')), hostile(head.path('hit')), async (name, text) => {
        const home = head.path(`home/${Buffer.from(name).subarray(0, 150).toString()}.`)
        mkdirSync(home, {recursive: true})
        const run = through(shell, head, {HOME: home})
        const dir = remoteDir(home, 'nb')
        const facts: SharedFacts = {
          version: 1, id: '0123456789abcdef0123456789abcdef', name: 'nb', host: 'ada@head', jobId: '7', jobName: 'jnode-nb', slots: 1, memoryBytes: null, runSeconds: null,
          app: 'lab', remoteDir: dir, submittedAt: '2026-11-20T10:00:00.000Z', startedAt: null, localPort: 8888, page: '', gpus: plain(text),
        }
        await ask(run, createRemoteSession({facts, token: 't', proof: 'p', jobScript: text}))
        expect(readFileSync(join(dir, 'job.sh'), 'utf8')).toBe(Buffer.from(text).toString())
        expect((await ask(run, readRemoteSessions())).sessions.map(({facts: {remoteDir: there, gpus}}) => [there, gpus])).toEqual([[dir, Buffer.from(plain(text)).toString()]])
        expect([await ask(run, readRecordText(dir)), (await ask(run, readLogTail(`${dir}/log`, 5)))]).toEqual(['', ''])
        expect(await ask(run, removeRemoteSession(facts))).toMatchObject({removed: true})
        expect([existsSync(dir), existsSync(head.path('hit')), existsSync(join(home, 'hit'))]).toEqual([false, false, false])
      }),
      {...fuzzing(2), endOnFailure: true},
    )
  })
})
