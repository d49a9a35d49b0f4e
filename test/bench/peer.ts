/**
 * The far end, run on a node: on a TCP port of the loopback and on a Unix socket, for as long as stdin is open.
 * A connection says in its first 9 bytes what it wants: `e` echo; `d` + N: send N bytes; `u` + N: take N bytes, then answer one;
 * `h`: hold, and read nothing more.
 */
import {createServer, type Socket} from 'node:net'

const CHUNK = Buffer.alloc(256 * 1024, 'x')

function serve(socket: Socket): void {
  socket.on('error', () => {})
  socket.once('data', (first) => {
    const length = Number(first.readBigUInt64BE(1))
    // What came right behind the wish belongs to the work.
    if (first.length > 9) socket.unshift(first.subarray(9))
    switch (String.fromCharCode(first[0]!)) {
      case 'e':
        return void socket.on('data', (data) => socket.write(data))
      case 'd':
        return send(socket, length)
      case 'u':
        return take(socket, length)
      case 'h':
        return void socket.pause()
    }
  })
}

function send(socket: Socket, length: number): void {
  let left = length
  const more = () => {
    while (left > 0) {
      const chunk = left >= CHUNK.length ? CHUNK : CHUNK.subarray(0, left)
      left -= chunk.length
      if (!socket.write(chunk)) return
    }
    socket.off('drain', more)
  }
  socket.on('drain', more)
  more()
}

function take(socket: Socket, length: number): void {
  let left = length
  socket.on('data', (data) => {
    left -= data.length
    if (left === 0) socket.write('.')
  })
}

const path = process.argv[2]!
const options = {noDelay: true}
createServer(options, serve).listen(path, () => {
  const tcp = createServer(options, serve).listen(0, '127.0.0.1', () => {
    console.log(JSON.stringify({path, port: (tcp.address() as {port: number}).port}))
  })
})
process.stdin.on('end', () => process.exit()).resume()
