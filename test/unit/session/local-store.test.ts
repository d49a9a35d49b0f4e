import {spawn} from 'node:child_process'
import {chmod, mkdtemp, readdir, readFile, rm, stat, writeFile} from 'node:fs/promises'
import {tmpdir} from 'node:os'
import {dirname, join} from 'node:path'
import {fileURLToPath} from 'node:url'
import {afterEach, beforeEach, describe, expect, test} from 'vitest'
import {sharedPart, type SessionFacts} from '../../../src/session/facts.ts'
import {openStore, type SessionStore} from '../../../src/session/local-store.ts'
import {rejectionOf} from '../expect-error.ts'

let home: string
let store: SessionStore
beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'jnode-store-'))
  store = openStore(join(home, 'state'))
})
afterEach(() => rm(home, {recursive: true}))

const ANOTHER = 'ffeeddccbbaa99887766554433221100'

function facts(over: Partial<SessionFacts> = {}): SessionFacts {
  const {name = 'otters-sing'} = over
  return {
    version: 1, id: '00112233445566778899aabbccddeeff', name, cluster: 'hpc', host: 'me@head', hops: [{user: 'me', host: 'head', port: null}], jobId: '17',
    jobName: `jnode-${name}`, slots: 2, memoryBytes: null, runSeconds: 3600, app: 'lab', remoteDir: `/home/me/.jnode/sessions/${name}`, submittedAt: '2026-11-20T10:00:00.000Z',
    startedAt: null, localPort: 8888, page: 'lab', gpus: null, token: 'a-token', ...over,
  }
}

const fileOf = (name = 'otters-sing', cluster = 'hpc') => join(home, 'state/sessions', cluster, `${name}.json`)
const spoil = async (text: string, name?: string) => {
  await store.save(facts(name === undefined ? {} : {name}))
  await writeFile(fileOf(name), text)
}

describe('what is saved', () => {
  test('comes back unchanged', async () => {
    await store.save(facts())
    expect(await store.load('hpc', 'otters-sing')).toEqual(facts())
    expect(await store.list()).toEqual({sessions: [facts()], broken: []})
  })

  test('is for the user’s eyes only, folder and file, whatever the umask', async () => {
    const before = process.umask(0)
    try {
      await store.save(facts())
    } finally {
      process.umask(before)
    }
    expect((await stat(fileOf())).mode & 0o777).toBe(0o600)
    for (const folder of [dirname(fileOf()), join(home, 'state/sessions'), join(home, 'state')]) expect((await stat(folder)).mode & 0o777).toBe(0o700)
  })

  test('is for the user’s eyes only, also where an older file was not', async () => {
    await store.save(facts())
    await chmod(fileOf(), 0o644)
    await store.save(facts())
    expect((await stat(fileOf())).mode & 0o777).toBe(0o600)
  })

  test('replaces what was there, and leaves no other file behind', async () => {
    await store.save(facts({jobId: null}))
    await store.save(facts({jobId: '18'}))
    expect((await store.load('hpc', 'otters-sing'))?.jobId).toBe('18')
    expect(await readdir(dirname(fileOf()))).toEqual(['otters-sing.json'])
  })

  test('lies under the name of its cluster, however that is written', async () => {
    const clusters = ['hpc', 'me@head:2222', 'me@[::1]:22', '..', '.', 'a/b']
    for (const cluster of clusters) await store.save(facts({cluster}))
    for (const cluster of clusters) expect((await store.load(cluster, 'otters-sing'))?.cluster).toBe(cluster)
    expect((await store.list()).sessions.map(({cluster}) => cluster).sort()).toEqual([...clusters].sort())
    expect(await readdir(home)).toEqual(['state'])
    expect(await readdir(join(home, 'state'))).toEqual(['sessions'])
  })

  test('is listed from the oldest on', async () => {
    await store.save(facts({name: 'b', submittedAt: '2026-11-20T11:00:00.000Z'}))
    await store.save(facts({name: 'c', submittedAt: '2026-11-20T09:00:00.000Z', cluster: 'zzz'}))
    await store.save(facts({name: 'a', submittedAt: '2026-11-20T12:00:00.000Z'}))
    expect((await store.list()).sessions.map(({name}) => name)).toEqual(['c', 'b', 'a'])
  })
})

