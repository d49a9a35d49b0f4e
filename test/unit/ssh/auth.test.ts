import {execFileSync, spawn, type ChildProcess} from 'node:child_process'
import {existsSync, mkdtempSync, rmSync} from 'node:fs'
import {setTimeout as sleep} from 'node:timers/promises'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {afterAll, beforeAll, describe, expect, it} from 'vitest'
import {logIn, typist} from './login-peer.ts'

let dir: string
let agent: ChildProcess
const at = (name: string) => join(dir, name)
const agentSocket = () => at('agent.sock')

function keygen(name: string, ...args: string[]): void {
  execFileSync('ssh-keygen', ['-q', '-f', at(name), '-C', name, ...args])
}

beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'jnode-auth-'))
  keygen('plain', '-t', 'ed25519', '-N', '')
  keygen('rsa', '-t', 'rsa', '-b', '2048', '-N', '')
  keygen('ecdsa', '-t', 'ecdsa', '-N', '')
  keygen('locked', '-t', 'ed25519', '-N', 'open sesame', '-a', '4')
  keygen('locked-pem', '-t', 'rsa', '-b', '2048', '-m', 'PEM', '-N', 'open sesame')
  keygen('locked-pkcs8', '-t', 'ecdsa', '-m', 'PKCS8', '-N', 'open sesame')
  keygen('held', '-t', 'ed25519', '-N', '')
  keygen('held-rsa', '-t', 'rsa', '-b', '2048', '-N', '')
  agent = spawn('ssh-agent', ['-D', '-a', agentSocket()], {stdio: 'ignore'})
  while (!existsSync(agentSocket())) await sleep(10)
  execFileSync('ssh-add', ['-q', at('held'), at('held-rsa')], {env: {...process.env, SSH_AUTH_SOCK: agentSocket()}, stdio: 'ignore'})
})

afterAll(() => {
  agent.kill()
  rmSync(dir, {recursive: true})
})

const code = (answer = '123456') => ({rounds: [{prompts: [{prompt: 'Verification code: ', answer}]}]})

describe('password', () => {
  it('is asked for once', async () => {
    const person = typist({password: ['right']})
    expect((await logIn({factors: [{password: 'right'}]}, {person})).error).toBeNull()
    expect(person.seen).toEqual(["user@127.0.0.1's password: "])
    expect(person.questions[0]).toMatchObject({echo: false, kind: 'password'})
  })

  it('is asked for again as often as the server lets, then the login has failed', async () => {
    const person = typist({password: ['one', 'two', 'three', 'four', 'five']})
    const {error, log} = await logIn({factors: [{password: 'right'}], maxTries: 4}, {person})
    expect(log).toEqual(['password one', 'password two', 'password three', 'password four'])
    expect(person.questions[1]!.text).toContain('Permission denied, please try again.')
    expect(error).toMatchObject({code: 'login-failed'})
    expect(error!.message).toContain('a password (4 times)')
    expect(error!.message).not.toContain('three')
  })
})

describe('keys', () => {
  it.each(['plain', 'rsa', 'ecdsa'])('signs with the %s key file without a question', async (name) => {
    const person = typist({})
    const {error, log} = await logIn({factors: [{keys: [at(name)]}]}, {person, hop: {identityFiles: [at(name)]}})
    expect(error).toBeNull()
    expect(log).toHaveLength(2)
    expect(person.seen).toEqual([])
  })

  it.each(['locked', 'locked-pem', 'locked-pkcs8'])('asks for the passphrase of %s once the server takes it', async (name) => {
    const person = typist({passphrase: ['open sesame']})
    const {error} = await logIn({factors: [{keys: [at(name)]}]}, {person, hop: {identityFiles: [at(name)]}})
    expect(error).toBeNull()
    expect(person.seen).toEqual([`Enter passphrase for key '${at(name)}': `])
  })
})

describe('agent', () => {
  it.each(['held', 'held-rsa'])('signs with %s', async (name) => {
    const {error} = await logIn({factors: [{keys: [at(name)]}]}, {hop: {identityAgent: agentSocket()}})
    expect(error).toBeNull()
  })
})

describe('several factors', () => {
  it('takes a key and then a code', async () => {
    const person = typist({code: ['123456']})
    const {error} = await logIn({factors: [{keys: [at('held')]}, code()]}, {person, hop: {identityAgent: agentSocket()}})
    expect(error).toBeNull()
    expect(person.seen).toEqual(['(user@127.0.0.1) Verification code: '])
  })
})
