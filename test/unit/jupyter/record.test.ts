import {describe, expect, it} from 'vitest'
import {RECORD_BYTES, RECORD_LINES} from '../../../src/bounds.ts'
import {END_REASONS, endMessage, growingRecord, parseRecord, recordReader, type EndReason} from '../../../src/jupyter/record.ts'

const START = `
jnode-record 1
job 4711
node node1
name node1.cluster
slots 8
tmpdir /tmp/4711.1.all.q
gpus CUDA_VISIBLE_DEVICES=0,1 SGE_HGR_gpu=0 1 
hostkey ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBRiIMIG0VZlE1wjaFPzXlLHshagYABTah31dvbs4AwW
hostkey ssh-rsa AAAAB3NzaC1yc2E=
endpoint socket /tmp/4711.1.all.q/jnode/sock
started 1795230660
address 192.0.2.2 fd00::2 
`
const READY = 'app lab\nbase-url "/"\nversion "2.14.2"\nlistening\n'

describe('parseRecord', () => {
  it('knows nothing before the first start', () => {
    expect(parseRecord('')).toBeNull()
    expect(parseRecord('job 1\n')).toBeNull()
    expect(parseRecord('jnode-record 1')).toBeNull()
  })

  it('reads what came of legs that were asked for, and nothing of a line that makes no sense', () => {
    const lines = ['leg relay-1 listening 127.0.0.1 4711', 'leg direct-1 failed 10.0.0.1: Cannot assign requested address', 'leg relay-2 listening somewhere', 'leg', 'leg relay-3 dances x']
    expect(parseRecord(`${START}${lines.join('\n')}\n`)?.legs).toEqual({
      'relay-1': {state: 'listening', host: '127.0.0.1', port: 4711},
      'direct-1': {state: 'failed', why: '10.0.0.1: Cannot assign requested address'},
    })
  })

  it('reads a job that is starting, and one that is ready', () => {
    expect(parseRecord(START)).toEqual({
      start: null, jobId: '4711', queue: null, node: 'node1', names: ['node1', 'node1.cluster'], addresses: ['192.0.2.2', 'fd00::2'], slots: 8, tmpdir: '/tmp/4711.1.all.q', gpus: 'CUDA_VISIBLE_DEVICES=0,1 SGE_HGR_gpu=0 1',
      hostKeys: [{type: 'ssh-ed25519', key: 'AAAAC3NzaC1lZDI1NTE5AAAAIBRiIMIG0VZlE1wjaFPzXlLHshagYABTah31dvbs4AwW'}, {type: 'ssh-rsa', key: 'AAAAB3NzaC1yc2E='}],
      hostKeysFrom: null,
      endpoint: {kind: 'socket', path: '/tmp/4711.1.all.q/jnode/sock'},
      app: null, listening: false, baseUrl: null, version: null, startedAt: 1_795_230_660_000, endedAt: null, signals: [], silentKernels: [], legs: {}, end: null,
    })
    expect(parseRecord(START + READY)).toMatchObject({app: 'lab', listening: true, baseUrl: '/', version: '2.14.2'})
  })

  it('says where the job has the host keys of its node from, where the job says so in words it knows', () => {
    for (const from of ['sshd', 'files'] as const) expect(parseRecord(`${START}hostkeys-from ${from}\n`)?.hostKeysFrom).toBe(from)
    expect(parseRecord(`${START}hostkeys-from somewhere\n`)?.hostKeysFrom).toBeNull()
  })

  it('takes the port of a server that knows no sockets', () => {
    expect(parseRecord(`${START}endpoint tcp 127.0.0.1 23456\nversion \nlistening\n`)).toMatchObject({endpoint: {kind: 'tcp', host: '127.0.0.1', port: 23_456}, version: null, listening: true})
  })

  it('leaves out a line that is still being written', () => {
    expect(parseRecord(`${START}endpoint tcp 127.0.0.1 234`)?.endpoint).toMatchObject({kind: 'socket'})
    expect(parseRecord(`${START + READY}end 1`)?.end).toBeNull()
  })

  it('starts anew with each start of the job', () => {
    const second = parseRecord(`${START}${READY}end 0 deleted ended by signal USR2\n\njnode-record 1\nstart node2.7\njob 4711\nqueue all.q\nnode node2\n`)
    expect(second).toMatchObject({start: 'node2.7', queue: 'all.q', node: 'node2', names: ['node2'], endpoint: null, listening: false, end: null, hostKeys: []})
  })

  it('passes over what it does not know or cannot use', () => {
    const odd = `${START}colour green\nslots many\nendpoint pigeon x\nendpoint tcp n1 port\nhostkey only-type\nbase-url {broken\nstarted soon\n\x00\x01\n`
    expect(parseRecord(odd)).toEqual(parseRecord(START))
  })

  it.each([
    'node -oProxyCommand=id', 'node $(id)', "node a'b", 'node node1;id', 'node a b', 'node [::1]', 'name `id`', 'name -p', 'job 7;id', 'job -u', 'queue -o', 'address $(id) fe80::1%$(id) 1.2.3',
    'slots 99999999', 'tmpdir relative', 'gpus \x1b[2J', 'hostkey ssh-ed25519 AAAA AAAA', 'hostkey ssh-ed25519 $(id)', 'endpoint socket relative', 'endpoint socket /tmp/\x07', 'endpoint tcp -x 80',
    'endpoint tcp $(id) 80', 'endpoint tcp n1 0', 'endpoint tcp n1 70000', 'app ../x', 'base-url "//evil"', 'base-url "/\\\\evil/"', 'base-url "@evil/"', 'version "\\u001b[2J"', 'started 9999999999999999', 'ended 99999999999999',
    'signal -9 x', 'start a b', 'leg ../x listening 127.0.0.1 80', 'leg r-1 listening $(id) 80', 'leg r-1 listening 127.0.0.1 0', 'leg a/b failed x',
  ])('takes nothing from %j', (line) => {
    const before = parseRecord(START)!
    const after = parseRecord(`${START}${line}\n`)!
    expect({...after, addresses: after.addresses.length}).toEqual({...before, addresses: line.startsWith('address') ? 0 : before.addresses.length})
  })

  it('hears that the job has ended, whatever its last words hold', () => {
    expect(parseRecord(`${START}end 1 setup-failed \x1b[2Jfailed\n`)?.end).toMatchObject({code: 1, reason: 'setup-failed'})
  })

  it('reads how it ended', () => {
    expect(parseRecord(`${START}signal USR1\nsignal USR2\nend 0 deleted ended by signal USR2\n`)).toMatchObject({signals: ['USR1', 'USR2'], end: {code: 0, reason: 'deleted', text: 'ended by signal USR2'}})
    expect(parseRecord(`${START}end 3 jupyter-exited\n`)?.end).toEqual({code: 3, reason: 'jupyter-exited', text: ''})
    expect(parseRecord(`${START}end 3 toString x\n`)?.end).toEqual({code: 3, reason: null, text: 'x'})
  })
})