describe('keys that this version does not know', () => {
  test('come back, and are kept when the session is saved again', async () => {
    await store.save({...facts(), colour: {name: 'blue'}})
    const loaded = (await store.load('hpc', 'otters-sing'))!
    await store.save({...loaded, jobId: '99'})
    expect(await store.load('hpc', 'otters-sing')).toEqual({...facts({jobId: '99'}), colour: {name: 'blue'}})
  })

  test('are kept as well when the facts come from the cluster', async () => {
    await store.save({...facts(), colour: 'blue'})
    await store.save({...sharedPart(facts({jobId: '99'})), cluster: 'hpc', hops: [], token: 't'})
    expect(await store.load('hpc', 'otters-sing')).toMatchObject({jobId: '99', token: 't', colour: 'blue'})
  })

  test('of an earlier session of the same name are not', async () => {
    await store.save({...facts(), colour: 'blue'})
    await store.save(facts({id: ANOTHER}))
    expect(await store.load('hpc', 'otters-sing')).toEqual(facts({id: ANOTHER}))
  })
})

describe('what is not there', () => {
  test('is no session, and nothing is made by asking', async () => {
    expect(await store.load('hpc', 'otters-sing')).toBeNull()
    expect(await store.list()).toEqual({sessions: [], broken: []})
    await store.remove('hpc', 'otters-sing')
    expect(await readdir(home)).toEqual([])
  })

  test('a removed session is gone, the others are not', async () => {
    await store.save(facts())
    await store.save(facts({name: 'b'}))
    await store.remove('hpc', 'otters-sing')
    expect(await store.load('hpc', 'otters-sing')).toBeNull()
    expect((await store.list()).sessions.map(({name}) => name)).toEqual(['b'])
  })

  test('a removed session leaves no token in what a killed save has left', async () => {
    await store.save(facts())
    await writeFile(`${fileOf()}.0123456789ab`, '{"token"')
    await writeFile(`${fileOf('otters-sing.json')}.0123456789ab`, '')
    await store.remove('hpc', 'otters-sing')
    expect(await readdir(dirname(fileOf()))).toEqual(['otters-sing.json.json.0123456789ab'])
  })

  test('a name cannot lead out of the folder', async () => {
    await writeFile(join(home, 'precious.json'), '{}')
    await store.save(facts())
    await store.remove('hpc', '../../../precious')
    await store.remove('..', '../precious')
    expect(await readFile(join(home, 'precious.json'), 'utf8')).toBe('{}')
  })
})

