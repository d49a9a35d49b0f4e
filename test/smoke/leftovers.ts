/** What a command has left behind, here and on the fake cluster. */
import {execFileSync} from 'node:child_process'
import {existsSync, readdirSync} from 'node:fs'
import {join, sep} from 'node:path'
import type {FakeCluster} from '../fake-cluster/cluster.ts'
import type {Laptop} from '../fake-cluster/laptop.ts'

export interface Leftovers {
  jobs: string[]
  /** Directories of sessions on the cluster. */
  remote: string[]
  /** Sessions and sockets here; the keepers' log, the host keys of nodes and how sessions ended are meant to stay. */
  local: string[]
  /** Of this laptop, the programs that jnode started included. */
  processes: string[]
  connections: number
}

export const NOTHING: Leftovers = {jobs: [], remote: [], local: [], processes: [], connections: 0}

export function leftovers(cluster: FakeCluster, laptop: Laptop): Leftovers {
  const sessions = join(cluster.home, '.jnode', 'sessions')
  return {
    jobs: cluster.grid.jobs().map(({id, state}) => `${id} ${state}`),
    remote: existsSync(sessions) ? readdirSync(sessions) : [],
    local: stateFiles(laptop),
    processes: processesOf(laptop).map(({command}) => command),
    connections: cluster.connections('gateway') + cluster.connections('head'),
  }
}

export function stateFiles({home}: Laptop): string[] {
  const state = join(home, '.local', 'state', 'jnode')
  if (!existsSync(state)) return []
  return readdirSync(state, {withFileTypes: true, recursive: true})
    .filter((entry) => !entry.isDirectory())
    .map((entry) => join(entry.parentPath, entry.name).slice(state.length + 1).split(sep).join('/'))
    .filter((path) => !path.startsWith('keeper.log') && !path.startsWith('known_nodes/') && !path.startsWith('ended/') && !path.startsWith('origins/'))
}

/** By the environment, which `ps` shows of one's own processes: all that came of a command has the laptop's home in it. */
export function processesOf({home}: Laptop): {pid: number; command: string}[] {
  const table = execFileSync('ps', ['axeww', '-o', 'pid=,command='], {encoding: 'utf8', maxBuffer: 64 * 1024 * 1024})
  return table
    .split('\n')
    .filter((line) => `${line} `.includes(` HOME=${home} `))
    .map((line) => ({pid: Number.parseInt(line, 10), command: line.trim().slice(0, 150)}))
}
