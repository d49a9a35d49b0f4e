/** Judged by the ssh of this machine: it connects to a server with the key in question and says what it thinks of it. */
import {execFileSync, spawn} from 'node:child_process'
import {mkdtempSync, readFileSync, rmSync, writeFileSync} from 'node:fs'
import type {AddressInfo} from 'node:net'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import ssh2 from 'ssh2'
import {afterAll, beforeAll, describe, expect, it} from 'vitest'
import {fingerprint, judge, knownTypes, lineFor, parseKnownHosts, rsaBits, typeOf} from '../../../src/ssh/known-hosts-file.ts'

let dir: string
let server: ssh2.Server
let port: number
const at = (name: string) => join(dir, name)
const publicText = (name: string) => readFileSync(at(`${name}.pub`), 'utf8').split(' ').slice(0, 2).join(' ')
const blob = (name: string) => Buffer.from(publicText(name).split(' ')[1]!, 'base64')

beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'jnode-known-hosts-'))
  for (const [name, ...type] of [['own', '-t', 'ed25519'], ['other', '-t', 'ed25519'], ['rsa', '-t', 'rsa', '-b', '2048'], ['ecdsa', '-t', 'ecdsa', '-b', '384']]) {
    execFileSync('ssh-keygen', ['-q', '-N', '', '-C', '', '-f', at(name!), ...type])
  }
  server = new ssh2.Server({hostKeys: [readFileSync(at('own'))]}, (connection) => {
    connection.on('error', () => {})
    connection.on('authentication', (ctx) => ctx.reject([]))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  port = (server.address() as AddressInfo).port
})
afterAll(async () => {
  await new Promise((resolve) => server.close(resolve))
  rmSync(dir, {recursive: true})
})

function sshSays(file: string, alias: string | null): Promise<string> {
  const options = ['BatchMode=yes', 'StrictHostKeyChecking=yes', `UserKnownHostsFile=${file}`, 'GlobalKnownHostsFile=none', ...(alias ? [`HostKeyAlias=${alias}`] : [])]
  const child = spawn('ssh', ['-F', 'none', ...options.flatMap((option) => ['-o', option]), '-p', String(port), 'user@127.0.0.1'], {stdio: ['ignore', 'ignore', 'pipe']})
  let words = ''
  child.stderr.on('data', (chunk: Buffer) => (words += chunk.toString()))
  return new Promise((resolve) => {
    child.on('close', () => {
      const line = /Offending \S+ key in \S+:(\d+)/.exec(words)?.[1]
      if (/REVOKED HOST KEY/.test(words)) return resolve('revoked')
      if (/IDENTIFICATION HAS CHANGED/.test(words)) return resolve(`changed in line ${line}`)
      if (/host key is known for/.test(words)) return resolve('unknown')
      resolve(/Permission denied/.test(words) ? 'known' : words)
    })
  })
}

function weSay(text: string, file: string, alias: string | null): string {
  const verdict = judge(parseKnownHosts(text, file), {host: '127.0.0.1', port, alias, key: blob('own')})
  return verdict.verdict === 'changed' ? `changed in line ${verdict.line}` : verdict.verdict
}

