/** How the system's ssh is told which of several machines is meant; judged by what it says it would do (`ssh -G`). */
import {mkdtempSync, rmSync, writeFileSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {afterAll, expect, test} from 'vitest'
import {resolveHops} from '../../../src/ssh/host-config.ts'
import {addressBehind, machineOf, wordsFor} from '../../../src/ssh/machine.ts'
import {settingsOf} from '../../../src/ssh/ssh-settings.ts'
import {parseTarget} from '../../../src/target.ts'

const dir = mkdtempSync(join(tmpdir(), 'jnode-machine-'))
afterAll(() => rmSync(dir, {recursive: true}))
const target = parseTarget('login')

async function wordsWith(text: string, address = '192.0.2.7'): Promise<{words: string[]; after: (keyword: string) => string | undefined}> {
  const configFile = join(dir, 'config')
  writeFileSync(configFile, text)
  const hop = (await resolveHops([target], {configFile})).at(-1)!
  const words = await wordsFor(target, {...hop, address}, {configFile})
  const settings = await settingsOf(target, {configFile, words})
  return {words, after: (keyword) => settings.get(keyword)?.[0]}
}

test.each([
  ['nothing else is set', '', 'login'],
  ['a name and a port', 'Host login\n  HostName login.example\n  Port 2204\n', '[login.example]:2204'],
  ['its keys have a name already', 'Host login\n  HostKeyAlias cluster\n  Port 2204\n', 'cluster'],
  ['a jump, and a shared connection by the host’s name', 'Host login\n  ProxyJump gateway\n  ControlPath ~/.ssh/%r@%h:%p\n', 'login'],
])('%s: that address, and the keys of the name', async (_, text, name) => {
  const {after} = await wordsWith(text)
  expect([after('hostname'), after('hostkeyalias')]).toEqual(['192.0.2.7', name])
})

test.each([
  ['Match host', 'Match host login\n  User alice\n'],
  ['%h in a file', 'Host login\n  IdentityFile ~/.ssh/key-%h\n'],
  ['a ProxyCommand', 'Host login\n  ProxyCommand nc %h %p\n'],
])('%s means something else by an address: the name stays', async (_, text) => {
  const {words, after} = await wordsWith(text)
  expect([words, after('hostname')]).toEqual([[], 'login'])
})

const answering = (stdout: string) => ({run: async () => [{exitCode: 0, stdout, stderr: ''}]})
const NO_ADDRESSES = ["'$(id)'", `"'$(id>/tmp/x)'"`, 'head', 'fe80::1%eth0', 'fe80::1%$(id)', '10.0.0.1;id', '-oProxyCommand=id', '01.2.3.4', '1.2.3', '[::1]']

test.each(NO_ADDRESSES)('a head that calls itself %s has told no address', async (told) => {
  expect(await machineOf(answering(`1 1 ${told} 1\n`))).toBeNull()
  expect(await machineOf(answering('10.0.0.9 40000 10.0.0.1 22\n'))).toBe('10.0.0.1')
  expect(await machineOf(answering('fd00::9 40000 fd00::1 22\n'))).toBe('fd00::1')
})

test.each(NO_ADDRESSES)('no words for ssh are made of %s, wherever it comes from', async (address) => {
  expect((await wordsWith('', address)).words).toEqual([])
})

test('behind a gateway only an address is used that the gateway’s own resolver has for the name', async () => {
  const hop = (address: string | null) => ({address, host: 'login'})
  const gateway = answering('10.10.2.1     STREAM login\n10.10.2.1     DGRAM\n10.10.3.1     STREAM\n')
  expect(await addressBehind(gateway, hop('10.10.3.1'))).toBe('10.10.3.1')
  expect(await addressBehind(gateway, hop('10.10.9.9'))).toBeNull()
  expect(await addressBehind(gateway, hop(null))).toBeNull()
  expect(await addressBehind(answering('$(id) STREAM'), hop('$(id)'))).toBeNull()
  expect(await addressBehind({run: () => Promise.reject(new Error('this gateway runs no commands'))}, hop('10.10.3.1'))).toBeNull()
})
