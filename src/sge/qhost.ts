/** `qhost -F`: the hosts, and of which resources each has a stock. */
import {isHostName} from '../rules.ts'

export interface Host {
  name: string
  /** It reports to Grid Engine. */
  up: boolean
  cores: number
  /** As Grid Engine prints it, `23.5G`. */
  memory: string
  /** What is left of each resource of which there is a stock, as Grid Engine prints it. */
  stock: Map<string, string>
}

/** Null when this is no answer of qhost. Old engines have fewer columns. The first host is `global`: what it has is for all. */
export function parseHosts(text: string): Host[] | null {
  const all = text.split('\n')
  // A warning of the dynamic linker or an empty line may come before.
  const header = all.findIndex((line) => /^HOSTNAME\s/.test(line))
  if (header < 0) return null
  const columns = all[header]!.trim().split(/\s+/)
  const hosts: Host[] = []
  for (const line of all.slice(header + 1)) {
    const [, name, value] = /\b[hg][cf]:([^\s=:]+)=(.*)$/s.exec(line) ?? []
    if (name !== undefined) hosts.at(-1)?.stock.set(name, value!.trim())
    else if (/^\w/.test(line) && isHostName(line.split(/\s/, 1)[0]!)) hosts.push(host(line.trim().split(/\s+/), columns))
  }
  return hosts
}

function host(fields: readonly string[], columns: readonly string[]): Host {
  const field = (column: string) => fields[columns.indexOf(column)] ?? '-'
  return {name: fields[0]!, up: field('LOAD') !== '-', cores: Number(field('NCPU')) || 0, memory: field('MEMTOT'), stock: new Map()}
}
