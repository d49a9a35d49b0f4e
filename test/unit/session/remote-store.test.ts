import {spawnSync} from 'node:child_process'
import {appendFileSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {afterEach, beforeEach, describe, expect, test} from 'vitest'
import type {Ask} from '../../../src/ask.ts'
import type {SharedFacts} from '../../../src/session/facts.ts'
import {createRemoteSession, followRecordScript, readLogTail, readRecordText, readRemoteSessions, remoteDir, removeRemoteSession, updateRemoteFacts} from '../../../src/session/remote-store.ts'
import {failureOf} from '../expect-error.ts'

let home: string
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), "jnode-a user's-"))
  made.push(home)
})
let made: string[] = []
afterEach(() => {
  for (const path of made) rmSync(path, {recursive: true, force: true})
  made = []
})

/** The question put to a real sh. */
function ask<T>({script, read}: Ask<T>): T {
  const {status, stdout, stderr} = spawnSync('/bin/sh', ['-s'], {input: script, env: {PATH: process.env['PATH'], HOME: home}, encoding: 'utf8'})
  return read({exitCode: status ?? -1, stdout, stderr})
}

function facts(changes: Partial<SharedFacts> = {}): SharedFacts {
  return {
    version: 1, id: '0123456789abcdef0123456789abcdef', name: 'nb', host: 'ada@head', jobId: '7', jobName: 'jnode-nb', slots: 1, memoryBytes: null, runSeconds: null,
    app: 'lab', remoteDir: remoteDir(home, 'nb'), submittedAt: '2026-11-20T10:00:00.000Z', startedAt: null, localPort: 8888, page: 'lab', gpus: null, ...changes,
  }
}

const create = (changes: Partial<SharedFacts> = {}) => ask(createRemoteSession({facts: facts(changes), token: 's3cret', proof: 'pr00f', jobScript: "#!/bin/sh\necho 'it''s'\n"}))
const at = (...names: string[]) => join(home, '.jnode', 'sessions', 'nb', ...names)

describe('a new session', () => {
  test('lies in a directory of its own that nobody else can enter, its secrets without a newline', () => {
    create()
    expect(readdirSync(at()).sort()).toEqual(['job.sh', 'legs', 'log', 'proof', 'record', 'session.json', 'token'])
    expect(statSync(at()).mode & 0o777).toBe(0o700)
    for (const file of readdirSync(at())) expect(statSync(at(file)).mode & 0o077).toBe(0)
    expect([readFileSync(at('token'), 'utf8'), readFileSync(at('proof'), 'utf8')]).toEqual(['s3cret', 'pr00f'])
    expect(readFileSync(at('job.sh'), 'utf8')).toBe("#!/bin/sh\necho 'it''s'\n")
    expect(ask(readRemoteSessions())).toEqual({sessions: [{facts: facts(), token: 's3cret', record: '', activity: ''}], broken: []})
  })

  test('does not take the place of another, nor touch it', () => {
    create()
    expect(failureOf(() => create({id: 'another'}))).toMatchObject({code: 'session-exists', message: 'A session named "nb" exists on ada@head'})
    expect(readFileSync(at('session.json'), 'utf8')).toContain('0123456789abcdef')
  })

  test('where a file is in the way is told in the words of the system', () => {
    writeFileSync(join(home, '.jnode'), '')
    expect(failureOf(() => create())).toMatchObject({code: 'remote-storage', message: expect.stringMatching(/^Cannot store the session below .*\/\.jnode\/sessions on ada@head: /) as string})
  })
})

