/**
 * `npm run bench [-- small bulk start memory]`: how fast jnode is on the test cluster, as ratios against a peer that
 * does the same in the same run, in turn, so that a busy machine is busy for both. Exit 1 when a goal is missed.
 */
import {downLab, factsOf, upLab, type Lab} from '../cluster/lab.ts'
import {obstacle} from '../cluster/packages.ts'
import {memory} from './memory.ts'
import {starts} from './start.ts'
import {smallMessages, throughput} from './tunnel.ts'

const LAB = process.env.JNODE_LAB ?? 'bench'

const parts: Record<string, (lab: Lab) => Promise<boolean>> = {
  small: smallMessages,
  bulk: throughput,
  start: starts,
  memory,
}

async function main(): Promise<number> {
  const asked = process.argv.slice(2)
  const unknown = asked.find((name) => !(name in parts))
  if (unknown !== undefined) {
    console.error(`There is no part ${unknown}, only ${Object.keys(parts).join(', ')}`)
    return 2
  }
  const reason = obstacle()
  if (reason !== undefined) {
    console.log(reason)
    return 0
  }
  const stood = (await factsOf(LAB)) !== undefined
  const lab = await upLab(LAB)
  try {
    let met = true
    for (const [name, part] of Object.entries(parts)) {
      if (asked.length === 0 || asked.includes(name)) met = (await part(lab)) && met
    }
    return met ? 0 : 1
  } finally {
    if (!stood) await downLab(LAB)
  }
}

process.exitCode = await main().catch((error: unknown) => {
  console.error(error instanceof Error ? error.message : error)
  return 1
})
