/** What a keeper needs while nothing happens, and that a slow reader does not make it swell. */
import type {Lab} from '../cluster/lab.ts'
import {reportAlone} from './figures.ts'
import {installCopy} from './start.ts'
import {measure, withWays} from './tunnel.ts'

async function residentMiB(lab: Lab, pid: number): Promise<number> {
  const {stdout} = await lab.exec('laptop', 'alice', ['cat', `/proc/${pid}/status`])
  const [, kib] = /^VmRSS:\s+(\d+) kB$/m.exec(stdout) ?? []
  if (kib === undefined) throw new Error(`process ${pid} is gone`)
  return Number(kib) / 1024
}

async function idleKeeper(lab: Lab): Promise<boolean> {
  const remove = await installCopy(lab)
  try {
    const jnode = '~/jnode-bench/bin/run.js'
    const {exitCode, stderr} = await lab.exec('laptop', 'alice', `${jnode} start bench --host head --detach --quiet --no-browser`)
    if (exitCode !== 0) throw new Error(stderr)
    await new Promise((wake) => setTimeout(wake, 20_000))
    const keeper = (await lab.processes('laptop', 'alice')).find(({args}) => args.includes('keeper.js'))
    if (!keeper) throw new Error('there is no keeper')
    const resident = await residentMiB(lab, keeper.pid)
    await lab.exec('laptop', 'alice', `${jnode} stop bench --quiet`)
    return reportAlone('idle keeper, resident', resident, {unit: 'MiB'})
  } finally {
    await remove()
  }
}

/** The most that the tunnel's process grew while a fast end had `seconds` to send and the other one read nothing. */
async function growth(lab: Lab, work: 'stall-down' | 'stall-up', {tcp, pid}: {tcp: number; pid: number}): Promise<number> {
  const seconds = 15
  const before = await residentMiB(lab, pid)
  let most = before
  const timer = setInterval(() => void residentMiB(lab, pid).then((now) => (most = Math.max(most, now))), 1000)
  await measure(lab, work, seconds, {ours: tcp}).finally(() => clearInterval(timer))
  return most - before
}

export async function memory(lab: Lab): Promise<boolean> {
  console.log('Memory')
  const idle = await idleKeeper(lab)
  return withWays(lab, async ({ours}) => {
    await measure(lab, 'ping', 2, {ours: ours.tcp}) // what is loaded at the first connection is not counted
    const down = reportAlone('growth: 512 MiB wanted, nothing read', await growth(lab, 'stall-down', ours), {unit: 'MiB', goal: 32})
    const up = reportAlone('growth: sent to one who reads nothing', await growth(lab, 'stall-up', ours), {unit: 'MiB', goal: 32})
    return idle && down && up
  })
}
