/** How the system's ssh is told which of several machines is meant; judged by what it says it would do (`ssh -G`). */
import {mkdtempSync, rmSync, writeFileSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {afterAll, expect, test} from 'vitest'
import {resolveHops} from '../../../src/ssh/host-config.ts'
import {wordsFor} from '../../../src/ssh/machine.ts'
import {settingsOf} from '../../../src/ssh/ssh-settings.ts'
import {parseTarget} from '../../../src/target.ts'

const dir = mkdtempSync(join(tmpdir(), 'jnode-machine-'))
afterAll(() => rmSync(dir, {recursive: true}))
const target = parseTarget('login')

async function wordsWith(text: string): Promise<{words: string[]; after: (keyword: string) => string | undefined}> {
  const configFile = join(dir, 'config')
  writeFileSync(configFile, text)
  const hop = (await resolveHops([target], {configFile})).at(-1)!
  const words = await wordsFor(target, {...hop, address: '192.0.2.7'}, {configFile})
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
