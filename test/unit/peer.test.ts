import {once} from 'node:events'
import {connect, createServer, type AddressInfo, type Socket} from 'node:net'
import {describe, expect, onTestFinished, test} from 'vitest'
import {isOurs, ownerOf, peerCheck, type PeerSystem} from '../../src/peer.ts'
import {rejectionOf} from './expect-error.ts'

/** As x86 prints it; the uids say which line is meant. */
const TABLES = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:9C40 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 11111 1 0000000000000000 100 0 0 10 0
   1: 0100007F:9C40 0100007F:C350 01 00000000:00000000 00:00000000 00000000  1000        0 22222 1 0000000000000000 20 4 30 10 -1
   2: 0100007F:C350 0100007F:9C40 01 00000000:00000000 00:00000000 00000000  1001        0 33333 1 0000000000000000 20 4 30 10 -1
   3: 050C537F:C350 050C537F:9C40 01 00000000:00000000 00:00000000 00000000  1002        0 44444 1 0000000000000000 20 4 30 10 -1
   4: 0100007F:C351 0100007F:9C40 06 00000000:00000000 03:00000F2C 00000000     0        0 0 3 0000000000000000
   5: 0100007F:C352 0100007F:9C40 05 00000000:00000000 00:00000000 00000000     0        0 0 1 0000000000000000 20 4 30 10 -1
  sl  local_address                         remote_address                        st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 00000000000000000000000001000000:C350 00000000000000000000000001000000:9C40 01 00000000:00000000 00:00000000 00000000  1003        0 55555 1 0000000000000000 20 4 30 10 -1
   1: 0000000000000000FFFF00000100007F:C353 0000000000000000FFFF00000100007F:9C40 01 00000000:00000000 00:00000000 00000000  1004        0 66666 1 0000000000000000 20 4 30 10 -1
`

const pair = (remoteAddress: string, remotePort: number, localAddress = remoteAddress) => ({remoteAddress, remotePort, localAddress, localPort: 40_000})

describe('the owner of a connection is that of the socket at the other end', () => {
  test.each([
    ['on 127.0.0.1', pair('127.0.0.1', 50_000), 1001],
    ['on another address of loopback', pair('127.83.12.5', 50_000), 1002],
    ['on ::1', pair('::1', 50_000), 1003],
    ['of an IPv6 socket that speaks IPv4', pair('127.0.0.1', 50_003), 1004],
    ['nobody known for one that is not listed', pair('127.0.0.1', 50_009), null],
    ['nobody known, and not root, for one that waits for its last packets', pair('127.0.0.1', 50_001), null],
    ['nobody known, and not root, for one that its process has closed', pair('127.0.0.1', 50_002), null],
    ['nobody known for an IPv6 address of the network', pair('2001:db8::1', 50_000, '::1'), null],
  ])('%s', (_, socket, owner) => {
    expect(ownerOf(TABLES, socket)).toBe(owner)
  })

  test('nobody known for a connection that is gone', () => {
    expect(ownerOf(TABLES, {remoteAddress: undefined, remotePort: undefined, localAddress: undefined, localPort: undefined})).toBeNull()
  })
})

describe('a connection is this user’s when it comes from', () => {
  test.each([
    ['this user', 1000, false, true],
    ['this user on WSL', 1000, true, true],
    ['another user', 1001, false, false],
    ['another user on WSL', 1001, true, false],
    ['root', 0, false, false],
    ['the relay of WSL, which is root’s', 0, true, true],
    ['Windows in one network with WSL', null, true, true],
    ['nobody that is known', null, false, false],
  ])('%s', (_, owner, wsl, given) => {
    expect(isOurs(owner, {me: 1000, wsl})).toBe(given)
  })

  test('but not from one of all the users whom a user namespace calls nobody, this one included', () => {
    expect(isOurs(65_534, {me: 65_534, wsl: false})).toBe(false)
  })
})

const system = (readTables: () => Promise<string>): PeerSystem => ({checks: true, wsl: false, me: 1001, readTables})

describe('the check', () => {
  test('reads the tables once for all connections of a burst, and again for those that come while it reads', async () => {
    let readings = 0
    let goOn = () => {}
    const isMine = await peerCheck(system(async () => {
      readings++
      if (readings === 2) await new Promise<void>((resolve) => (goOn = resolve))
      return TABLES
    }))
    const burst = Array.from({length: 20}, () => isMine(pair('127.0.0.1', 50_000)))
    await expect.poll(() => readings).toBe(2)
    const later = Array.from({length: 20}, () => isMine(pair('127.0.0.1', 50_000)))
    goOn()
    expect(new Set(await Promise.all([...burst, ...later]))).toEqual(new Set([true]))
    expect(readings).toBe(3)
  })

  test('reads again when the kernel has passed over an entry, and refuses when it stays away', async () => {
    const tables = ['', '', TABLES, '', '', '']
    const isMine = await peerCheck(system(async () => tables.shift() ?? ''))
    expect(await isMine(pair('127.0.0.1', 50_000))).toBe(true)
    expect(await isMine(pair('127.0.0.1', 50_000))).toBe(false)
  })

  test('refuses when the tables cannot be read any more', async () => {
    let readable = true
    const isMine = await peerCheck(system(async () => {
      if (!readable) throw new Error('EMFILE')
      return TABLES
    }))
    readable = false
    expect(await isMine(pair('127.0.0.1', 50_000))).toBe(false)
  })

  test('does not begin on a Linux that does not let the tables be read', async () => {
    const failure = await rejectionOf(peerCheck(system(() => Promise.reject(new Error('EACCES: permission denied, open /proc/net/tcp')))))
    expect([failure.code, failure.message]).toEqual(['config', 'jnode cannot check which user connects to its local port: EACCES: permission denied, open /proc/net/tcp'])
  })

  test('lets everybody in on a system that does not say whose a connection is', async () => {
    const isMine = await peerCheck({...system(() => Promise.reject(new Error('no such table'))), checks: false})
    expect(await isMine(pair('127.0.0.1', 50_000))).toBe(true)
  })

  test.runIf(process.platform === 'linux').each([
    ['127.0.0.1', '127.0.0.1'],
    ['127.83.12.5', '127.83.12.5'],
    ['::1', '::1'],
    ['127.0.0.1', '::ffff:127.0.0.1'],
  ])('knows this process’s own connections to %s, made as %s', async (host, by) => {
    const isMine = await peerCheck()
    const server = createServer().listen(0, host)
    await once(server, 'listening')
    const client = connect((server.address() as AddressInfo).port, by)
    onTestFinished(() => {
      client.destroy()
      server.close()
    })
    const [socket] = (await once(server, 'connection')) as [Socket]
    expect(await isMine(socket)).toBe(true)
  })
})