describe('recordReader', () => {
  it('gives the same as the whole text, line by line, and leaves earlier answers alone', () => {
    const read = recordReader()
    const seen = (START + READY).split('\n').slice(0, -1).map((line) => read(line))
    expect(seen.at(-1)).toEqual(parseRecord(START + READY))
    expect(seen.filter((record) => record?.listening)).toHaveLength(1)
    expect(seen.find((record) => record?.node)).toMatchObject({node: 'node1', slots: null})
  })
})

describe('growingRecord', () => {
  const lines = (START + READY).split('\n').slice(0, -1)

  it('takes each line once, whether it is heard or stands in the whole text', () => {
    const growing = growingRecord()
    expect(lines.slice(0, 5).map((line, i) => growing.line(i, line))).toEqual([true, true, true, true, true])
    expect(growing.whole(START)).toBe(true)
    expect([growing.whole(START), growing.line(3, 'node elsewhere'), growing.line(99, 'node nowhere')]).toEqual([false, false, false])
    lines.forEach((line, i) => growing.line(i, line))
    expect(growing.record).toEqual(parseRecord(START + READY))
  })

  it.each([['bytes', `signal ${'x'.repeat(99)}\n`], ['lines', 'signal x\n']])('stops where it has too many %s, and keeps what it has', (_, more) => {
    const [growing, heard] = [growingRecord(), growingRecord()]
    const text = START + more.repeat(Math.max(RECORD_LINES, RECORD_BYTES / 1000))
    growing.whole(text)
    text.split('\n').forEach((line, i) => heard.line(i, line))
    for (const each of [growing, heard]) {
      expect([each.full, each.whole(`${text}end 0 finished\n`), each.record?.end, each.record?.node]).toEqual([true, false, null, 'node1'])
      expect(each.record?.signals).toHaveLength(100)
    }
  })
})

describe('endMessage', () => {
  it.each(Object.keys(END_REASONS) as EndReason[])('has a sentence for %s, with a hint where something is wrong', (reason) => {
    const {text, hint} = endMessage({code: 1, reason, text: ''})
    expect(text).toBe(END_REASONS[reason])
    expect(hint === undefined).toBe(['finished', 'deleted'].includes(reason))
  })

  it('says what the job said, without what would play with the terminal', () => {
    expect(endMessage({code: 1, reason: 'module-failed', text: 'module load x\x1b[2J failed'}).text).toBe('module load x\uFFFD[2J failed')
    expect(endMessage({code: 9, reason: null, text: ''}).text).toBe('exit status 9')
  })
})
