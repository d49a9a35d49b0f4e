import {mkdirSync, writeFileSync} from 'node:fs'
import {dirname} from 'node:path'
import {describe, expect, test} from 'vitest'
import {serverInLog} from '../../../src/flows/foreign-server.ts'
import {foreignJob, foreignName, tellOfLogin, withForeignName} from '../../../src/flows/foreign.ts'
import type {SessionFacts} from '../../../src/session/facts.ts'
import {headNode} from '../sge/head-node.ts'

test('a server of a job is named by its port or its socket, typed or as a session', () => {
  expect(withForeignName('12:8889')).toBe('job-12-8889')
  expect(withForeignName('12:/tmp/12.1.all.q/jupyter.sock')).toBe('job-12-jupyter-sock')
  expect(withForeignName('12:jupyter-sock')).toBe('job-12-jupyter-sock')
  for (const typed of ['12', 'otters-sing', 'alice@head:22', '12:']) expect(withForeignName(typed)).toBe(typed)
  expect(foreignJob('job-12-8889')).toEqual({jobId: '12', server: '8889'})
  expect(foreignJob(foreignName('12'))).toEqual({jobId: '12', server: null})
  expect(foreignJob('job-hunting')).toBeNull()
})

describe('where the node cannot be looked at', () => {
  const HIDDEN = '[I 10:00:00.000 NotebookApp] The Jupyter Notebook is running at: http://localhost:8888/?token=...\n'

  function seen(log: string, runtime: Record<string, unknown>[]) {
    const head = headNode()
    const write = (name: string, text: string) => {
      mkdirSync(dirname(head.path(name)), {recursive: true})
      writeFileSync(head.path(name), text)
      return head.path(name)
    }
    runtime.forEach((file, i) => write(`.local/share/jupyter/runtime/nbserver-${i}.json`, JSON.stringify(file)))
    return head.ask(serverInLog('12', [write('none/x', ''), write('log', log)]))
  }

  test('the job’s log tells, and the token comes from Jupyter’s own file', () => {
    const file = {port: 8888, token: 'abc', base_url: '/', secure: false, notebook_dir: '/home/alice/book'}
    expect(seen(HIDDEN, [{...file, port: 9999, token: 'other'}, file]).server).toEqual({
      endpoint: {kind: 'tcp', host: '127.0.0.1', port: 8888}, secure: false, baseUrl: '/', token: 'abc', directory: '/home/alice/book',
    })
  })

  test('the token of nobody is shown to a server when two nodes have one with the same port', () => {
    expect(seen(HIDDEN, [{port: 8888, token: 'a'}, {port: 8888, token: 'b'}]).server).toMatchObject({token: null})
  })

  test('a server that has stopped is told as such', () => {
    const {server, stopped} = seen(`${HIDDEN}[C 10:05:00.000 NotebookApp] received signal 15, stopping\n`, [])
    expect(server).toBeNull()
    expect(stopped).toMatchObject({code: 'job-ended', message: expect.stringContaining('The Jupyter of job 12 has stopped') as string})
  })
})

describe('who a server lets in', () => {
  async function told(token: string, lets: Record<string, boolean | Error>, kind: 'tcp' | 'socket' = 'tcp'): Promise<{token: string; warnings: string[]}> {
    const facts = {jobId: '12', token, foreign: {node: 'node1', endpoint: {kind}, baseUrl: '/', secure: false}} as unknown as SessionFacts
    const warnings: string[] = []
    const apiWith = (asked: string) => ({
      letsIn: async () => {
        const answer = lets[asked]!
        if (answer instanceof Error) throw answer
        return answer
      },
    })
    await tellOfLogin(facts, apiWith, {tell: (event) => void (event.kind === 'warning' && warnings.push(event.text))})
    return {token: facts.token, warnings}
  }

  test('everybody: it is said who can use it, also when a token of another server is known', async () => {
    const warning = 'The Jupyter of job 12 has no token and no password: everybody on node1 can run programs as you'
    expect(await told('', {'': true})).toEqual({token: '', warnings: [warning]})
    expect((await told('stale', {'': true, stale: true})).warnings).toEqual([warning])
    expect((await told('', {'': true}, 'socket')).warnings[0]).toContain('everybody who can open a connection to it')
  })

  test('those with the token: nothing is said', async () => {
    expect(await told('abc', {'': false, abc: true})).toEqual({token: 'abc', warnings: []})
  })

  test('those with a password or another token: the page asks, and the token that does not fit is dropped', async () => {
    const warnings = ['The Jupyter of job 12 asks for its password']
    expect(await told('', {'': false})).toEqual({token: '', warnings})
    expect(await told('old', {'': false, old: false})).toEqual({token: '', warnings})
  })

  test('nobody knows, as it does not answer: nothing is said', async () => {
    expect(await told('abc', {'': new Error('silent'), abc: new Error('silent')})).toEqual({token: 'abc', warnings: []})
  })
})
