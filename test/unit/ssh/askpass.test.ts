import {execFile} from 'node:child_process'
import {mkdtemp, rm} from 'node:fs/promises'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {expect, onTestFinished, test} from 'vitest'
import {JnodeError} from '../../../src/errors.ts'
import {serveAskpass} from '../../../src/ssh/askpass.ts'
import type {Question} from '../../../src/ssh/prompt.ts'

/** Asks as the ssh program does: it runs what SSH_ASKPASS names. */
async function asking(answer: (question: Question) => Promise<string>) {
  const directory = await mkdtemp(join(tmpdir(), 'jnode-askpass-'))
  onTestFinished(() => rm(directory, {recursive: true}))
  const told: string[] = []
  const {env, close} = await serveAskpass({canAsk: true, ask: answer}, {directory, tell: (text) => told.push(text), hop: 'alice@head', signal: new AbortController().signal})
  onTestFinished(close)
  const ask = (text: string, mode = '') =>
    new Promise<{exitCode: number; stdout: string}>((resolve) => {
      execFile(env['SSH_ASKPASS']!, [text], {env: {...process.env, SSH_ASKPASS_PROMPT: mode}}, (error, stdout) => resolve({exitCode: error ? Number(error.code) : 0, stdout}))
    })
  return {ask, told}
}

test('what the ssh program asks is asked by us, of its kind, and it gets the answer', async () => {
  const questions: Question[] = []
  const {ask} = await asking(async (question) => {
    questions.push(question)
    await new Promise((resolve) => setTimeout(resolve, 50))
    return 'it’s "1234"'
  })
  expect(await ask("Enter PIN for 'lab': ")).toEqual({exitCode: 0, stdout: 'it’s "1234"\n'})
  expect(await ask('Are you sure you want to continue connecting (yes/no/[fingerprint])? ')).toMatchObject({exitCode: 0})
  await ask("alice@head's password: ")
  expect(questions).toMatchObject([
    {kind: 'passphrase', echo: false, hop: 'alice@head', text: "Enter PIN for 'lab': "},
    {kind: 'confirm', echo: true},
    {kind: 'password', echo: false},
  ])
})

test('a question that is declined ends as a cancelled one does', async () => {
  const {ask} = await asking(() => Promise.reject(new JnodeError('interrupted', 'Interrupted')))
  expect(await ask("alice@head's password: ")).toEqual({exitCode: 1, stdout: ''})
})

test('a prompt of a server ends with its host and is never taken for a question of ssh itself', async () => {
  const questions: Question[] = []
  const {ask} = await asking(async (question) => {
    questions.push(question)
    return 'x'
  })
  await ask('(alice@gateway) Password: ')
  await ask("(alice@gateway) The authenticity of host 'head' cannot be established.\n\n\nAre you sure (yes/no/[fingerprint])? ")
  await ask("(alice@gateway) \x1b[2JEnter passphrase for key 'id_ed25519': ")
  expect(questions).toMatchObject([
    {kind: 'password', echo: false, text: 'Password: (alice@gateway) '},
    {kind: 'code', echo: false, text: "The authenticity of host 'head' cannot be established. Are you sure (yes/no/[fingerprint])? (alice@gateway) "},
    {kind: 'code', echo: false, text: "\uFFFD[2JEnter passphrase for key 'id_ed25519': (alice@gateway) "},
  ])
})