describe('what is read', () => {
  test('is all sessions, or the one named; a broken one is told of beside the others', () => {
    create()
    create({name: 'b', jobName: 'jnode-b', remoteDir: remoteDir(home, 'b')})
    create({name: 'c', jobName: 'jnode-c', remoteDir: remoteDir(home, 'c')})
    mkdirSync(join(home, '.jnode', 'sessions', 'empty'))
    truncateSync(join(home, '.jnode', 'sessions', 'b', 'session.json'), 30)
    writeFileSync(join(home, '.jnode', 'sessions', 'c', 'session.json'), '{"version": 2}')
    const {sessions, broken} = ask(readRemoteSessions())
    expect(sessions.map((session) => session.facts.name)).toEqual(['nb'])
    expect(broken).toEqual([
      {name: 'b', why: 'session.json is cut short or not JSON'},
      {name: 'c', why: 'it was made by a newer jnode'},
      {name: 'empty', why: 'session.json is missing or empty'},
    ])
    expect(ask(readRemoteSessions('nb')).sessions).toHaveLength(1)
    expect(ask(readRemoteSessions('nope'))).toEqual({sessions: [], broken: []})
  })

  test.each([
    ['a name that is lines of ssh configuration', {name: "* \\'\n  ProxyCommand sh -c id\nHost decoy \\'"}, 'name'],
    ['a name that leads elsewhere', {name: '../../../../../.config/Code/User/settings'}, 'name'],
    ['another session’s name', {name: 'other'}, 'name'],
    ['another job’s name', {jobName: 'precious'}, 'jobName'],
    ['another directory', {remoteDir: '/home/ada'}, 'remoteDir'],
    ['a job number with more behind it', {jobId: '7; id'}, 'jobId'],
    ['an id that fits every directory', {id: ''}, 'id'],
    ['a page that goes to another host', {page: '@evil.example/'}, 'page'],
    ['a port that is none', {localPort: 0}, 'localPort'],
    ['an app that plays with the terminal', {app: 'lab\u009b2J'}, 'app'],
    ['a time that is no time', {submittedAt: 'yesterday'}, 'submittedAt'],
  ])('with %s is broken', (_, changes, key) => {
    create()
    writeFileSync(at('session.json'), JSON.stringify({...facts(), ...changes}))
    expect(ask(readRemoteSessions())).toEqual({sessions: [], broken: [{name: 'nb', why: `session.json lacks a right value for ${key}`}]})
    expect(ask(readRemoteSessions('nb')).sessions).toEqual([])
  })

  test('lies where it was found, also where another login node calls the home directory otherwise', () => {
    create()
    writeFileSync(at('session.json'), JSON.stringify({...facts(), remoteDir: '/nfs/home/ada/.jnode/sessions/nb'}))
    expect(ask(readRemoteSessions('nb')).sessions[0]!.facts.remoteDir).toBe(facts().remoteDir)
  })

  test('holds nothing of what only this computer knows', () => {
    create()
    const foreign = {node: 'node1', endpoint: {kind: 'tcp', host: '127.0.0.1', port: 8888}, baseUrl: '@evil.example/', secure: false}
    writeFileSync(at('session.json'), JSON.stringify({...facts(), foreign, headAddress: '$(id)', hops: [{host: '-o'}], cluster: 'other', token: 'x'}))
    expect(ask(readRemoteSessions()).sessions.map((session) => session.facts)).toEqual([facts()])
  })

  test('without a token is broken, for then anybody could show its proof', () => {
    create()
    truncateSync(at('token'), 0)
    expect(ask(readRemoteSessions()).broken).toEqual([{name: 'nb', why: 'its token is missing or is none'}])
  })

  test('is not another session than the one that was asked for', () => {
    create()
    const {script, read} = readRemoteSessions('other')
    expect(ask({script: script.replace('for dir in other', 'for dir in *'), read})).toEqual({sessions: [], broken: []})
  })

  test.each(['', 'relative', '/tmp/a\tb'])('below a home directory that is %j is refused in one sentence', (wrong) => {
    home = wrong
    expect(failureOf(() => ask(readRemoteSessions()))).toMatchObject({code: 'remote-storage', message: `HOME on the head node must be an absolute path, not ${JSON.stringify(wrong)}`})
  })

  test('is nothing where there never was a session', () => {
    expect(ask(readRemoteSessions())).toEqual({sessions: [], broken: []})
    expect(ask(readRecordText(at()))).toBe('')
    expect(ask(readLogTail(at('log'), 5))).toBe('')
  })

  test('of the log is its end', () => {
    create()
    appendFileSync(at('log'), 'one\ntwo\nthree\n')
    expect(ask(readLogTail(at('log'), 2))).toBe('two\nthree\n')
  })

  test('of the record comes line by line, each once, until the session is gone', () => {
    create()
    appendFileSync(at('record'), 'jnode-record 1\njob 7\n')
    const script = `cd "$HOME"; ( ${followRecordScript(facts().remoteDir, 60)} ) >heard &
until grep -q 'job 7' heard; do sleep 0.05; done
echo 'node n1' >>.jnode/sessions/nb/record
until grep -q 'node n1' heard; do sleep 0.05; done
rm -r .jnode/sessions/nb
wait; cat heard`
    expect(ask({script, read: ({stdout}) => stdout})).toBe('jnode-record 1\njob 7\nnode n1\n')
  })
})

describe('facts that change', () => {
  test('replace the old ones', () => {
    create()
    ask(updateRemoteFacts(facts({jobId: '8', page: 'tree'})))
    expect(ask(readRemoteSessions()).sessions[0]!.facts).toEqual(facts({jobId: '8', page: 'tree'}))
    expect(readdirSync(at())).not.toContain('session.json.new')
  })

  test('do not bring a removed session back', () => {
    ask(updateRemoteFacts(facts()))
    expect(existsSync(at())).toBe(false)
  })
})

describe('removing', () => {
  test('takes all of it, and once more is no error', () => {
    create()
    mkdirSync(at('deep'))
    expect(ask(removeRemoteSession(facts()))).toEqual({removed: true, why: ''})
    expect(existsSync(at())).toBe(false)
    expect(ask(removeRemoteSession(facts()))).toEqual({removed: true, why: ''})
  })

  test('leaves a session alone that has the name now', () => {
    create({id: 'another'})
    ask(removeRemoteSession(facts()))
    expect(existsSync(at('job.sh'))).toBe(true)
  })
})
