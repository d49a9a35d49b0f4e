/** A stream of this process as an ssh program's ProxyCommand: over a private socket that only this user can reach. */
import {once} from 'node:events'
import {rm} from 'node:fs/promises'
import {createServer} from 'node:net'
import {join} from 'node:path'
import type {Duplex} from 'node:stream'
import {privateDirectory} from './ssh/private-directory.ts'
import {join as forward} from './tunnel/forward.ts'

/** Carries its stdin and stdout to and from a socket: what stands between ssh and this process. */
const CARRY = "const s=require('net').connect(process.argv[1]);process.stdin.pipe(s).pipe(process.stdout)"

export interface Carrier {
  /** Goes with the carrier. */
  directory: string
  /** The program and its arguments whose stdin and stdout are the stream. */
  proxy: string[]
  close(): Promise<void>
}

/** Opens a stream for each ssh that comes. Not on Windows, where others could open the pipe. */
export async function carrier(open: () => Promise<Duplex>): Promise<Carrier> {
  const directory = await privateDirectory()
  const path = join(directory, 's')
  const server = createServer((socket) => {
    open().then((stream) => forward(socket, stream), () => socket.destroy())
  })
  server.listen(path)
  await once(server, 'listening')
  return {
    directory,
    proxy: [process.execPath, '-e', CARRY, path],
    async close() {
      server.close()
      await rm(directory, {recursive: true, force: true})
    },
  }
}
