/** Where a lab keeps its files: one directory per lab, the only trace it has outside of its namespaces. */
import {join} from 'node:path'
import type {HostName} from './topology.ts'

/** Not os.tmpdir(): every process must find the same lab, whatever its TMPDIR says. */
const BASE = '/tmp'

/** The lab that tests and the CLI use unless told otherwise. */
export const DEFAULT_LAB = process.env.JNODE_LAB ?? 't'

export interface LabPaths {
  root: string
  /** Facts about a finished `up`; written last, so its presence says that the lab is complete. */
  facts: string
  /** Files bound over those of /etc on every host. */
  etc: string
  /** The Grid Engine cell shared by head and nodes. */
  cell: string
  /** /home of a host; head and nodes share one. */
  home: (host: HostName, inCluster: boolean) => string
  /** The host's own run, tmp, log, ssh, spool, ... */
  host: (host: HostName) => string
}

export function labPaths(name: string): LabPaths {
  if (!/^[a-z0-9]{1,12}$/.test(name)) throw new Error(`a lab's name is up to 12 small letters and digits, not "${name}"`)
  const root = join(BASE, `jnode-lab-${name}`)
  return {
    root,
    facts: join(root, 'lab.json'),
    etc: join(root, 'etc'),
    cell: join(root, 'cell'),
    home: (host, inCluster) => join(root, 'home', inCluster ? 'cluster' : host),
    host: (host) => join(root, 'hosts', host),
  }
}

/** The network namespace of a host, as `ip netns list` shows it. */
export function netns(name: string, host: HostName): string {
  return `jnode-${name}-${host}`
}
