import {execFileSync} from 'node:child_process'
import {existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {afterEach, beforeEach, describe, expect, it} from 'vitest'
import type {Hop} from '../../../src/ssh/host-config.ts'
import {fingerprint} from '../../../src/ssh/known-hosts-file.ts'
import {checkHostKey, hostKeyAlgorithms, type HostKeyCheck} from '../../../src/ssh/known-hosts.ts'
import {noPrompter} from '../../../src/ssh/prompt.ts'
import {hopTo, typist} from './login-peer.ts'

// Public keys made for these tests; their private halves were thrown away.
const own = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOWNOWNOWNOWNOWNOWNOWNOWNOWNOWNOWNOWNOWNOWNO'
const other = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOTHEROTHEROTHEROTHEROTHEROTHEROTHEROTHERTHE'
/** A string of the SSH protocol. */
const part = (text: string | Buffer) => {
  const bytes = Buffer.from(text as string, 'latin1')
  const length = Buffer.alloc(4)
  length.writeUInt32BE(bytes.length)
  return Buffer.concat([length, bytes])
}
const blob = (line: string) => Buffer.from(line.split(' ')[1]!, 'base64')

let dir: string
let file: string
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'jnode-host-key-'))
  file = join(dir, 'ssh', 'known_hosts')
})
afterEach(() => rmSync(dir, {recursive: true}))

const head = (changes: Partial<Hop> = {}) => hopTo({host: 'head', label: 'user@head', sshCommand: 'ssh -J gw user@head', userKnownHostsFiles: [file], ...changes})
const known = (...lines: string[]) => {
  execFileSync('mkdir', ['-p', join(dir, 'ssh')])
  writeFileSync(file, lines.map((line) => `${line}\n`).join(''))
}
const noted = () => (existsSync(file) ? readFileSync(file, 'utf8') : '')

async function check(changes: Partial<HostKeyCheck> = {}): Promise<string> {
  try {
    await checkHostKey({hop: head(), key: blob(own), prompter: noPrompter, ...changes})
    return 'accepted'
  } catch (error) {
    const {code, message, hint} = error as {code: string; message: string; hint: string}
    return `${code}: ${message} [${hint}]`
  }
}

describe('a key that is known', () => {
  it('is accepted without a question', async () => {
    known(`head ${own}`)
    expect(await check()).toBe('accepted')
  })

  it('may be in any of the files', async () => {
    known(`head ${own}`)
    expect(await check({hop: head({userKnownHostsFiles: [join(dir, 'none')], globalKnownHostsFiles: [file]})})).toBe('accepted')
  })
})

