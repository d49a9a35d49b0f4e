import nock from 'nock'
import {createServer, type Server} from 'node:net'
import {afterAll, afterEach, beforeAll, describe, expect, it} from 'vitest'
import {PassThrough} from 'node:stream'
import {fetchOver} from '../../../src/http.ts'
import {jupyterApi, landingPage, proofOf} from '../../../src/jupyter/api.ts'

const TOKEN = 'a1b2c3'
const HOST = 'http://localhost:8888'
const fetch = fetchOver(async () => new PassThrough()) // nock answers before anything is written to it
const api = (baseUrl = `${HOST}/`) => jupyterApi({baseUrl, token: TOKEN, fetch})
const withToken = {reqheaders: {authorization: `token ${TOKEN}`}}
const withoutToken = {badheaders: ['authorization']}

beforeAll(() => nock.disableNetConnect())
afterEach(() => {
  expect(nock.pendingMocks()).toEqual([])
  nock.cleanAll()
  nock.enableNetConnect()
  nock.disableNetConnect()
})
afterAll(() => nock.restore())

describe('identify', () => {
  const answer = (status: number, body: string | object, headers: Record<string, string> = {}) => nock(HOST, withoutToken).get('/api').reply(status, body, headers)
  const ours = {'X-Jnode-Session': proofOf(TOKEN)}

  it('knows our server by its proof, without showing the token', async () => {
    answer(200, {version: '2.14.2'}, ours)
    expect(await api().identify()).toEqual({kind: 'ours', version: '2.14.2'})
  })

  it('knows it also where the user has closed this page to strangers', async () => {
    answer(403, {message: 'Forbidden'}, ours)
    expect(await api().identify()).toEqual({kind: 'ours', version: null})
  })

  it.each([
    ['another Jupyter', 200, {version: '6.4.12'}, {}, '6.4.12'],
    ['another session', 200, {version: '6.4.12'}, {'X-Jnode-Session': proofOf('other')}, '6.4.12'],
    ['something else', 404, 'not found', {}, null],
    ['a redirection', 302, '', {location: 'http://localhost:1/'}, null],
  ])('tells %s from ours', async (_, status, body, headers, version) => {
    answer(status, body, headers as Record<string, string>)
    expect(await api().identify()).toMatchObject({kind: 'foreign', version})
  })

  it('tells that nobody answers', async () => {
    nock(HOST).get('/api').replyWithError(Object.assign(new Error('connect ECONNREFUSED'), {code: 'ECONNREFUSED'}))
    expect(await api().identify()).toEqual({kind: 'not-answering', why: expect.stringContaining('ECONNREFUSED')})
    nock(HOST).get('/api').delay(5000).reply(200, {})
    expect(await api().identify({timeoutMs: 50})).toEqual({kind: 'not-answering', why: expect.stringContaining('50 ms')})
  })

  it('keeps proof and token apart', () => {
    expect(proofOf(TOKEN)).toMatch(/^[0-9a-f]{64}$/)
    expect(proofOf(TOKEN)).not.toContain(TOKEN)
    expect(proofOf(TOKEN)).not.toBe(proofOf('other'))
  })
})

describe('calls with the token', () => {
  it('read the status', async () => {
    nock(HOST, withToken).get('/api/status').reply(200, {started: '2026-01-01T00:00:00Z', last_activity: '2026-01-01T01:00:00Z', kernels: 1, connections: 2})
    expect(await api().status()).toEqual({started: '2026-01-01T00:00:00Z', lastActivity: '2026-01-01T01:00:00Z', kernels: 1, connections: 2})
  })

  it('read the kernels without counting as activity, below a base path', async () => {
    nock(HOST, withToken).get('/user/ann/api/kernels').query({no_track_activity: '1'}).reply(200, [{id: 'k', name: 'python3', execution_state: 'busy', connections: 1, last_activity: 'x'}])
    expect(await api(`${HOST}/user/ann/`).kernels()).toEqual([{id: 'k', name: 'python3', state: 'busy', connections: 1, lastActivity: 'x'}])
  })

  it('shut the server down', async () => {
    nock(HOST, withToken).post('/api/shutdown').reply(200, '')
    await expect(api().shutdown()).resolves.toBeUndefined()
  })

  it.each([
    ['a refused token', 403, {message: 'Forbidden'}, 'unexpected', /refuses/],
    ['a page of somebody else', 200, '<html>', 'unexpected', /not answered as Jupyter does/],
    ['a redirection, which is not followed', 302, '', 'unexpected', /302/],
    ['a broken server', 500, '', 'unexpected', /500/],
  ])('tell %s', async (_, status, body, code, message) => {
    nock(HOST).get('/api/status').reply(status, body, status === 302 ? {location: 'http://evil.example/'} : {})
    await expect(api().status()).rejects.toMatchObject({code, message: expect.stringMatching(message)})
  })

  it('tell a dead tunnel from a bad answer', async () => {
    nock(HOST).get('/api/status').replyWithError(Object.assign(new Error('socket hang up'), {code: 'ECONNRESET'}))
    await expect(api().status()).rejects.toMatchObject({code: 'connection-lost', message: expect.stringContaining('socket hang up')})
    nock(HOST).get('/api/status').delay(5000).reply(200, {})
    await expect(api().status({timeoutMs: 50})).rejects.toMatchObject({code: 'connection-lost'})
  })

  it('end at once when they are interrupted', async () => {
    const stop = new AbortController()
    nock(HOST).get('/api/status').delay(5000).reply(200, {})
    const call = api().status({signal: stop.signal})
    stop.abort()
    await expect(call).rejects.toMatchObject({code: 'interrupted'})
    await expect(api().identify({signal: AbortSignal.abort()})).rejects.toMatchObject({code: 'interrupted'})
    nock.cleanAll()
  })
})

describe('a peer that does not speak HTTP', () => {
  let peer: Server
  afterEach(() => peer.close())

  it('is foreign, not silent', async () => {
    peer = createServer((socket) => void socket.end('SSH-2.0-OpenSSH_9.2\r\n')).listen(0, '127.0.0.1')
    await new Promise((resolve) => peer.once('listening', resolve))
    nock.restore()
    try {
      const {port} = peer.address() as {port: number}
      expect(await api(`http://127.0.0.1:${port}/`).identify()).toMatchObject({kind: 'foreign', why: expect.stringContaining('HTTP')})
    } finally {
      nock.activate()
    }
  })
})

describe('landingPage', () => {
  const options = {baseUrl: `${HOST}/`, token: TOKEN, fetch}

  it.each([['lab', 'lab'], ['notebook', 'tree'], ['nbclassic', 'tree']])('of %s needs no question', async (app, page) => {
    expect(await landingPage(app, options)).toBe(page)
  })

  it.each([
    ['lab', [200]],
    ['tree', [404, 200]],
    ['tree', [404, 302]],
    ['', [404, 404]],
  ])('is asked for otherwise: %j', async (page, [lab, tree]) => {
    nock(HOST, withToken).get('/lab').reply(lab!)
    if (tree) nock(HOST, withToken).get('/tree').reply(tree)
    expect(await landingPage('server', options)).toBe(page)
  })
})
