/** What is relied on of every way to run things on a host, whatever it is made of. */
import {once} from 'node:events'
import {createServer, type AddressInfo} from 'node:net'
import {join} from 'node:path'
import {text} from 'node:stream/consumers'
import {expect, onTestFinished, test} from 'vitest'
import {JnodeError} from '../../src/errors.ts'
import type {Remote} from '../../src/ssh/remote.ts'
import type {FakeCluster} from '../fake-cluster/cluster.ts'
import {startFakeCluster} from '../fake-cluster/cluster.ts'
import {rejectionOf} from '../unit/expect-error.ts'

export interface Way {
  head: Remote
  toNode(name: string, hostKeys: string[]): Promise<Remote>
}

export function remoteContract(open: (cluster: FakeCluster) => Promise<Way>): void {
  async function make() {
    const cluster = await startFakeCluster()
    onTestFinished(() => cluster.close())
    const way = await open(cluster)
    onTestFinished(() => way.head.close())
    return {cluster, ...way}
  }

  test('one login per hop, whatever is run; closing leaves no connection', async () => {
    const {cluster, head, toNode} = await make()
    const odd = `a'b"c\\d $HOME \`x\` !! \u00e9`
    expect(await head.run(['hostname', 'echo error >&2; exit 3', 'cat', `printf '%s' '${odd.replaceAll("'", "'\\''")}'`])).toEqual([
      {exitCode: 0, stdout: 'head.local\n', stderr: ''},
      {exitCode: 3, stdout: '', stderr: 'error\n'},
      {exitCode: 0, stdout: '', stderr: ''},
      {exitCode: 0, stdout: odd, stderr: ''},
    ])
    await Promise.all(Array.from({length: 4}, () => head.run(['true'])))
    const node = await toNode('node1.local', [])
    expect((await node.run(['hostname']))[0]!.stdout).toBe('node1.local\n')
    expect([cluster.accepted('gateway'), cluster.accepted('head'), cluster.accepted('node1')]).toEqual([1, 1, 1])
    await node.close()
    await node.closed
    await head.close()
    await head.closed
    await expect.poll(() => cluster.connections('gateway') + cluster.connections('head') + cluster.connections('node1')).toBe(0)
    expect(await rejectionOf(head.run(['true']))).toMatchObject({code: 'connection-lost'})
  })

  test('a long answer arrives whole', async () => {
    const {head} = await make()
    const [long] = await head.run(["yes 'a line of the long answer' | head -c 4000000"])
    expect(long!.stdout.length).toBe(4_000_000)
  })

  test('what is given up, or takes too long, ends alone; what is followed comes line by line', async () => {
    const {head} = await make()
    expect(await rejectionOf(head.run(['sleep 60'], {timeoutMs: 300}))).toMatchObject({code: 'connection-lost'})
    const abort = new AbortController()
    const lines: string[] = []
    const followed = head.follow('echo one; echo two; sleep 60', (line) => lines.push(line), abort.signal)
    await expect.poll(() => lines).toEqual(['one', 'two'])
    abort.abort(new JnodeError('interrupted', 'Interrupted'))
    expect(await rejectionOf(followed)).toMatchObject({code: 'interrupted'})
    expect((await head.run(['echo still here']))[0]!.stdout).toBe('still here\n')
  })

  test('a stream goes to a port and to a socket; one to where nobody listens is refused, and the link stands', async () => {
    const {cluster, head} = await make()
    const path = join(cluster.laptop.home, 'echo')
    for (const at of [0, path]) {
      const server = createServer((socket) => socket.pipe(socket)).listen(at)
      onTestFinished(() => void server.close())
      await once(server, 'listening')
      const stream = await head.open(at === 0 ? {kind: 'tcp', host: '127.0.0.1', port: (server.address() as AddressInfo).port} : {kind: 'socket', path})
      // Much at once, and its end: both come back.
      stream.end(Buffer.alloc(1_000_000, 'x'))
      expect((await text(stream)).length).toBe(1_000_000)
    }
    expect(await rejectionOf(head.open({kind: 'tcp', host: '127.0.0.1', port: 1}))).toMatchObject({code: 'no-route'})
    expect(await rejectionOf(head.open({kind: 'socket', path: '/nonexistent/s'}))).toMatchObject({code: 'no-route'})
    expect((await head.run(['echo still here']))[0]!.stdout).toBe('still here\n')
  })

  test('a link that is cut ends what is under way, and says so', async () => {
    const {cluster, head} = await make()
    const running = rejectionOf(head.run(['sleep 60']))
    await head.run(['true'])
    cluster.cut('gateway')
    expect(await running).toMatchObject({code: 'connection-lost'})
    expect(await head.closed).not.toBe('')
  })

  test('a node with another key than the one its job told is refused', async () => {
    const {cluster, toNode} = await make()
    const other = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDxdqNxRy/8B79G5snYdP9lJIbkX67t3qqo7pq0NmLQb'
    expect(await rejectionOf(toNode('node1.local', [other]))).toMatchObject({code: 'host-key'})
    expect(cluster.accepted('node1')).toBe(0)
  })
}