describe('a key that is not known', () => {
  it('is asked about as ssh asks, and noted after a yes', async () => {
    const person = typist({confirm: ['yes']})
    expect(await check({prompter: person})).toBe('accepted')
    expect(person.questions[0]!.text).toBe(
      [
        "The authenticity of host 'head' can't be established.",
        `ED25519 key fingerprint is ${fingerprint(blob(own))}.`,
        'This key is not known by any other names.',
        'Are you sure you want to continue connecting (yes/no/[fingerprint])? ',
      ].join('\n'),
    )
    expect(noted()).toBe(`head ${own}\n`)
    expect(statSync(file).mode & 0o777).toBe(0o600)
    expect(statSync(join(dir, 'ssh')).mode & 0o777).toBe(0o700)
    expect(await check()).toBe('accepted')
  })

  it('is accepted by its fingerprint, after answers that are neither', async () => {
    const person = typist({confirm: ['y', fingerprint(blob(other)), fingerprint(blob(own))]})
    expect(await check({prompter: person})).toBe('accepted')
    expect(person.seen.slice(1)).toEqual(["Please type 'yes', 'no' or the fingerprint: ", "Please type 'yes', 'no' or the fingerprint: "])
  })

  it.each(['no', ''])('is refused after "%s", and nothing is noted', async (answer) => {
    expect(await check({prompter: typist({confirm: [answer]})})).toMatch(/^host-key: The host key of user@head was not accepted/)
    expect(noted()).toBe('')
  })

  it('is not asked about for ever where a program answers', async () => {
    expect(await check({prompter: {...typist({confirm: ['secret', 'yes']}), unattended: true}})).toMatch(/^host-key: .* was not accepted/)
  })

  it('is refused without a terminal, naming the command that would accept it', async () => {
    const answer = await check()
    expect(answer).toMatch(/^host-key: The host key of user@head is not known \(ED25519 SHA256:.*\) and there is no terminal/)
    expect(answer).toContain('Run `ssh -J gw user@head` in a terminal once')
    expect(noted()).toBe('')
  })

  it('is refused in BatchMode even with a terminal', async () => {
    expect(await check({hop: head({batchMode: true}), prompter: typist({confirm: ['yes']})})).toMatch(/^host-key/)
  })

  it('says where else the key is known, and whether a certificate vouches for the host', async () => {
    known(`old-head ${own}`, `@cert-authority *head ${other}`)
    const person = typist({confirm: ['yes']})
    await check({prompter: person})
    expect(person.questions[0]!.text).toContain(`following other names/addresses:\n    ${file}:1: old-head\n`)
    expect(person.questions[0]!.text).toContain(`${file} line 2 vouches for it by certificate`)
  })

  it.each(['accept-new', 'no'] as const)('is noted without a question with StrictHostKeyChecking %s', async (strictHostKeyChecking) => {
    known(`first ${other}`)
    writeFileSync(file, noted().trimEnd()) // the last line has no newline
    expect(await check({hop: head({strictHostKeyChecking})})).toBe('accepted')
    expect(noted()).toBe(`first ${other}\nhead ${own}\n`)
  })

  it('is refused with StrictHostKeyChecking yes, without a question', async () => {
    const person = typist({confirm: ['yes']})
    expect(await check({hop: head({strictHostKeyChecking: 'yes'}), prompter: person})).toMatch(/^host-key: .*StrictHostKeyChecking is yes/)
    expect(person.seen).toEqual([])
  })

  it('is noted under a hashed name with HashKnownHosts, with its port otherwise, by its alias where it has one', async () => {
    const accept = {strictHostKeyChecking: 'no', port: 2222} as const
    await check({hop: head({...accept})})
    await check({hop: head({...accept, hostKeyAlias: 'cluster'})})
    await check({hop: head({...accept, host: 'third', hashKnownHosts: true})})
    expect(noted()).toMatch(/^\[head\]:2222 \S+ \S+\ncluster \S+ \S+\n\|1\|\S+\|\S+ \S+ \S+\n$/)
    expect(execFileSync('ssh-keygen', ['-F', '[third]:2222', '-f', file], {encoding: 'utf8'})).toContain('line 3')
  })

  it('is accepted for this time where there is no file to note it in', async () => {
    expect(await check({hop: head({userKnownHostsFiles: []}), prompter: typist({confirm: ['yes']})})).toBe('accepted')
  })

  it('is accepted where it cannot be noted, as ssh does, and the user is told', async () => {
    writeFileSync(join(dir, 'ssh'), 'a file where the directory should be')
    const told: string[] = []
    expect(await check({prompter: typist({confirm: ['yes']}), tell: (text) => told.push(text)})).toBe('accepted')
    expect(told).toEqual([expect.stringContaining(`could not be noted in ${file}`)])
  })

  it('is noted in our own file for compute nodes, without a question', async () => {
    const acceptNewFile = join(dir, 'cluster', 'known_hosts')
    expect(await check({acceptNewFile})).toBe('accepted')
    expect(readFileSync(acceptNewFile, 'utf8')).toBe(`head ${own}\n`)
    expect(noted()).toBe('')
    expect(await check({acceptNewFile, key: blob(other)})).toContain(`has changed: ${acceptNewFile} line 1`)
  })
})

