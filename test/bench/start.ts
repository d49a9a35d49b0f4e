/** `jnode start` on the laptop against the same work done by hand with a shell script on the head node. */
import type {ChildProcess} from 'node:child_process'
import {once} from 'node:events'
import {chown, cp, mkdir, rm, symlink} from 'node:fs/promises'
import {join} from 'node:path'
import {fileURLToPath} from 'node:url'
import {labPaths} from '../cluster/paths.ts'
import type {Lab} from '../cluster/lab.ts'
import {until} from '../cluster/run.ts'
import {account} from '../cluster/users.ts'
import {median, quantile, report, reportAlone} from './figures.ts'

const ROUNDS = Number(process.env.JNODE_BENCH_ROUNDS ?? 10)
const JNODE = '~/jnode-bench/bin/run.js'

/** A copy of what was built, so that a build meanwhile changes nothing under a measurement. */
export async function installCopy(lab: Lab): Promise<() => Promise<void>> {
  const checkout = fileURLToPath(new URL('../..', import.meta.url))
  const copy = join(labPaths(lab.name).home('laptop', false), 'alice', 'jnode-bench')
  await rm(copy, {recursive: true, force: true})
  await mkdir(copy)
  // V8's compile cache is the user's: she must be able to write beside it.
  const {uid} = account('alice')
  await chown(copy, uid, uid)
  for (const part of ['bin', 'dist', 'package.json']) await cp(join(checkout, part), join(copy, part), {recursive: true})
  await symlink('/srv/jnode/node_modules', join(copy, 'node_modules'))
  return () => rm(copy, {recursive: true})
}

/** The job's log is where a person looks for the server; the port is the script's own choice. */
const BY_HAND = `set -e
dir=$(mktemp -d ~/by-hand.XXXXXX)
printf %s by-hand-token >$dir/token
cat >$dir/job <<'END'
export JUPYTER_TOKEN=$(cat $1/token)
exec jupyter-notebook --no-browser --ip=0.0.0.0 --port=$2
END
port=$((20000 + $$ % 10000))
id=$(qsub -terse -S /bin/bash -j y -o $dir/log $dir/job $dir $port)
while :; do
  node=$(qstat -s r | sed -n "s/^ *$id .* r .*all.q@\\([^ ]*\\).*/\\1/p")
  [ -z "$node" ] || break
  sleep 0.1
done
until curl -sf -o /dev/null -H 'Authorization: token by-hand-token' http://$node:$port/api/status; do sleep 0.1; done
echo ready
read -r _ || true
qdel $id >/dev/null
while qstat -j $id >/dev/null 2>&1; do sleep 0.1; done
rm -r $dir`

/** The first line of stdout, and when it came. */
async function firstLine(child: ChildProcess): Promise<{line: string; at: number}> {
  let said = ''
  child.stderr!.on('data', (data: Buffer) => (said += data.toString()))
  const closed = once(child, 'close').then(() => Promise.reject(new Error(`it ended without an answer: ${said}`)))
  closed.catch(() => {})
  const [data] = (await Promise.race([once(child.stdout!, 'data', {signal: AbortSignal.timeout(90_000)}), closed])) as [Buffer]
  return {line: data.toString(), at: Date.now()}
}

/** Seconds; the job is gone when it returns. */
async function byHand(lab: Lab): Promise<number> {
  const from = Date.now()
  const child = lab.spawn('head', 'alice', BY_HAND)
  const {at} = await firstLine(child)
  const closed = once(child, 'close')
  child.stdin!.end()
  await closed
  return (at - from) / 1000
}

interface Started {
  /** From the command to its URL. */
  whole: number
  /** From Jupyter's listening to the URL. */
  fromListening: number
  /** From Jupyter's listening to the line in the job's record. */
  untilRecorded: number
}

async function byJnode(lab: Lab): Promise<Started> {
  const from = Date.now()
  const child = lab.spawn('laptop', 'alice', `exec ${JNODE} start bench --host head --no-browser`)
  const {at} = await firstLine(child)
  const {listening, recorded} = await listeningSince(lab)
  const closed = once(child, 'close')
  child.kill('SIGINT')
  await closed
  const stopped = await lab.exec('laptop', 'alice', `${JNODE} stop bench --quiet`)
  if (stopped.exitCode !== 0) throw new Error(stopped.stderr)
  return {whole: (at - from) / 1000, fromListening: at / 1000 - listening, untilRecorded: recorded - listening}
}

/** Epoch seconds: when the server's socket and its own file were there, and when the job recorded it. All hosts share a clock. */
async function listeningSince(lab: Lab): Promise<{listening: number; recorded: number}> {
  const record = '~/.jnode/sessions/bench/record'
  const {stdout} = await lab.exec('head', 'alice', `stat -c %.6Y ${record}; cat ${record}`)
  const node = /^node (node[12])/m.exec(stdout)?.[1] as 'node1' | 'node2'
  const socket = /^endpoint socket (.*)$/m.exec(stdout)?.[1] ?? ''
  const times = await lab.exec(node, 'alice', `stat -c %.6Y ${socket} ${socket.replace(/sock$/, 'runtime')}/??server-*.json`)
  if (times.exitCode !== 0) throw new Error(times.stderr)
  return {listening: Math.max(...times.stdout.trim().split('\n').map(Number)), recorded: Number.parseFloat(stdout)}
}

export async function starts(lab: Lab): Promise<boolean> {
  const remove = await installCopy(lab)
  try {
    console.log(`start, seconds, median of ${ROUNDS} in turn, against qsub + wait + curl on the head node`)
    await byHand(lab) // warms the file caches for both
    const hand: number[] = []
    const ours: Started[] = []
    for (let round = 0; round < ROUNDS; round++) {
      ours.push(await byJnode(lab))
      hand.push(await byHand(lab))
    }
    const pick = (key: keyof Started) => ours.map((started) => started[key])
    const whole = report({what: 'start, command to URL', ours: median(pick('whole')), peer: median(hand), unit: 's', goal: 0.7, compare: 'difference'})
    const last = reportAlone('from listening to the URL, median', median(pick('fromListening')), {unit: 's', goal: 0.5})
    reportAlone('from listening to the URL, 90th percentile', quantile(pick('fromListening'), 0.9), {unit: 's'})
    reportAlone('of which until the job had recorded it', median(pick('untilRecorded')), {unit: 's'})
    return whole && last
  } finally {
    await until('no job is left', async () => (await lab.jobs('alice')).length === 0).catch(() => {})
    await remove()
  }
}
