/**
 * Every process the fake cluster starts: in a group of its own, on record, and ended with all that came of it
 * when the cluster closes or the test process dies.
 */
import {type ChildProcess, execFile, spawn, type SpawnOptions} from 'node:child_process'
import {mkdirSync, rmSync, writeFileSync} from 'node:fs'
import {join} from 'node:path'

export interface Processes {
  start(file: string, args: readonly string[], options: SpawnOptions): ChildProcess
  /** Kills a group and everything descended from it, also what moved to a group of its own (Jupyter's kernels do). */
  killAll(group: number): Promise<void>
  /** Kills everything and removes the cluster's directory. */
  close(): Promise<void>
}

/**
 * Arguments are process groups. `ps` may be missing (slim containers): then the groups alone are killed.
 */
const KILL = `
groups="$*"
more=$(ps -A -o pid= -o ppid= -o pgid= 2>/dev/null | awk -v groups="$groups" '
  BEGIN { n = split(groups, g, " "); for (i = 1; i <= n; i++) wanted[g[i]] = 1 }
  { parent[$1] = $2; group[$1] = $3 }
  END {
    do {
      changed = 0
      for (pid in parent) if (!(group[pid] in wanted) && parent[pid] in group && group[parent[pid]] in wanted) {
        wanted[group[pid]] = 1
        changed = 1
      }
    } while (changed)
    for (id in wanted) print id
  }')
for id in $groups $more; do kill -KILL "-$id" 2>/dev/null; done
`

/** stdin ends when the test process closes it or dies, however it dies. */
const WATCH = `
root=$1
cat >/dev/null
cd "$root/pids" || exit 1
set -- *
if [ "$1" != '*' ]; then
${KILL}
fi
cd /
rm -rf "$root" || { sleep 1; rm -rf "$root"; }
`

export function keepProcesses(root: string): Processes {
  const record = join(root, 'pids')
  mkdirSync(record)
  const watchdog = spawn('/bin/sh', ['-c', WATCH, 'sh', root], {stdio: ['pipe', 'ignore', 'ignore'], detached: true})
  const watchdogEnded = new Promise<void>((resolve) => watchdog.once('exit', () => resolve()))
  watchdog.stdin!.on('error', () => {})
  watchdog.unref()
  const leaderless = new Set<number>()
  /** Forgets groups with nobody left: their number may come to belong to somebody else. */
  const forgetEmpty = () => {
    for (const group of leaderless) {
      if (groupLives(group)) continue
      leaderless.delete(group)
      rmSync(join(record, String(group)), {force: true})
    }
  }
  return {
    start(file, args, options) {
      forgetEmpty()
      const child = spawn(file, args, {...options, detached: true})
      child.on('error', () => {}) // the caller may add its own; without any, a missing shell would end the test run
      if (child.pid === undefined) return child
      const group = child.pid
      writeFileSync(join(record, String(group)), '')
      child.once('exit', () => {
        leaderless.add(group)
        forgetEmpty()
      })
      return child
    },
    killAll: (group) =>
      new Promise((resolve) => execFile('/bin/sh', ['-c', KILL, 'sh', String(group)], () => resolve())),
    async close() {
      watchdog.ref()
      watchdog.stdin!.end()
      await watchdogEnded
    },
  }
}

function groupLives(group: number): boolean {
  try {
    process.kill(-group, 0)
    return true
  } catch {
    return false
  }
}