describe('a key that changed', () => {
  it.each(['ask', 'no', 'accept-new', 'yes'] as const)('is refused with StrictHostKeyChecking %s, naming file, line and both fingerprints', async (strictHostKeyChecking) => {
    known('# a comment', `head ${other}`)
    const person = typist({confirm: ['yes']})
    const answer = await check({hop: head({strictHostKeyChecking}), prompter: person})
    expect(answer).toContain(`host-key: The host key of user@head has changed: ${file} line 2 has ED25519 ${fingerprint(blob(other))}`)
    expect(answer).toContain(`now shows ED25519 ${fingerprint(blob(own))}`)
    expect(answer).toContain(`ssh-keygen -f ${file} -R head]`)
    expect(person.seen).toEqual([])
    expect(noted()).toContain(other)
  })

  it('can be mended with the command it names', async () => {
    known(`[head]:2222 ${other}`)
    const answer = await check({hop: head({port: 2222})})
    const command = /ssh-keygen -f .*(?=\]$)/.exec(answer)![0]
    execFileSync('sh', ['-c', command], {stdio: 'ignore'})
    expect(await check({hop: head({port: 2222}), prompter: typist({confirm: ['yes']})})).toBe('accepted')
  })

  it('is for others to correct where the file is not the user\'s', async () => {
    known(`head ${other}`)
    expect(await check({hop: head({userKnownHostsFiles: [], globalKnownHostsFiles: [file]})})).toContain(`have ${file} corrected by the admins of this computer`)
  })
})

describe('a key that was revoked', () => {
  it('is refused, even where it is pinned', async () => {
    known(`@revoked * ${own}`, `head ${own}`)
    expect(await check()).toMatch(/^host-key: .* is marked as revoked in .* line 1/)
    expect(await check({pinned: [own]})).toMatch(/^host-key: .* is marked as revoked/)
  })
})

describe('a rule that is not known_hosts’', () => {
  const rsa = `ssh-rsa ${Buffer.concat([part('ssh-rsa'), part('\x01\0\x01'), part(Buffer.alloc(128, 0xff))]).toString('base64')}`

  it.each([[1024, 'accepted'], [2048, 'host-key: The host key of user@head (RSA']] as const)('is the size of RSA keys, also of those that are pinned: %i', async (requiredRsaBits, verdict) => {
    known(`head ${rsa}`)
    for (const pinned of [[], [rsa]]) expect((await check({hop: head({requiredRsaBits}), key: blob(rsa), pinned})).slice(0, verdict.length)).toBe(verdict)
  })

  it('is not passed over where only the ssh program knows it', async () => {
    known(`head ${own}`)
    for (const pinned of [[], [own]]) expect(await check({hop: head({sshOnlyOption: 'RevokedHostKeys'}), pinned})).toMatch(/^host-key: The host key of user@head cannot be checked: .*RevokedHostKeys/)
  })
})

describe('pinned keys', () => {
  it('are accepted whatever the files say', async () => {
    known(`head ${other}`)
    expect(await check({pinned: [`${other} root@node`, `${own} root@node`]})).toBe('accepted')
    expect(noted()).toBe(`head ${other}\n`)
  })

  it('shut out every other key, even a known one', async () => {
    known(`head ${own}`)
    expect(await check({pinned: [other]})).toMatch(/^host-key: The SSH server that answers as user@head shows a host key \(ED25519 SHA256:\S+\) that the job on that node did not find/)
  })

  it('are not pinned where the job reported none', async () => {
    known(`head ${own}`)
    expect(await check({pinned: []})).toBe('accepted')
  })
})

describe('hostKeyAlgorithms', () => {
  const rsa = 'ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAAgQ=='

  it('asks for the known types first', () => {
    known(`head ${rsa}`)
    expect(hostKeyAlgorithms(head()).slice(0, 4)).toEqual(['rsa-sha2-512', 'rsa-sha2-256', 'ssh-rsa', 'ssh-ed25519'])
  })

  it('keeps to what the configuration allows, in its order, less what cannot be checked', () => {
    known(`head ${rsa}`)
    const hostKeyList = ['ssh-ed25519-cert-v01@openssh.com', 'ecdsa-sha2-nistp256', 'ssh-ed25519', 'sk-ssh-ed25519@openssh.com', 'rsa-sha2-256']
    expect(hostKeyAlgorithms(head({hostKeyAlgorithms: hostKeyList}))).toEqual(['rsa-sha2-256', 'ecdsa-sha2-nistp256', 'ssh-ed25519'])
  })

  it('knows the types from our own file too', () => {
    writeFileSync(join(dir, 'nodes'), `head ${rsa}\n`)
    expect(hostKeyAlgorithms(head(), join(dir, 'nodes'))[0]).toBe('rsa-sha2-512')
  })
})
