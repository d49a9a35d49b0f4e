import {describe, expect, test} from 'vitest'
import type {Hop} from '../../../src/ssh/host-config.ts'
import {listIdentities, type SshAgent} from '../../../src/ssh/identities.ts'
import type {ParsedKey} from '../../../src/ssh/key-file.ts'
import {keyTools} from '../../../src/ssh/transport.ts'

const PIPE = '\\\\.\\pipe\\openssh-ssh-agent'
const key = (comment: string): ParsedKey => ({type: 'ssh-ed25519', comment, isPrivateKey: () => false, getPublicSSH: () => Buffer.from(comment), sign: () => new Error('only the agent signs')})

/** Windows as far as agents go: which of them answer, and with which keys. */
async function offered(identityAgent: string | null, agents: Record<string, string[]>) {
  const asked: string[] = []
  const createAgent = (path: string): SshAgent => ({
    getIdentities(done) {
      asked.push(path)
      const comments = agents[path]
      if (comments) done(null, comments.map(key))
      else done(new Error('connect ENOENT'))
    },
    sign: () => {},
  })
  const hop = {identityAgent, identityFiles: [] as string[], identitiesOnly: false} as Hop
  const {list, notes} = await listIdentities(hop, {...keyTools, createAgent})
  return {asked, keys: list.map(({label}) => label), notes}
}

describe('the agents of Windows', () => {
  test('OpenSSH’s service and PuTTY’s Pageant are both asked, the service first', async () => {
    expect(await offered(PIPE, {[PIPE]: ['a'], pageant: ['b']})).toEqual({asked: [PIPE, 'pageant'], keys: ["the agent's key a", "the agent's key b"], notes: []})
  })

  test('one of them that is off is no matter', async () => {
    expect(await offered(PIPE, {pageant: ['b']})).toEqual({asked: [PIPE, 'pageant'], keys: ["the agent's key b"], notes: []})
    expect(await offered(PIPE, {[PIPE]: ['a']})).toMatchObject({keys: ["the agent's key a"], notes: []})
    expect(await offered(PIPE, {})).toMatchObject({keys: [], notes: []})
  })

  test('an agent that IdentityAgent or SSH_AUTH_SOCK names is the only one, and missed where it is off', async () => {
    const other = '\\\\.\\pipe\\mine'
    expect(await offered(other, {[other]: ['c'], pageant: ['b']})).toEqual({asked: [other], keys: ["the agent's key c"], notes: []})
    expect(await offered(other, {pageant: ['b']})).toEqual({asked: [other], keys: [], notes: [`the agent at ${other} did not answer (connect ENOENT)`]})
    expect(await offered(null, {pageant: ['b']})).toEqual({asked: [], keys: [], notes: []})
  })
})
