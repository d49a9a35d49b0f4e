/** The site that the mock Grid Engine runs: that of the real cluster in test/cluster, whose answers it repeats. */
import {existsSync, readFileSync} from 'node:fs'
import {fileURLToPath} from 'node:url'

export const QUEUE = 'all.q'

const GIB = 1024 ** 3

export interface NodeResources {
  host: string
  slots: number
  /** Resources of which there is a stock, per host. */
  stock: Record<string, number>
}

export const SITE_NODES: readonly NodeResources[] = [
  {host: 'node1.local', slots: 4, stock: {mem_free: 8 * GIB, gpu: 0}},
  {host: 'node2.local', slots: 4, stock: {mem_free: 8 * GIB, gpu: 2}},
]

/** What the real cluster answered; undefined when nothing of that name was captured. */
export function captured(file: string): string | undefined {
  const path = fileURLToPath(new URL(`../../fixtures/sge/${file}`, import.meta.url))
  return existsSync(path) ? readFileSync(path, 'utf8') : undefined
}

/** `$pe_slots`, `$fill_up`, …; undefined when there is no such parallel environment. */
export function allocationRule(pe: string): string | undefined {
  if (!captured('qconf-spl.txt')!.split('\n').includes(pe)) return undefined
  return /^allocation_rule +(\S+)/m.exec(captured(`qconf-sp-${pe}.txt`)!)![1]
}

export interface Resource {
  name: string
  /** MEMORY, TIME, INT, … */
  type: string
}

/** A resource by its name or shortcut; undefined when the site has none such. */
export function resource(asked: string): Resource | undefined {
  for (const line of captured('qconf-sc.txt')!.split('\n')) {
    const [name, shortcut, type] = line.split(/\s+/)
    if (name === asked || shortcut === asked) return {name: name!, type: type!}
  }
  return undefined
}

const FACTORS: Record<string, number> = {'': 1, k: 1000, K: 1024, m: 1e6, M: 1024 ** 2, g: 1e9, G: GIB, t: 1e12, T: 1024 ** 4}

/** Grid Engine's numbers: bytes with a suffix, seconds as HH:MM:SS, plain; NaN for anything else. */
export function sizeOf(text: string): number {
  if (/^\d*:\d*:\d*$/.test(text)) return text.split(':').reduce((sum, part) => sum * 60 + Number(part), 0)
  const match = /^([\d.]+)([kKmMgGtT]?)$/.exec(text)
  return match ? Number(match[1]) * FACTORS[match[2]!]! : NaN
}

/** As the scheduler prints what there is of a resource. */
export function stockText(name: string, amount: number): string {
  return `hc:${name}=${resource(name)?.type === 'MEMORY' ? `${(amount / GIB).toFixed(3)}G` : amount.toFixed(6)}`
}
