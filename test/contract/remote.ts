/** What is relied on of every way to run things on a host, whatever it is made of. */
import {text} from 'node:stream/consumers'
import {expect, onTestFinished, test} from 'vitest'
import {JnodeError} from '../../src/errors.ts'
import type {Endpoint, Remote} from '../../src/ssh/remote.ts'
import {rejectionOf} from '../unit/expect-error.ts'

const HOPS = ['gateway', 'head', 'node1'] as const
type HopName = (typeof HOPS)[number]

/** A gateway, a head node behind it and a node behind that, and what can be seen and done there. */
export interface Site {
  /** Logins so far. */
  accepted(hop: HopName): Promise<number>
  /** Logins that stand. */
  connections(hop: HopName): Promise<number>
  /** Ends every connection into a hop. */
  cut(hop: HopName): Promise<void>
  /** A port and a socket of the head node that send back what they are sent. */
  echoes(): Promise<Endpoint[]>
}

export interface Way {
  head: Remote
  toNode(name: string, hostKeys: string[]): Promise<Remote>
}

/** `open` logs in through the gateway to the head node. What `makeSite` makes for a test it takes away again. */
export function remoteContract<S extends Site>(makeSite: () => Promise<S>, open: (site: S) => Promise<Way>): void {
  async function make() {
    const site = await makeSite()
    const before = await Promise.all(HOPS.map((hop) => site.accepted(hop)))
    const way = await open(site)
    onTestFinished(() => way.head.close())
    const logins = async () => Object.fromEntries(await Promise.all(HOPS.map(async (hop, i) => [hop, (await site.accepted(hop)) - before[i]!] as const)))
    return {site, ...way, logins}
  }

  test('one login per hop, whatever is run; closing leaves no connection', async () => {
    const {site, head, toNode, logins} = await make()
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
    expect(await logins()).toEqual({gateway: 1, head: 1, node1: 1})
    await node.close()
    await node.closed
    await head.close()
    await head.closed
    await expect.poll(() => Promise.all(HOPS.map((hop) => site.connections(hop))), {timeout: 10_000}).toEqual([0, 0, 0])
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

  test('a stream to where nobody listens is refused, and the link stands; one goes to a port and to a socket', async () => {
    const {site, head} = await make()
    expect(await rejectionOf(head.open({kind: 'tcp', host: '127.0.0.1', port: 1}))).toMatchObject({code: 'no-route'})
    expect(await rejectionOf(head.open({kind: 'socket', path: '/nonexistent/s'}))).toMatchObject({code: 'no-route'})
    for (const endpoint of await site.echoes()) {
      const stream = await head.open(endpoint)
      // Much at once, and its end: both come back.
      stream.end(Buffer.alloc(1_000_000, 'x'))
      expect((await text(stream)).length).toBe(1_000_000)
    }
    expect((await head.run(['echo still here']))[0]!.stdout).toBe('still here\n')
  })

  test('a link that is cut ends what is under way, and says so', async () => {
    const {site, head} = await make()
    const running = rejectionOf(head.run(['sleep 60']))
    await head.run(['true'])
    await site.cut('gateway')
    expect(await running).toMatchObject({code: 'connection-lost'})
    expect(await head.closed).not.toBe('')
  })

  test('a node with another key than the one its job told is refused', async () => {
    const {toNode, logins} = await make()
    const other = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDxdqNxRy/8B79G5snYdP9lJIbkX67t3qqo7pq0NmLQb'
    expect(await rejectionOf(toNode('node1.local', [other]))).toMatchObject({code: 'host-key'})
    expect(await logins()).toMatchObject({node1: 0})
  })
}
