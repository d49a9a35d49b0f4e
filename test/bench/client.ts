/** Measures tunnels from the laptop, one after the other in turn, and prints the samples: `client.ts WORK ROUNDS NAME=PORT...`. */
import {once} from 'node:events'
import {connect, type Socket} from 'node:net'

const [work = '', rounds = '', ...names] = process.argv.slice(2)
const ports = new Map(names.map((name) => name.split('=') as [string, string]))
const BULK = 512 * 1024 * 1024
const CHUNK = Buffer.alloc(256 * 1024, 'x')

async function dial(name: string, letter: 'e' | 'd' | 'u' | 'h', length = 0): Promise<Socket> {
  const socket = connect({host: '127.0.0.1', port: Number(ports.get(name)), noDelay: true})
  await once(socket, 'connect')
  const wish = Buffer.alloc(9, letter)
  wish.writeBigUInt64BE(BigInt(length), 1)
  socket.write(wish)
  return socket
}

/** Resolves once so many bytes have come. */
function bytes(socket: Socket, count: number): Promise<void> {
  return new Promise((resolve, reject) => {
    let left = count
    const take = (data: Buffer) => {
      left -= data.length
      if (left > 0) return
      socket.off('data', take).off('close', lost)
      resolve()
    }
    const lost = () => reject(new Error('the tunnel closed the connection'))
    socket.on('data', take).once('close', lost)
  })
}

/** Microseconds of one round trip. `pieces`: sizes of the writes it consists of. */
async function roundTrip(socket: Socket, pieces: readonly number[]): Promise<number> {
  const from = performance.now()
  const back = bytes(socket, pieces.reduce((sum, size) => sum + size, 0))
  for (const size of pieces) socket.write(CHUNK.subarray(0, size))
  await back
  return (performance.now() - from) * 1000
}

async function small(pieces: readonly number[]): Promise<Record<string, number[]>> {
  const open = new Map<string, Socket>()
  for (const name of ports.keys()) open.set(name, await dial(name, 'e'))
  const samples = Object.fromEntries([...ports.keys()].map((name) => [name, [] as number[]]))
  for (let round = 0; round <= Number(rounds); round++) {
    for (const [name, socket] of open) {
      for (let i = 0; i < 50; i++) {
        const took = await roundTrip(socket, pieces)
        if (round > 0) samples[name]!.push(took) // the first round warms up
        // Pauses of a person's and a browser's kind; back to back, acknowledgements ride along and hide a delay.
        if (i % 5 === 0) await new Promise((wake) => setTimeout(wake, 5))
      }
    }
  }
  for (const socket of open.values()) socket.destroy()
  return samples
}

/** Seconds. */
async function bulk(name: string, letter: 'd' | 'u'): Promise<number> {
  const socket = await dial(name, letter, BULK)
  const from = performance.now()
  const done = bytes(socket, letter === 'd' ? BULK : 1)
  for (let sent = 0; letter === 'u' && sent < BULK; sent += CHUNK.length) {
    if (!socket.write(CHUNK)) await once(socket, 'drain')
  }
  await done
  const took = (performance.now() - from) / 1000
  socket.destroy()
  return took
}

async function bulks(letter: 'd' | 'u'): Promise<Record<string, number[]>> {
  const samples = Object.fromEntries([...ports.keys()].map((name) => [name, [] as number[]]))
  for (let round = 0; round < Number(rounds); round++) {
    for (const name of ports.keys()) samples[name]!.push(await bulk(name, letter))
  }
  return samples
}

/** Asks for all and reads nothing, or sends to one who reads nothing, for so many seconds. Bytes that left all the same. */
async function stalled(letter: 'd' | 'h'): Promise<Record<string, number[]>> {
  const [name = ''] = ports.keys()
  const socket = await dial(name, letter, BULK)
  socket.pause()
  const stop = new Promise((wake) => setTimeout(wake, Number(rounds) * 1000))
  let running = true
  void stop.then(() => (running = false))
  while (letter === 'h' && running) {
    if (!socket.write(CHUNK)) await Promise.race([once(socket, 'drain'), stop])
  }
  await stop
  const left = letter === 'h' ? socket.bytesWritten - socket.writableLength : socket.bytesRead
  socket.destroy()
  return {[name]: [left]}
}

const works: Record<string, () => Promise<Record<string, number[]>>> = {
  ping: () => small([1]),
  burst: () => small([200, 1000]),
  down: () => bulks('d'),
  up: () => bulks('u'),
  'stall-down': () => stalled('d'),
  'stall-up': () => stalled('h'),
}
console.log(JSON.stringify(await works[work]!()))