/** NAME is the host with its port; own, other, rsa and ecdsa are keys; the host shows own. */
const files: [what: string, text: string, verdict: string, alias?: string][] = [
  ['its own key', 'NAME own', 'known'],
  ['nothing', '', 'unknown'],
  ['another host', '[127.0.0.2]:PORT own', 'unknown'],
  ['another port', '[127.0.0.1]:1 own', 'unknown'],
  ['the host without the port', '127.0.0.1 own', 'known'],
  ['the host without the port, with another key', '127.0.0.1 other', 'unknown'],
  ['another key', 'NAME other', 'changed in line 1'],
  ['a key of another type', 'NAME rsa', 'changed in line 1'],
  ['another key, and its own for the host without the port', 'NAME other\n127.0.0.1 own', 'changed in line 1'],
  ['several keys, the last one its own', 'NAME rsa\nNAME ecdsa\nNAME other\nNAME own', 'known'],
  ['several keys, none its own', '# first\nNAME rsa\n\nNAME other\nNAME ecdsa', 'changed in line 5'],
  ['several names', 'first,NAME,third own', 'known'],
  ['blanks between the names', 'first, NAME own', 'unknown'],
  ['a comment behind the key', 'NAME own comes from the admins', 'known'],
  ['comments and broken lines', '# NAME own\nNAME\nNAME ssh-ed25519\nNAME ssh-ed25519 AAAA\nNAME garbage\nNAME own', 'known'],
  ['a commented line', '#NAME own', 'unknown'],
  ['a type that is not that of the key', 'NAME ssh-rsa KEY', 'unknown'],
  ['no type', 'NAME KEY', 'unknown'],
  ['a key of SSH version 1', 'NAME 2048 35 12345', 'unknown'],
  ['line ends of Windows', 'NAME other\r\nNAME own\r\n', 'known'],
  ['tabs and leading blanks', ' \tNAME\t\town', 'known'],
  ['a star for the port', '[127.0.0.1]:* own', 'known'],
  ['a star for the host', '* own', 'known'],
  ['a star in the middle', '[127.*.1]:PORT own', 'known'],
  ['question marks', '[127.?.?.1]:PORT own', 'known'],
  ['a question mark too many', '[127.??.?.1]:PORT own', 'unknown'],
  ['a dot that is no wildcard', '[127x0.0.1]:PORT own', 'unknown'],
  ['a negated name, with and without the port', '*,!NAME,!127.0.0.1 own', 'unknown'],
  ['a negated name in front', '!NAME,!127.0.0.1,* own', 'unknown'],
  ['a negated name, and the host without the port', '*,!NAME own', 'known'],
  ['a negated name without the port', '*,!127.0.0.1 own', 'known'],
  ['a negated wildcard', '*,!*127* own', 'unknown'],
  ['only a negated name', '!elsewhere own', 'unknown'],
  ['a wildcard with another key', '* other', 'changed in line 1'],
  ['a revoked key', '@revoked NAME own', 'revoked'],
  ['a key known and revoked', 'NAME own\n@revoked * own', 'revoked'],
  ['another key revoked', 'NAME own\n@revoked NAME other', 'known'],
  ['revoked for the host without the port, known with it', '@revoked 127.0.0.1 own\nNAME own', 'known'],
  ['only the authority for certificates', '@cert-authority NAME own', 'unknown'],
  ['an authority and its own key', '@cert-authority * other\nNAME own', 'known'],
  ['a marker that does not exist', '@trusted NAME own', 'unknown'],
  ['a hashed name', 'HASHED own', 'known'],
  ['a hashed name with another key', 'HASHED other', 'changed in line 1'],
  ['a hashed name of another host', 'HASHED-OTHER own', 'unknown'],
  ['a broken hash', '|1|AAAA own\n|2|AAAA|BBBB own\n||| own', 'unknown'],
  ['HostKeyAlias', 'cluster own', 'known', 'cluster'],
  ['HostKeyAlias and the address with another key', 'cluster own\nNAME other', 'known', 'cluster'],
  ['HostKeyAlias, known only by its address', 'NAME own', 'unknown', 'cluster'],
  ['HostKeyAlias with a port', '[cluster]:PORT own', 'unknown', 'cluster'],
  ['HostKeyAlias in capitals', 'cluster own', 'known', 'CLUSTER'],
  ['capitals in the file', 'CLUSTER own', 'known', 'cluster'],
  ['a wildcard in capitals', 'CLUS* own', 'known', 'cluster'],
  ['a hashed alias', 'HASHED-ALIAS own', 'known', 'Cluster'],
]

function hashed(name: string): string {
  writeFileSync(at('to-hash'), `${name} ${publicText('own')}\n`)
  execFileSync('ssh-keygen', ['-q', '-H', '-f', at('to-hash')], {stdio: 'ignore'})
  return readFileSync(at('to-hash'), 'utf8').split(' ')[0]!
}

