/** One process at a time builds or removes a lab. */
import {once} from 'node:events'
import {createServer} from 'node:net'
import {setTimeout as sleep} from 'node:timers/promises'

/**
 * Runs the work alone among all processes of this machine that name the same lock. The lock is an abstract socket:
 * the kernel gives it to one, and takes it back when that one dies, so no stale lock is ever left.
 */
export async function alone<T>(lock: string, work: () => Promise<T>): Promise<T> {
  for (;;) {
    const server = createServer()
    server.listen(`\0${lock}`)
    try {
      await once(server, 'listening')
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error
      await sleep(100)
      continue
    }
    try {
      return await work()
    } finally {
      server.close()
    }
  }
}
