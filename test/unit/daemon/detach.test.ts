import {mkdtemp, rm, writeFile} from 'node:fs/promises'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {afterEach, beforeEach, expect, test} from 'vitest'
import {runDetached, type DetachOptions} from '../../../src/daemon/detach.ts'
import type {KeeperTask} from '../../../src/daemon/messages.ts'
import {JnodeError} from '../../../src/errors.ts'
import type {Prompter} from '../../../src/ssh/prompt.ts'
import {rejectionOf} from '../expect-error.ts'

let dir: string
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'jnode-detach-'))
})
afterEach(() => rm(dir, {recursive: true}))

const nobody: Prompter = {canAsk: false, ask: () => Promise.reject(new Error('asked'))}

/** Runs a background process that does `onTask` with its task. */
async function detached(onTask: string, more: Partial<DetachOptions> = {}) {
  const program = join(dir, 'keeper.mjs')
  await writeFile(program, `const send = (message, then) => process.send(message, then)\nprocess.on('message', (message) => { if (message.kind === 'task') { ${onTask} } })\n`)
  return runDetached({kind: 'connect', name: 't1'} as KeeperTask, {program, stateDir: dir, tell: () => {}, prompter: nobody, openBrowser: null, signal: new AbortController().signal, ...more})
}

const FAILED = `send({kind: 'failed', failure: {code: 'no-session', message: 'There is none', hint: 'Start one.'}}`

test("a background process's own error is the command's, also when it ends at once", async () => {
  expect(await rejectionOf(detached(`${FAILED}, () => process.exit(0))`))).toEqual({code: 'no-session', message: 'There is none', hint: 'Start one.'})
})

test('one that ends without a word is told, with where its log is', async () => {
  const failure = await rejectionOf(detached('process.exit(3)'))
  expect(failure).toMatchObject({code: 'unexpected', message: 'The background process ended unexpectedly (exit 3)', hint: `Its log is ${join(dir, 'keeper.log')}.`})
})

test('a question is withdrawn when the login that asked it has failed', async () => {
  let withdrawn = false
  const prompter: Prompter = {
    canAsk: true,
    ask: (_, signal) => new Promise((_resolve, reject) => {
      signal!.addEventListener('abort', () => {
        withdrawn = true
        reject(new JnodeError('interrupted', 'Interrupted'))
      })
    }),
  }
  await rejectionOf(detached(`send({kind: 'question', id: 1, question: {text: 'Password: ', echo: false, hop: 'a@b', kind: 'password'}}); ${FAILED}, () => process.disconnect())`, {prompter}))
  expect(withdrawn).toBe(true)
})