describe('a file that is not usable', () => {
  const whole = JSON.stringify(facts(), null, 2)

  test.each([
    ['cut short', whole.slice(0, 100), 'it is cut short or not JSON'],
    ['empty', '', 'it is empty'],
    ['not JSON', 'hello', 'it is cut short or not JSON'],
    ['something else', '[1]', 'it lacks a right value for '],
    ['null', 'null', 'it lacks a right value for everything'],
    ['without its token', JSON.stringify({...facts(), token: undefined}), 'it lacks a right value for token'],
    ['with a wrong type', JSON.stringify({...facts(), hops: [{host: 'h'}]}), 'it lacks a right value for hops.0.user, hops.0.port'],
  ])('%s: told by load and list, and left as it is', async (_what, text, why) => {
    await store.save(facts({name: 'fine'}))
    await spoil(text)
    const {sessions, broken} = await store.list()
    expect(sessions.map(({name}) => name)).toEqual(['fine'])
    expect(broken).toEqual([{file: fileOf(), why: expect.stringContaining(why)}])
    const told = await rejectionOf(store.load('hpc', 'otters-sing'))
    expect(told).toEqual({
      code: 'config',
      message: `What this computer keeps of session "otters-sing" cannot be used: ${broken[0]!.why} (${fileOf()})`,
      hint: 'Remove that file and run the command again: `jnode connect otters-sing` finds the session on its cluster.',
    })
    expect(await readFile(fileOf(), 'utf8')).toBe(text)
  })

  test('is made whole by saving the session again', async () => {
    await spoil(whole.slice(0, 100))
    await store.save(facts())
    expect(await store.load('hpc', 'otters-sing')).toEqual(facts())
  })

  test('of a newer jnode: told in words, and not overwritten', async () => {
    const newer = JSON.stringify({version: 2, name: 'otters-sing'})
    await spoil(newer)
    const why = 'a newer jnode made it (version 2, this one reads 1)'
    expect((await store.list()).broken).toEqual([{file: fileOf(), why}])
    const told = {code: 'config', message: `What this computer keeps of session "otters-sing" cannot be used: ${why} (${fileOf()})`, hint: 'Update jnode on this computer.'}
    expect(await rejectionOf(store.load('hpc', 'otters-sing'))).toEqual(told)
    expect(await rejectionOf(store.save(facts()))).toEqual(told)
    expect(await readFile(fileOf(), 'utf8')).toBe(newer)
  })

  test('never shows a token', async () => {
    await spoil(whole.slice(0, -3))
    expect(JSON.stringify(await store.list())).not.toContain('a-token')
    expect(JSON.stringify(await rejectionOf(store.load('hpc', 'otters-sing')))).not.toContain('a-token')
  })

  test.each([
    ['of another session', {name: 'moles-dig', jobName: 'jnode-moles-dig', remoteDir: '/home/me/.jnode/sessions/moles-dig'}, 'name'],
    ['of another cluster', {cluster: 'other'}, 'cluster'],
    ['with a name that leads elsewhere', {name: '../../x'}, 'name'],
    ['with somebody else’s job', {jobName: 'precious'}, 'jobName'],
    ['with a job number that is an option', {jobId: '-u'}, 'jobId'],
    ['with another directory', {remoteDir: '/home/me'}, 'remoteDir'],
    ['with a directory that is relative', {remoteDir: 'x/.jnode/sessions/otters-sing'}, 'remoteDir'],
    ['with an id that is a pattern', {id: '.*'}, 'id'],
    ['with a token that is more of a URL', {token: 't&x=y'}, 'token'],
    ['with a page that leads out', {page: '@evil.example'}, 'page'],
    ['with control characters', {gpus: '0\u001b[2J'}, 'gpus'],
    ['with a moment that no calendar has', {startedAt: '2026-13-45T99:00:00Z'}, 'startedAt'],
    ['with a limit beyond all calendars', {runSeconds: 1e300}, 'runSeconds'],
    ['with a gateway that is an option', {hops: [{user: null, host: '-oProxyCommand=id', port: null}]}, 'hops.0.host'],
    ['with a server at a name that is shell text', {foreign: {node: '$(id)', endpoint: {kind: 'tcp', host: '127.0.0.1', port: 8888}, baseUrl: '/', secure: false}}, 'foreign.node'],
    ['with a server whose base path is a host', {foreign: {node: 'node1', endpoint: {kind: 'tcp', host: '127.0.0.1', port: 8888}, baseUrl: '@evil.example/', secure: false}}, 'foreign.baseUrl'],
    ['with a server on a port that is none', {foreign: {node: 'node1', endpoint: {kind: 'tcp', host: '127.0.0.1', port: 88_888}, baseUrl: '/', secure: false}}, 'foreign.endpoint.port'],
  ])('%s: not used', async (_what, over, key) => {
    await spoil(JSON.stringify({...facts(), ...over}))
    expect(await store.list()).toEqual({sessions: [], broken: [{file: fileOf(), why: `it lacks a right value for ${key}`}]})
    expect(await rejectionOf(store.load('hpc', 'otters-sing'))).toMatchObject({code: 'config'})
  })

  test('a head’s address that is none is only forgotten', async () => {
    await spoil(JSON.stringify({...facts(), headAddress: "'$(id)'"}))
    expect(await store.load('hpc', 'otters-sing')).toEqual(facts())
    await spoil(JSON.stringify({...facts(), headAddress: '192.0.2.7'}))
    expect(await store.load('hpc', 'otters-sing')).toEqual(facts({headAddress: '192.0.2.7'}))
  })

  test('other files of the folder are nobody’s session', async () => {
    await store.save(facts())
    await writeFile(`${fileOf()}.12345`, '{"half')
    await writeFile(join(home, 'state/sessions/notes.txt'), 'x')
    expect(await store.list()).toEqual({sessions: [facts()], broken: []})
  })
})

