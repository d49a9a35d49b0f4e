/** A directory of one process for sockets that only its user can reach. */
import {mkdtemp} from 'node:fs/promises'
import {tmpdir} from 'node:os'
import {join} from 'node:path'

/** Kernels take about 104 bytes of socket path: our names and what ssh adds to them are 32. */
const MAX_ROOM = 70

/** A new one, 0700, which the caller removes; in /tmp where the system's own directory for temporary files lies too deep. */
export function privateDirectory(): Promise<string> {
  return mkdtemp(join(Buffer.byteLength(tmpdir()) <= MAX_ROOM ? tmpdir() : '/tmp', 'jnode-'))
}
