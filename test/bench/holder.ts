/** jnode's own tunnels, held on the laptop for as long as stdin is open: to the peer's TCP port and to its Unix socket. */
import {emptySecrets} from '../../src/ssh/auth.ts'
import {sshDoor} from '../../src/ssh/door.ts'
import {noPrompter} from '../../src/ssh/prompt.ts'
import {openTunnel} from '../../src/tunnel/tunnel.ts'
import {parseTarget} from '../../src/target.ts'

/** Where the client of the bench looks for all it compares. */
const HERE = {label: 'bench', address: '127.0.0.1'}
const [port = '', path = '', nodesFile = ''] = process.argv.slice(2)
const door = sshDoor({env: process.env, prompter: noPrompter, secrets: emptySecrets(), tell: () => {}, machines: new Map(), knownHosts: null, nodesFile: nodesFile})
const head = await door.open([parseTarget('head')])
const node = await door.nodeThrough(head, {name: 'node1', hostKeys: []})
const tcp = await openTunnel({origin: HERE, port: 0, orNext: false})
tcp.route(() => node.open({kind: 'tcp', host: '127.0.0.1', port: Number(port)}))
const socket = await openTunnel({origin: HERE, port: 0, orNext: false})
socket.route(() => node.open({kind: 'socket', path}))
console.log(JSON.stringify({tcp: tcp.port, socket: socket.port, pid: process.pid}))
process.stdin
  .on('end', () => {
    void Promise.all([tcp.close(), socket.close()])
      .then(() => node.close())
      .then(() => head.close())
  })
  .resume()
