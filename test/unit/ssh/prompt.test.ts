import {mkdtempSync, readFileSync, rmSync, writeFileSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {afterAll, beforeAll, describe, expect, it} from 'vitest'
import {askpassPrompter, choosePrompter, noPrompter, type Prompter, type Question} from '../../../src/ssh/prompt.ts'

let dir: string
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'jnode-prompt-'))
})
afterAll(() => rmSync(dir, {recursive: true}))

function program(name: string, body: string): string {
  const file = join(dir, name)
  writeFileSync(file, `#!/bin/sh\n${body}\n`, {mode: 0o755})
  return file
}

const question: Question = {text: "user@head's password: ", echo: false, hop: 'user@head', kind: 'password'}
const ask = (file: string, signal?: AbortSignal) => askpassPrompter({PATH: process.env['PATH'], SSH_ASKPASS: file}).ask(question, signal)

describe('SSH_ASKPASS', () => {
  it('gets the question as its argument and answers with its first line', async () => {
    const file = program('answer', `printf '%s' "$1" > '${join(dir, 'asked')}'; printf 'it is $HOME; id\\r\\nmore\\n'`)
    expect(await ask(file)).toBe('it is $HOME; id')
    expect(readFileSync(join(dir, 'asked'), 'utf8')).toBe(question.text)
  })

  it('may answer with nothing', async () => {
    expect(await ask(program('nothing', ':'))).toBe('')
  })

  it('cancels with its exit status', async () => {
    await expect(ask(program('cancel', 'echo secret; exit 1'))).rejects.toMatchObject({code: 'login-failed', message: expect.stringMatching(/^The question for user@head was cancelled/) as string})
  })

  it('that cannot be run is an error with its name', async () => {
    await expect(ask(join(dir, 'none'))).rejects.toMatchObject({code: 'login-failed', message: expect.stringContaining(join(dir, 'none')) as string})
  })

  it('is ended when the question is withdrawn', async () => {
    const stop = new AbortController()
    const answer = ask(program('slow', 'exec sleep 60'), stop.signal)
    stop.abort()
    await expect(answer).rejects.toMatchObject({code: 'interrupted'})
  })
})

describe('choosePrompter', () => {
  const terminal: Prompter = {canAsk: true, ask: () => Promise.resolve('typed')}
  const display = {DISPLAY: ':0', SSH_ASKPASS: '/bin/true'}
  const chosen = (there: Prompter | null, env: NodeJS.ProcessEnv) => {
    const prompter = choosePrompter(there, env)
    return prompter === terminal ? 'terminal' : prompter === noPrompter ? 'nobody' : 'program'
  }

  // SSH_ASKPASS_REQUIRE, and then who is asked with a terminal, and without one: ssh(1), ENVIRONMENT.
  it.each([
    ['nothing set', {}, 'terminal', 'nobody'],
    ['a program without a display', {SSH_ASKPASS: '/bin/true'}, 'terminal', 'nobody'],
    ['a program and a display', display, 'terminal', 'program'],
    ['a program and Wayland', {WAYLAND_DISPLAY: 'wayland-0', SSH_ASKPASS: '/bin/true'}, 'terminal', 'program'],
    ['an empty display', {DISPLAY: '', SSH_ASKPASS: '/bin/true'}, 'terminal', 'nobody'],
    ['a display without a program', {DISPLAY: ':0'}, 'terminal', 'nobody'],
    ['never', {...display, SSH_ASKPASS_REQUIRE: 'never'}, 'terminal', 'nobody'],
    ['prefer', {...display, SSH_ASKPASS_REQUIRE: 'prefer'}, 'program', 'program'],
    ['prefer without a display', {SSH_ASKPASS: '/bin/true', SSH_ASKPASS_REQUIRE: 'prefer'}, 'terminal', 'nobody'],
    ['force without a display', {SSH_ASKPASS: '/bin/true', SSH_ASKPASS_REQUIRE: 'Force'}, 'program', 'program'],
    ['force without a program', {...display, SSH_ASKPASS: '', SSH_ASKPASS_REQUIRE: 'force'}, 'nobody', 'nobody'],
  ])('%s', (_, env, withTerminal, without) => {
    expect({withTerminal: chosen(terminal, env), without: chosen(null, env)}).toEqual({withTerminal, without})
  })

  it('says of a program that it may answer the same for ever, and of nobody that there is none to ask', () => {
    expect(choosePrompter(null, display)).toMatchObject({canAsk: true, unattended: true})
    expect(choosePrompter(null, {}).canAsk).toBe(false)
  })
})
