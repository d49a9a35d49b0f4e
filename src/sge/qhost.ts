/** `qhost -F`: the hosts, and of which resources each has a stock. */

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
  const [header = '', ...lines] = text.split('\n')
  const columns = header.trim().split(/\s+/)
  if (columns[0] !== 'HOSTNAME') return null
  const hosts: Host[] = []
  for (const line of lines) {
    const [, name, value] = /^.*?\b[hg][cf]:([^=]+)=(.*)$/.exec(line) ?? []
    if (name !== undefined) hosts.at(-1)?.stock.set(name, value!.trim())
    else if (/^\w/.test(line)) hosts.push(host(line.trim().split(/\s+/), columns))
  }
  return hosts
}

function host(fields: readonly string[], columns: readonly string[]): Host {
  const field = (column: string) => fields[columns.indexOf(column)] ?? '-'
  return {name: fields[0]!, up: field('LOAD') !== '-', cores: Number(field('NCPU')) || 0, memory: field('MEMTOT'), stock: new Map()}
}