/** In one pass: the letters of a key could spell one of the placeholders. */
function written(text: string): string {
  const name = `[127.0.0.1]:${port}`
  const placeholders: Record<string, () => string> = {
    NAME: () => name,
    PORT: () => String(port),
    KEY: () => publicText('own').split(' ')[1]!,
    HASHED: () => hashed(name),
    'HASHED-OTHER': () => hashed('elsewhere'),
    'HASHED-ALIAS': () => hashed('cluster'),
  }
  return text.replaceAll(/HASHED-OTHER|HASHED-ALIAS|HASHED|NAME|PORT|KEY|(?<=[ \t])(?:own|other|rsa|ecdsa)\b/g, (word) => placeholders[word]?.() ?? publicText(word))
}

describe('judge', () => {
  it.each(files)('agrees with ssh about %s', async (what, form, verdict, alias) => {
    const text = written(form)
    const file = at(`known-${what.replaceAll(/\W/g, '-')}`)
    writeFileSync(file, text.endsWith('\n') ? text : `${text}\n`)
    const ours = weSay(text, file, alias ?? null)
    expect({ours, ssh: await sshSays(file, alias ?? null)}).toEqual({ours: verdict, ssh: verdict})
  })

  it('says where else the key is known and that a certificate would be', () => {
    const entries = parseKnownHosts(written('old-name own\n@cert-authority NAME other'), 'file')
    const verdict = judge(entries, {host: '127.0.0.1', port, alias: null, key: blob('own')})
    expect(verdict).toMatchObject({verdict: 'unknown', elsewhere: [{names: 'old-name', line: 1}], authority: {line: 2}})
  })
})

describe('lineFor', () => {
  it.each([{hash: false}, {hash: true}])('writes what ssh reads back: %o', async (how) => {
    const line = lineFor({host: '127.0.0.1', port, alias: null}, blob('own'), how)
    writeFileSync(at('written'), `${line}\n`)
    expect(line.startsWith('|1|')).toBe(how.hash)
    expect(await sshSays(at('written'), null)).toBe('known')
  })

  it('leaves port 22 out and keeps the alias as it is', () => {
    expect(lineFor({host: 'Head.Example', port: 22, alias: null}, blob('own'), {hash: false})).toBe(`head.example ${publicText('own')}`)
    expect(lineFor({host: 'head', port: 2222, alias: 'cluster'}, blob('own'), {hash: false})).toBe(`cluster ${publicText('own')}`)
    expect(lineFor({host: 'fe80::1', port: 22, alias: null}, blob('own'), {hash: false})).toBe(`fe80::1 ${publicText('own')}`)
  })
})

describe('keys', () => {
  it.each(['own', 'rsa', 'ecdsa'])('have the fingerprint that ssh-keygen prints: %s', (name) => {
    expect(execFileSync('ssh-keygen', ['-l', '-f', at(name)], {encoding: 'utf8'})).toContain(` ${fingerprint(blob(name))} `)
  })

  it('have as many bits as ssh-keygen counts, where they are RSA', () => {
    const counted = Number(execFileSync('ssh-keygen', ['-l', '-f', at('rsa.pub')], {encoding: 'utf8'}).split(' ')[0])
    const blob = Buffer.from(publicText('rsa').split(' ')[1]!, 'base64')
    expect(rsaBits(blob)).toBe(counted)
    expect(rsaBits(Buffer.from(publicText('own').split(' ')[1]!, 'base64'))).toBeNull()
    // Cut short by a hostile server.
    for (let length = 12; length < blob.length; length += 7) expect(rsaBits(blob.subarray(0, length))).toBeLessThanOrEqual(counted)
  })

  it('name their type, and what is no key has none', () => {
    expect(['own', 'rsa', 'ecdsa'].map((name) => typeOf(blob(name)))).toEqual(['ssh-ed25519', 'ssh-rsa', 'ecdsa-sha2-nistp384'])
    expect([Buffer.alloc(0), Buffer.from('abc'), Buffer.from([0, 0, 0, 9, 97])].map(typeOf)).toEqual(['', '', ''])
  })

  it('are known by type, without the revoked ones and the authorities', () => {
    const entries = parseKnownHosts(written('NAME rsa\nNAME own\nNAME other\n@revoked NAME ecdsa\nelsewhere ecdsa'), 'file')
    expect(knownTypes(entries, {host: '127.0.0.1', port, alias: null})).toEqual(['ssh-rsa', 'ssh-ed25519'])
  })
})
