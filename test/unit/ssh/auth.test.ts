/** Logins against a real SSH server in this process; what it logged, secrets included, is what was really sent. */
import {execFileSync, spawn, spawnSync, type ChildProcess} from 'node:child_process'
import {chmodSync, copyFileSync, mkdtempSync, rmSync, writeFileSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {setTimeout as sleep} from 'node:timers/promises'
import {afterAll, beforeAll, describe, expect, it} from 'vitest'
import {JnodeError} from '../../../src/errors.ts'
import {emptySecrets} from '../../../src/ssh/auth.ts'
import {noPrompter, type Prompter} from '../../../src/ssh/prompt.ts'
import {logIn, typist, type Factor, type Rules} from './login-peer.ts'
import {puttyKey} from './putty-key.ts'

const dir = mkdtempSync(join(tmpdir(), 'jnode-auth-'))
let agent: ChildProcess
const at = (name: string) => join(dir, name)
const agentSocket = () => at('agent.sock')
const PASSPHRASE = 'open sesame'

function keygen(name: string, ...args: string[]): void {
  execFileSync('ssh-keygen', ['-q', '-f', at(name), '-C', name, ...args])
}

beforeAll(async () => {
  for (const name of ['plain', 'second', 'held', 'spare']) keygen(name, '-t', 'ed25519', '-N', '')
  keygen('rsa', '-t', 'rsa', '-b', '2048', '-N', '')
  keygen('held-rsa', '-t', 'rsa', '-b', '2048', '-N', '')
  keygen('ecdsa', '-t', 'ecdsa', '-N', '')
  keygen('ecdsa-384', '-t', 'ecdsa', '-b', '384', '-m', 'PEM', '-N', '')
  keygen('rsa-pem', '-t', 'rsa', '-b', '2048', '-m', 'PEM', '-N', '')
  keygen('locked', '-t', 'ed25519', '-N', PASSPHRASE, '-a', '4')
  keygen('locked-2', '-t', 'ecdsa', '-N', PASSPHRASE, '-a', '4')
  keygen('locked-pem', '-t', 'rsa', '-b', '2048', '-m', 'PEM', '-N', PASSPHRASE)
  keygen('locked-pkcs8', '-t', 'ecdsa', '-m', 'PKCS8', '-N', PASSPHRASE)
  puttyKey(at('rsa'), at('putty'), null)
  puttyKey(at('rsa'), at('locked-putty'), PASSPHRASE)
  agent = await startAgent(agentSocket())
  addKeys(agentSocket(), at('spare'), at('held'), at('held-rsa'))
}, 60_000)

/** An agent that can ask nobody for a confirmation. */
async function startAgent(socket: string): Promise<ChildProcess> {
  const child = spawn('ssh-agent', ['-D', '-a', socket], {stdio: 'ignore', env: {...process.env, SSH_ASKPASS: '/bin/false', DISPLAY: ''}})
  // 2: nobody answers yet, though the socket may be there already.
  while (spawnSync('ssh-add', ['-l'], {env: {...process.env, SSH_AUTH_SOCK: socket}}).status === 2) await sleep(10)
  return child
}

function addKeys(socket: string, ...args: string[]): void {
  execFileSync('ssh-add', ['-q', ...args], {env: {...process.env, SSH_AUTH_SOCK: socket}, stdio: 'ignore'})
}

afterAll(() => {
  agent.kill()
  rmSync(dir, {recursive: true})
})

const code = (answer = '123456', prompt = 'Verification code: '): Factor => ({rounds: [{prompts: [{prompt, answer}]}]})
const keyFiles = (...names: string[]) => ({identityFiles: names.map(at)})
const keys = (...names: string[]): Factor => ({keys: names.map(at)})

describe('password', () => {
  it('is asked for once', async () => {
    const person = typist({password: ['right']})
    expect((await logIn({factors: [{password: 'right'}]}, {person})).error).toBeNull()
    expect(person.questions).toEqual([{text: "user@127.0.0.1's password: ", echo: false, hop: 'user@127.0.0.1', kind: 'password'}])
  })

  it('is asked for again as often as ssh would, then the login has failed', async () => {
    const person = typist({password: ['one', 'two', 'three', 'four', 'five']})
    const {error, log} = await logIn({factors: [{password: 'right'}], maxTries: 10}, {person})
    expect(log).toEqual(['password one', 'password two', 'password three'])
    expect(person.questions[1]!.text).toBe("Permission denied, please try again.\nuser@127.0.0.1's password: ")
    expect(error).toMatchObject({code: 'login-failed'})
    expect(error!.message).toMatch(/^user@127\.0\.0\.1 refused the login; it takes password; tried a password \(3 times\)$/)
    expect(error!.hint).toBe('See whether `ssh head` lets you in.')
  })

  it('is right at the third try', async () => {
    const person = typist({password: ['one', 'two', 'right']})
    expect((await logIn({factors: [{password: 'right'}]}, {person})).error).toBeNull()
  })

  it('is not asked of a program without end', async () => {
    const person = {...typist({password: ['wrong', 'wrong', 'wrong', 'wrong', 'wrong']}), unattended: true}
    const {error, log} = await logIn({factors: [{password: 'right'}], maxTries: 10}, {person})
    expect(log).toHaveLength(3)
    expect(error).toMatchObject({code: 'login-failed'})
  })

  it('is not offered where the configuration forbids it', async () => {
    const {error, log} = await logIn({factors: [{password: 'right'}]}, {person: typist({password: ['right']}), hop: {passwordAuthentication: false}})
    expect(error).toMatchObject({code: 'login-failed'})
    expect(log).toEqual([])
  })

  it('is changed when it has expired, once both entries agree', async () => {
    const person = typist({password: ['old', 'new', 'nwe', 'new', 'new']})
    const secrets = emptySecrets()
    const {error, log} = await logIn({factors: [{password: 'old', expired: 'Your password has expired.\x1b[2J'}]}, {person, secrets})
    expect(error).toBeNull()
    expect(log).toEqual(['password old', 'new password new'])
    expect(person.questions[1]!.text).toBe("Your password has expired.\uFFFD[2J\nEnter user@127.0.0.1's new password: ")
    expect(person.questions[3]!.text).toContain('Mismatch; try again')
    expect((await logIn({factors: [{password: 'new'}]}, {secrets})).error).toBeNull()
  })
})

describe('key files', () => {
  it('are not offered where RequiredRSASize asks for longer ones; other types are', async () => {
    const {error, log} = await logIn({factors: [{keys: [at('rsa'), at('plain')]}]}, {hop: {...keyFiles('rsa'), requiredRsaBits: 8192}})
    expect(error!.message).toMatch(/rsa has \d+ bits, and RequiredRSASize asks for 8192/)
    expect(log).not.toContain('publickey')
    expect((await logIn({factors: [{keys: [at('plain')]}]}, {hop: {...keyFiles('rsa', 'plain'), requiredRsaBits: 8192}})).error).toBeNull()
  })

  it.each(['plain', 'rsa', 'ecdsa', 'ecdsa-384', 'rsa-pem', 'putty'])('sign without a question: %s', async (name) => {
    const person = typist({})
    const {error, log} = await logIn({factors: [keys(name)]}, {person, hop: keyFiles(name)})
    expect(error).toBeNull()
    expect(log.map((line) => line.split(' ')[0])).toEqual(['offered', 'signed'])
    expect(person.seen).toEqual([])
  })

  it.each(['locked', 'locked-2', 'locked-pem', 'locked-pkcs8', 'locked-putty'])('ask for their passphrase once the server takes them: %s', async (name) => {
    const person = typist({passphrase: [PASSPHRASE]})
    const {error, log} = await logIn({factors: [keys(name)]}, {person, hop: keyFiles(name)})
    expect(error).toBeNull()
    expect(log).toHaveLength(2)
    expect(person.questions).toEqual([{text: `Enter passphrase for key '${at(name)}': `, echo: false, hop: 'user@127.0.0.1', kind: 'passphrase'}])
  })

  it.each(['locked', 'locked-putty'])('need no .pub beside them: %s', async (name) => {
    const alone = at(`alone-${name}`)
    copyFileSync(at(name), alone)
    const person = typist({passphrase: [PASSPHRASE]})
    const {error, log} = await logIn({factors: [{...keys('second'), password: 'right'}]}, {person: {...person, ask: person.ask}, hop: {identityFiles: [alone, at('second')]}})
    expect(error).toBeNull()
    expect(log[0]).toMatch(/^offered .* \(not taken\)$/)
    expect(person.seen).toEqual([])
  })

  it('are unlocked to be offered where their format hides the public half', async () => {
    const alone = at('alone-pem')
    copyFileSync(at('locked-pem'), alone)
    const person = typist({passphrase: [PASSPHRASE]})
    expect((await logIn({factors: [keys('locked-pem')]}, {person, hop: {identityFiles: [alone]}})).error).toBeNull()
  })

  it('ask nothing where the server does not take them', async () => {
    const person = typist({passphrase: [PASSPHRASE], password: ['right']})
    const {error} = await logIn({factors: [{keys: [at('plain')], password: 'right'}]}, {person, hop: keyFiles('locked')})
    expect(error).toBeNull()
    expect(person.seen).toEqual(["user@127.0.0.1's password: "])
  })

  it('ask for the passphrase again after a wrong one, three times at most', async () => {
    const right = typist({passphrase: ['wrong', PASSPHRASE]})
    expect((await logIn({factors: [keys('locked')]}, {person: right, hop: keyFiles('locked')})).error).toBeNull()
    expect(right.seen[1]).toBe(`Bad passphrase, try again. Enter passphrase for key '${at('locked')}': `)
    const wrong = typist({passphrase: ['1', '2', '3', '4']})
    const {error} = await logIn({factors: [keys('locked')]}, {person: wrong, hop: keyFiles('locked')})
    expect(wrong.seen).toHaveLength(3)
    expect(error!.message).toContain(`${at('locked')} was not unlocked`)
  })

  it('are passed over after an empty passphrase', async () => {
    const person = typist({passphrase: ['']})
    const {error, log} = await logIn({factors: [keys('locked', 'plain')]}, {person, hop: keyFiles('locked', 'plain')})
    expect(error).toBeNull()
    expect(log.at(-1)).toBe('signed ssh-ed25519')
  })

  it('ask for their passphrase once per process, on several hops and logins', async () => {
    const secrets = emptySecrets()
    const person = typist({passphrase: [PASSPHRASE]})
    for (const label of ['user@gw', 'user@head', 'user@head']) {
      expect((await logIn({factors: [keys('locked')]}, {person, secrets, hop: {label, ...keyFiles('locked')}})).error).toBeNull()
    }
    expect(person.seen).toHaveLength(1)
  })

  it('are not used where others may read them, and the error says so', async () => {
    const open = at('open')
    copyFileSync(at('plain'), open)
    chmodSync(open, 0o644)
    const {error, log} = await logIn({factors: [keys('plain')]}, {hop: {identityFiles: [open]}})
    expect(log).toEqual([])
    expect(error!.message).toContain(`${open} may be read by others (chmod 600 mends it)`)
  })

  it('that have a certificate are offered without it, and the error says so', async () => {
    copyFileSync(at('plain'), at('certified'))
    writeFileSync(at('certified-cert.pub'), '')
    const {error} = await logIn({factors: [keys('second')]}, {hop: keyFiles('certified')})
    expect(error!.message).toContain(`tried ${at('certified')}; ${at('certified-cert.pub')} is a certificate`)
  })

  it('that are no keys are named in the error', async () => {
    writeFileSync(at('garbage'), 'hello', {mode: 0o600})
    writeFileSync(at('putty-3'), 'PuTTY-User-Key-File-3: ssh-ed25519\nEncryption: none\n', {mode: 0o600})
    const {error} = await logIn({factors: [keys('plain')]}, {hop: keyFiles('garbage', 'putty-3')})
    expect(error!.message).toContain(`${at('garbage')} is no key that can be used`)
    expect(error!.message).toContain(`${at('putty-3')} is a PuTTY key of a kind not read here`)
  })
})

describe('agent', () => {
  const withAgent = () => ({identityAgent: agentSocket()})

  it.each(['held', 'held-rsa'])('signs with %s', async (name) => {
    const {error} = await logIn({factors: [keys(name)]}, {hop: withAgent()})
    expect(error).toBeNull()
  })

  it('offers the key that is named by a file first, even if only its public half is there', async () => {
    const only = at('only')
    copyFileSync(at('held-rsa.pub'), `${only}.pub`)
    const {error, log} = await logIn({factors: [keys('held-rsa')]}, {hop: {...withAgent(), identityFiles: [only]}})
    expect(error).toBeNull()
    expect(log).toHaveLength(2)
  })

  it('is asked instead of a locked file that holds the same key', async () => {
    const locked = at('locked-held')
    copyFileSync(at('held'), locked)
    chmodSync(locked, 0o600)
    execFileSync('ssh-keygen', ['-q', '-p', '-a', '4', '-f', locked, '-N', PASSPHRASE], {stdio: 'ignore'})
    const person = typist({})
    expect((await logIn({factors: [keys('held')]}, {person, hop: {...withAgent(), identityFiles: [locked]}})).error).toBeNull()
    expect(person.seen).toEqual([])
  })

  it('offers nothing else with IdentitiesOnly', async () => {
    const only = {...withAgent(), identitiesOnly: true}
    expect((await logIn({factors: [keys('held')]}, {hop: only})).log).toEqual([])
    const {error, log} = await logIn({factors: [keys('held')]}, {hop: {...only, identityFiles: [at('held.pub')]}})
    expect(error).toBeNull()
    expect(log).toEqual(['offered ssh-ed25519', 'signed ssh-ed25519'])
  })

  it('comes before keys that are only in files', async () => {
    const {log} = await logIn({factors: [keys('plain')]}, {hop: {...withAgent(), ...keyFiles('plain')}})
    expect(log).toEqual(['offered ssh-ed25519 (not taken)', 'offered ssh-ed25519 (not taken)', expect.stringMatching(/^offered .*rsa.* \(not taken\)$/), 'offered ssh-ed25519', 'signed ssh-ed25519'])
  })

  it('that does not answer stops nothing', async () => {
    const {error} = await logIn({factors: [keys('plain')]}, {hop: {identityAgent: at('no-agent'), ...keyFiles('plain')}})
    expect(error).toBeNull()
    const refused = await logIn({factors: [keys('held')]}, {hop: {identityAgent: at('no-agent')}})
    expect(refused.error!.message).toContain(`the agent at ${at('no-agent')} did not answer`)
  })

  it('that will not sign stops nothing', async () => {
    const own = at('second-agent.sock')
    const second = await startAgent(own)
    try {
      // -c: each use is to be confirmed.
      addKeys(own, '-c', at('held'))
      const person = typist({password: ['right']})
      const {error, log} = await logIn({factors: [{keys: [at('held')], password: 'right'}]}, {person, hop: {identityAgent: own}})
      expect(error).toBeNull()
      expect(log).toEqual(['offered ssh-ed25519', 'password right'])
    } finally {
      second.kill()
    }
  })
})

describe('keyboard-interactive', () => {
  it('shows name, instructions and prompts of every round, with their echo', async () => {
    const rounds = [
      {name: 'First', instructions: 'Use your\ntoken.\x07', prompts: [{prompt: 'Passcode: ', echo: true, answer: 'abc'}, {prompt: 'PIN: ', answer: '42'}]},
      {prompts: [{prompt: 'Next code: ', answer: '7'}]},
    ]
    const person = typist({code: ['abc', '42', '7']})
    expect((await logIn({factors: [{rounds}]}, {person})).error).toBeNull()
    expect(person.questions.map(({text, echo}) => ({text, echo}))).toEqual([
      {text: 'First\nUse your\ntoken.\uFFFD\nPasscode: (user@127.0.0.1) ', echo: true},
      {text: 'PIN: (user@127.0.0.1) ', echo: false},
      {text: 'Next code: (user@127.0.0.1) ', echo: false},
    ])
  })

  it.each([
    ['of another host', "(alice@bank) Password: "],
    ['that push the host out of sight', `Password: ${'\n'.repeat(50)}${' '.repeat(500)}alice@bank's password: `],
    ['that move the cursor or turn letters around', '\x1b[2J\x1b[H\x9b5A\u202eAre you sure you want to continue connecting (yes/no)? '],
    ['longer than any screen', 'word '.repeat(5000)],
  ])('shows at the end whose prompt it is, also of prompts %s', async (_, prompt) => {
    const person = typist({code: ['1'], password: ['1']})
    await logIn({factors: [{rounds: [{prompts: [{prompt, answer: '1'}]}]}]}, {person})
    const {text} = person.questions[0]!
    expect(text).toMatch(/^[\P{C}]{1,210} \(user@127\.0\.0\.1\) $/u)
  })

  it('is asked again after a wrong answer', async () => {
    const person = typist({code: ['1', '2', '123456']})
    expect((await logIn({factors: [code()]}, {person})).error).toBeNull()
    expect(person.seen).toHaveLength(3)
  })

  it('gives way to the password where the server asks nothing and refuses', async () => {
    const person = typist({password: ['right']})
    const {error, log} = await logIn({factors: [{rounds: [], password: 'right'}], refuseKeyboard: true}, {person})
    expect(error).toBeNull()
    expect(log).toEqual(['keyboard-interactive', 'password right'])
  })

  it('gives way to the password after as many wrong answers as ssh allows', async () => {
    const person = typist({code: ['1', '2', '3', '4'], password: ['right']})
    const {error, log} = await logIn({factors: [{...code(), password: 'right'}]}, {person})
    expect(error).toBeNull()
    expect(log.filter((line) => line === 'keyboard-interactive')).toHaveLength(3)
  })

  it('shows a text without a question', async () => {
    const rounds = [{instructions: 'A push was sent to your phone.', prompts: []}, {prompts: [{prompt: 'Done? ', echo: true, answer: 'y'}]}]
    const {error, told} = await logIn({factors: [{rounds}]}, {person: typist({code: ['y']})})
    expect(error).toBeNull()
    expect(told).toEqual(['A push was sent to your phone.'])
  })
})

describe('several factors', () => {
  const combinations: [string, Factor[]][] = [
    ['key, then code', [keys('plain'), code()]],
    ['key of the agent, then code', [keys('held'), code()]],
    ['key of the agent, then password', [keys('held'), {password: 'right'}]],
    ['key, then password, then code', [keys('plain'), {password: 'right'}, code()]],
    ['code, then password', [code(), {password: 'right'}]],
    ['password, then code', [{password: 'right'}, code()]],
    ['password, then key', [{password: 'right'}, keys('plain')]],
    ['two codes in one question', [{rounds: [{prompts: [{prompt: 'First: ', answer: '123456'}, {prompt: 'Second: ', answer: '123456'}]}]}]],
    ['two codes in two rounds', [{rounds: [{prompts: [{prompt: 'First: ', answer: '123456'}]}, {prompts: [{prompt: 'Second: ', answer: '123456'}]}]}]],
    ['two codes in two logins', [code(), code()]],
    ['two keys', [keys('plain'), keys('second')]],
    ['locked key, then code', [keys('locked'), code()]],
  ]

  it.each(combinations)('%s', async (_, factors) => {
    const person = typist({password: ['right'], code: ['123456', '123456'], passphrase: [PASSPHRASE]})
    const hop = {identityAgent: agentSocket(), ...keyFiles('plain', 'second', 'locked')}
    const {error} = await logIn({factors, maxTries: 20}, {person, hop})
    expect(error).toBeNull()
  })

  it('do not offer again what was taken', async () => {
    const {log} = await logIn({factors: [keys('second'), keys('plain')]}, {hop: keyFiles('second', 'plain')})
    expect(log).toEqual(['offered ssh-ed25519', 'signed ssh-ed25519', 'offered ssh-ed25519', 'signed ssh-ed25519'])
  })

  it('ask for the same password once, whatever methods want it', async () => {
    const person = typist({password: ['right'], code: ['123456']})
    const pam: Factor = {rounds: [{prompts: [{prompt: 'Password: ', answer: 'right'}]}, {prompts: [{prompt: 'Verification code: ', answer: '123456'}]}]}
    const {error, log} = await logIn({factors: [{password: 'right'}, pam]}, {person})
    expect(error).toBeNull()
    expect(log).toEqual(['password right', 'keyboard-interactive', 'answer right', 'answer 123456'])
    expect(person.questions.map(({kind}) => kind)).toEqual(['password', 'code'])
  })

  it('say after the first which one is missing', async () => {
    const {error} = await logIn({factors: [keys('plain'), code()]}, {person: noPrompter, hop: keyFiles('plain')})
    expect(error!.message).toMatch(/it takes keyboard-interactive; tried .*plain; it wants an answer, and there is no terminal to ask on$/)
  })

  it('work where the server offers one method at a time', async () => {
    const person = typist({password: ['right'], code: ['x']})
    const {error, log} = await logIn({factors: [{...code(), password: 'right'}], oneAtATime: ['publickey', 'keyboard-interactive', 'password']}, {person, hop: keyFiles('plain')})
    expect(error).toBeNull()
    expect(log).toEqual(['offered ssh-ed25519 (not taken)', 'keyboard-interactive', 'answer x', 'password right'])
  })
})

describe('a refused host', () => {
  it('sees no key, no password and no code, and nobody is asked', async () => {
    const person = typist({password: ['right'], passphrase: [PASSPHRASE], code: ['123456']})
    const {error, log} = await logIn(
      {factors: [{keys: [at('plain')], password: 'right', ...code()}]},
      {person, acceptHostKey: false, hop: {identityAgent: agentSocket(), ...keyFiles('plain', 'locked')}, secrets: {...emptySecrets(), passwords: new Map([['user@127.0.0.1', 'right']])}},
    )
    expect(error).not.toBeNull()
    expect(log).toEqual([])
    expect(person.seen).toEqual([])
  })
})

describe('without a terminal', () => {
  it('nothing is sent that would have to be asked for, and the error says what is wanted', async () => {
    const {error, log} = await logIn({factors: [{password: 'right', ...code(), keys: [at('locked')]}]}, {person: noPrompter, hop: keyFiles('locked')})
    expect(log.filter((line) => !line.startsWith('offered'))).toEqual([])
    expect(error).toMatchObject({code: 'login-failed', hint: 'Run it in a terminal, load the key into an agent (ssh-add), or set SSH_ASKPASS.'})
    expect(error!.message).toContain(`the passphrase of ${at('locked')} or an answer or a password, and there is no terminal to ask on`)
  })

  it('BatchMode is the same', async () => {
    const person = typist({password: ['right']})
    expect((await logIn({factors: [{password: 'right'}]}, {person, hop: {batchMode: true}})).error).toMatchObject({code: 'login-failed'})
    expect(person.seen).toEqual([])
  })

  it('a password given earlier in this process is used again', async () => {
    const secrets = emptySecrets()
    await logIn({factors: [{password: 'right'}]}, {person: typist({password: ['right']}), secrets})
    expect((await logIn({factors: [{password: 'right'}]}, {person: noPrompter, secrets})).error).toBeNull()
    const pam: Factor = {rounds: [{prompts: [{prompt: 'Password: ', answer: 'right'}]}]}
    expect((await logIn({factors: [pam]}, {person: noPrompter, secrets})).error).toBeNull()
  })

  it('a password that was refused is not used again', async () => {
    const secrets = emptySecrets()
    await logIn({factors: [{password: 'right'}]}, {person: typist({password: ['right']}), secrets})
    const {error, log} = await logIn({factors: [{password: 'changed'}]}, {person: noPrompter, secrets})
    expect(error).toMatchObject({code: 'login-failed'})
    expect(log).toEqual(['password right'])
    expect((await logIn({factors: [{password: 'changed'}]}, {person: noPrompter, secrets})).log).toEqual([])
  })

  it.each([
    ['a code', [{rounds: [{prompts: [{prompt: 'Password: ', answer: 'right'}]}, {prompts: [{prompt: 'Code: ', answer: '123456'}]}]}]],
    ['a push', [{rounds: [{prompts: [{prompt: 'Password: ', answer: 'right'}]}, {instructions: 'Pushed', prompts: []}]}]],
  ] satisfies [string, Factor[]][])('%s is never spent: the login stops before it', async (_, factors) => {
    const secrets = emptySecrets()
    expect((await logIn({factors}, {person: typist({password: ['right'], code: ['123456']}), secrets})).error).toBeNull()
    const {error, log} = await logIn({factors}, {person: noPrompter, secrets})
    expect(error).toMatchObject({code: 'login-failed'})
    expect(log).toEqual([])
  })
})

describe('a secret that was sent and not accepted', () => {
  const wanting = (prompt: string, answer: string): Factor => ({rounds: [{prompts: [{prompt, answer}]}]})
  const known = () => ({...emptySecrets(), passwords: new Map([['user@127.0.0.1', 'right']])})

  it.each([
    ['a password, refused', {factors: [{password: 'changed'}]}],
    ['a password, and the server hangs up', {factors: [{password: 'changed'}], maxTries: 1}],
    ['an answer, refused', {factors: [wanting('Password: ', 'changed')]}],
    ['an answer, and the server hangs up', {factors: [wanting('Password: ', 'changed')], maxTries: 1}],
    ['a password after a key', {factors: [keys('plain'), {password: 'changed'}]}],
    ['a password that both methods would take', {factors: [{password: 'changed', ...wanting('Password: ', 'changed')}]}],
  ] satisfies [string, Rules][])('is sent once, and no login is tried without the user: %s', async (_, rules) => {
    const secrets = known()
    const secretsSent = (log: string[]) => log.filter((line) => /^(password|answer) /.test(line))
    const first = await logIn(rules, {person: noPrompter, secrets, hop: keyFiles('plain')})
    expect(secretsSent(first.log)).toEqual([expect.stringMatching(/ right$/)])
    expect(first.error).toMatchObject({code: 'login-failed', needs: 'person'})
    expect(secrets.needPerson).toEqual(new Set(['user@127.0.0.1']))
    const second = await logIn(rules, {person: noPrompter, secrets, hop: keyFiles('plain')})
    expect(secretsSent(second.log)).toEqual([])
    expect(second.error).toMatchObject({code: 'login-failed', needs: 'person'})
  })

  it('is not known any more when its login is given up before the server has answered', async () => {
    const secrets = known()
    const enough = new AbortController()
    const rules: Rules = {factors: [{password: 'right'}], onSecret: () => enough.abort(new JnodeError('connection-lost', 'The network has changed'))}
    await logIn(rules, {person: noPrompter, secrets, signal: enough.signal})
    expect((await logIn(rules, {person: noPrompter, secrets})).log).toEqual([])
  })

  it('leaves a person three tries, the one from memory included', async () => {
    const person = typist({password: ['one', 'two', 'three']})
    const {log} = await logIn({factors: [{password: 'changed'}], maxTries: 10}, {person, secrets: known()})
    expect(log).toEqual(['password right', 'password one', 'password two'])
  })

  it('is asked for three times in each way that the server asks', async () => {
    const person = typist({code: ['1', '2', '3', '4', '5']})
    const {log} = await logIn({factors: [code()], maxTries: 20}, {person})
    expect(log.filter((line) => line.startsWith('answer'))).toHaveLength(3)
  })

  it('is forgiven when the user logs in again', async () => {
    const secrets = known()
    await logIn({factors: [{password: 'changed'}]}, {person: noPrompter, secrets})
    expect((await logIn({factors: [{password: 'changed'}]}, {person: typist({password: ['changed']}), secrets})).error).toBeNull()
    expect((await logIn({factors: [{password: 'changed'}]}, {person: noPrompter, secrets})).log).toEqual(['password changed'])
  })

  it('is no matter of a key: where nobody was ever asked, another try may help', async () => {
    expect((await logIn({factors: [{...keys('second'), password: 'x'}]}, {person: noPrompter, hop: keyFiles('plain')})).error).toMatchObject({code: 'login-failed', needs: 'patience'})
    expect((await logIn({factors: [keys('second')]}, {person: noPrompter, hop: keyFiles('plain'), secrets: known()})).error).toMatchObject({code: 'login-failed', needs: 'person'})
    expect((await logIn({factors: [keys('locked')]}, {person: noPrompter, hop: keyFiles('locked')})).error).toMatchObject({code: 'login-failed', needs: 'person'})
    // A key is taken as ever, and now a code is wanted, too.
    expect((await logIn({factors: [keys('plain'), code()]}, {person: noPrompter, hop: keyFiles('plain')})).error).toMatchObject({code: 'login-failed', needs: 'person'})
  })
})

describe('a password for the next login', () => {
  const round = (...prompts: [prompt: string, answer: string][]) => ({prompts: prompts.map(([prompt, answer]) => ({prompt, answer}))})
  /** What a login without its user sends, after one with. */
  async function sentAgain(factors: Factor[]): Promise<string[]> {
    const secrets = emptySecrets()
    const person = typist({password: ['right', '123456'], code: ['right', '123456']})
    expect((await logIn({factors}, {person, secrets})).error).toBeNull()
    return (await logIn({factors}, {person: noPrompter, secrets})).log
  }

  it.each(['Password: ', 'Passwort: ', 'Mot de passe : ', 'Enter Password:', '密码：'])('is what was answered to "%s" alone', async (prompt) => {
    expect(await sentAgain([{rounds: [round([prompt, 'right'])]}])).toEqual(['keyboard-interactive', 'answer right'])
  })

  it.each([
    ['to a prompt for a code', [{rounds: [round(['Verification code: ', 'right'])]}]],
    ['to a prompt in words that are not known', [{rounds: [round(['Frobnication: ', 'right'])]}]],
    ['to a second one that reads the same, in the same round', [{rounds: [round(['Password: ', 'right'], ['Password: ', '123456'])]}]],
    ['to a second one in another round', [{rounds: [round(['Password: ', 'right']), round(['Password: ', '123456'])]}]],
    ['to a second one of another method', [{rounds: [round(['Password: ', 'right'])]}, {rounds: [round(['Password: ', '123456'])]}]],
  ] satisfies [string, Factor[]][])('is not what was answered %s: nothing is sent', async (_, factors) => {
    expect(await sentAgain(factors)).toEqual([])
  })

  it('is the new one where it was changed while logging in', async () => {
    const secrets = emptySecrets()
    const change = [round(['Password: ', 'old']), round(['Current password: ', 'old']), round(['New password: ', 'new']), round(['Retype new password: ', 'new'])]
    expect((await logIn({factors: [{rounds: change}]}, {person: typist({password: ['old'], code: ['old', 'new', 'new']}), secrets})).error).toBeNull()
    expect((await logIn({factors: [{rounds: [round(['Password: ', 'new'])]}]}, {person: noPrompter, secrets})).error).toBeNull()
  })

  it('stays the first one where a second prompt reads the same', async () => {
    const secrets = emptySecrets()
    const factors = [{rounds: [round(['Password: ', 'right']), round(['Password: ', '123456'])]}]
    await logIn({factors}, {person: typist({password: ['right', '123456']}), secrets})
    expect(secrets.passwords).toEqual(new Map([['user@127.0.0.1', 'right']]))
    const person = typist({password: ['123456']})
    expect((await logIn({factors}, {person, secrets})).error).toBeNull()
    expect(person.seen).toHaveLength(1)
  })
})

describe('giving up', () => {
  it('ends with the error of the question', async () => {
    const person = {...typist({}), ask: () => Promise.reject(new JnodeError('interrupted', 'Interrupted'))}
    for (const factors of [[{password: 'right'}], [code()], [keys('locked')]]) {
      expect((await logIn({factors}, {person, hop: keyFiles('locked')})).error).toMatchObject({code: 'interrupted'})
    }
  })

  it('withdraws a question that is open when the login is over', async () => {
    const stop = new AbortController()
    let withdrawn = false
    const person: Prompter = {
      canAsk: true,
      ask: (_, signal) =>
        new Promise((_resolve, reject) => {
          signal!.addEventListener('abort', () => {
            withdrawn = true
            reject(new JnodeError('interrupted', 'Interrupted'))
          })
          stop.abort()
        }),
    }
    expect((await logIn({factors: [{password: 'right'}]}, {person, signal: stop.signal})).error).toMatchObject({code: 'interrupted'})
    expect(withdrawn).toBe(true)
  })

  it('names a method that only another program speaks', async () => {
    const {error} = await logIn({factors: [{password: 'right'}], oneAtATime: ['gssapi-with-mic']}, {person: typist({})})
    expect(error!.message).toContain('it takes gssapi-with-mic; there was nothing to try')
    expect(error!.hint).toContain('gssapi-with-mic, which ssh2 does not speak')
  })

  it('never has a secret in its words', async () => {
    const person = typist({password: ['hunter2', 'hunter2'], passphrase: ['hunter2', 'hunter2', 'hunter2'], code: ['hunter2']})
    const {error} = await logIn({factors: [{password: 'right', keys: [at('locked')], ...code()}], maxTries: 3}, {person, hop: keyFiles('locked')})
    expect(`${error!.message} ${error!.hint} ${error!.stack}`).not.toContain('hunter2')
  })
})