describe('a state folder that cannot be written to', () => {
  test('is named, with what to do', async () => {
    await writeFile(join(home, 'state'), 'a file in the way')
    const told = await rejectionOf(store.save(facts()))
    expect(told).toEqual({
      code: 'config',
      message: `${fileOf()} cannot be written: a part of that path is not a folder`,
      hint: 'Make room and check that the folder is yours to write to, or set XDG_STATE_HOME to one that is.',
    })
  })

  test.skipIf(process.platform === 'win32' || process.getuid?.() === 0)('because it is read-only, which root alone would not notice', async () => {
    await store.save(facts())
    await chmod(dirname(fileOf()), 0o500)
    const write = await rejectionOf(store.save(facts({jobId: '99'})))
    const removal = await rejectionOf(store.remove('hpc', 'otters-sing'))
    await chmod(dirname(fileOf()), 0o700)
    expect(write.message).toBe(`${fileOf()} cannot be written: permission denied`)
    expect(removal.message).toBe(`${fileOf()} cannot be removed: permission denied`)
    expect(await store.load('hpc', 'otters-sing')).toEqual(facts())
  })
})

/** Runs a script in a process of its own, with `store` and `facts` at hand; answers with what it prints. */
function elsewhere(body: string, shellBefore = ':'): Promise<string> {
  const module = fileURLToPath(new URL('../../../src/session/local-store.ts', import.meta.url))
  const script = `
    const {openStore} = await import(${JSON.stringify(module)})
    const store = openStore(${JSON.stringify(join(home, 'state'))})
    const facts = ${JSON.stringify(facts())}
    ${body}`
  const child = spawn('/bin/sh', ['-c', `${shellBefore}; exec "$0" "$@"`, process.execPath, '--import', 'tsx', '--input-type=module', '-e', script], {stdio: ['ignore', 'pipe', 'inherit']})
  return new Promise((resolve, reject) => {
    let out = ''
    child.stdout.on('data', (chunk) => (out += chunk))
    child.once('error', reject)
    child.once('close', (code) => (code === 0 ? resolve(out) : reject(new Error(`it ended with ${code}: ${out}`))))
  })
}

// The shell's limit on the size of a file stands for a full disk: the write fails half-way.
test.skipIf(process.platform === 'win32')('a write that fails half-way leaves the old file whole, and says where', async () => {
  await store.save(facts())
  const out = await elsewhere(
    `process.on('SIGXFSZ', () => {})
    await store.save({...facts, jobId: '99', page: 'x'.repeat(100_000)}).catch((error) => console.log(JSON.stringify([error.code, error.message, error.hint])))`,
    'ulimit -f 8',
  )
  const [code, message, hint] = JSON.parse(out) as string[]
  expect(code).toBe('config')
  expect(message).toBe(`${fileOf()} cannot be written: a limit on the size of files is in the way`)
  expect(hint).toContain('Make room')
  expect(await store.load('hpc', 'otters-sing')).toEqual(facts())
  expect(await readdir(dirname(fileOf()))).toEqual(['otters-sing.json'])
})

test('two processes that save at the same time never leave half a file', async () => {
  await store.save(facts())
  const saves = (page: string, length: number) => elsewhere(`for (let i = 0; i < 60; i++) await store.save({...facts, jobId: String(i), page: ${JSON.stringify(page)}.repeat(${length})})`)
  let running = true
  const writers = Promise.all([saves('a', 20_000), saves('b', 10)]).finally(() => (running = false))
  while (running) {
    const {sessions, broken} = await store.list()
    expect(broken).toEqual([])
    expect(sessions).toHaveLength(1)
    expect(sessions[0]!.page).toMatch(/^(lab|a{20000}|b{10})$/)
  }
  await writers
  expect(await readdir(dirname(fileOf()))).toEqual(['otters-sing.json'])
})
