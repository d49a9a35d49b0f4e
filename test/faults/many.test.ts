/** Twenty sessions on one cluster: what they cost. */
import {afterEach, expect, onTestFinished, test} from 'vitest'
import {answers, countLogins, jnodeIn, nothingLeft, OPEN, sweep} from '../cluster/jnode.ts'
import {useLab} from '../cluster/use-lab.ts'

const lab = await useLab()
const jnode = jnodeIn(lab)
const SESSIONS = 20

afterEach(async ({task}) => {
  if (task.result?.state === 'fail') await sweep(lab)
})

const onHead = (line: string) => lab.exec('head', 'alice', line)

/** Writes a line for each qstat that alice runs on the head. */
async function countPolls(): Promise<() => Promise<number>> {
  const qstat = (await onHead('command -v qstat')).stdout.trim()
  await onHead(`mkdir -p ~/counted && printf '%s\\n' '#!/bin/sh' 'echo poll >>~/counted/polls' 'exec ${qstat} "$@"' >~/counted/qstat && chmod 700 ~/counted/qstat && cp ~/.bashrc ~/counted/bashrc && sed -i '1i PATH=~/counted:$PATH' ~/.bashrc`)
  onTestFinished(async () => void (await onHead('[ ! -d ~/counted ] || { cp ~/counted/bashrc ~/.bashrc; rm -r ~/counted; }')))
  return async () => Number((await onHead('cat ~/counted/polls | wc -l')).stdout)
}

test('one login per hop, one list of jobs for all, and at most about 60 MB for each keeper', async () => {
  await lab.qconf(['-rattr', 'queue', 'slots', String(SESSIONS), 'all.q'])
  onTestFinished(async () => void (await lab.qconf(['-rattr', 'queue', 'slots', '4', 'all.q'])))
  const polls = await countPolls()
  const logins = await countLogins(lab)
  const urls: string[] = []
  const start = async (i: number) => urls.push((await jnode.ok(`start many${i} --host head --node node${1 + (i % 2)}`)).url!)
  for (let i = 0; i < SESSIONS; i += 4) await Promise.all([start(i), start(i + 1), start(i + 2), start(i + 3)])
  expect(await logins()).toEqual({gateway: 1, head: 1, node1: 1, node2: 1})
  // By now each only waits for its end.
  await new Promise((resolve) => setTimeout(resolve, 45_000))
  const before = await polls()
  await new Promise((resolve) => setTimeout(resolve, 60_000))
  const perMinute = (await polls()) - before
  const keepers = (await lab.processes('laptop', 'alice')).filter(({args}) => args.includes('keeper.js'))
  expect(keepers).toHaveLength(SESSIONS)
  const {stdout} = await lab.exec('laptop', 'alice', `cat ${keepers.map(({pid}) => `/proc/${pid}/status`).join(' ')} | sed -n 's/^VmRSS:[^0-9]*//p'`)
  const megabytes = stdout.trim().split('\n').map((line) => Number.parseInt(line, 10) / 1024).sort((a, b) => a - b)
  const own = (await lab.exec('laptop', 'alice', `cat ${keepers.map(({pid}) => `/proc/${pid}/status`).join(' ')} | sed -n 's/^RssAnon:[^0-9]*//p'`)).stdout.trim().split('\n').map((line) => Number.parseInt(line, 10) / 1024).sort((a, b) => a - b)
  console.log(`MiB that a keeper shares with nobody: median ${own[SESSIONS / 2]!.toFixed(0)}, most ${own.at(-1)!.toFixed(0)}`)
  console.log(`qstat per minute for ${SESSIONS} sessions: ${perMinute}; resident MiB of a keeper: median ${megabytes[SESSIONS / 2]!.toFixed(0)}, most ${megabytes.at(-1)!.toFixed(0)} (it lends its connection to the others)`)
  expect(perMinute).toBeLessThanOrEqual(3)
  expect(megabytes[SESSIONS / 2]).toBeLessThan(70)
  for (const url of urls) expect(await answers(lab, url)).toEqual(OPEN)
  await jnode.ok('stop --all')
  await nothingLeft(lab)
})
