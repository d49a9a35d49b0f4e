/** The site that the mock Grid Engine runs: the same as that of the real cluster in test/cluster. */

export const QUEUE = 'all.q'

const GIB = 1024 ** 3

export const SITE_NODES = [
  {host: 'node1.local', slots: 4, consumables: {mem_free: 8 * GIB, gpu: 0}},
  {host: 'node2.local', slots: 4, consumables: {mem_free: 8 * GIB, gpu: 2}},
]

/** Names and allocation rules. */
export const PARALLEL_ENVIRONMENTS: Record<string, string> = {make: '$round_robin', mpi: '$fill_up', smp: '$pe_slots'}

/** `qconf -sc` without its comment lines. */
export const COMPLEXES = `arch                a          STRING    ==    YES         NO         NONE     0
calendar            c          STRING    ==    YES         NO         NONE     0
cpu                 cpu        DOUBLE    >=    YES         NO         0        0
display_win_gui     dwg        BOOL      ==    YES         NO         0        0
gpu                 gpu        INT       <=    YES         YES        0        0
h_core              h_core     MEMORY    <=    YES         NO         0        0
h_cpu               h_cpu      TIME      <=    YES         NO         0:0:0    0
h_data              h_data     MEMORY    <=    YES         NO         0        0
h_fsize             h_fsize    MEMORY    <=    YES         NO         0        0
h_rss               h_rss      MEMORY    <=    YES         NO         0        0
h_rt                h_rt       TIME      <=    YES         NO         0:0:0    0
h_stack             h_stack    MEMORY    <=    YES         NO         0        0
h_vmem              h_vmem     MEMORY    <=    YES         NO         0        0
hostname            h          HOST      ==    YES         NO         NONE     0
load_avg            la         DOUBLE    >=    NO          NO         0        0
mem_free            mf         MEMORY    <=    YES         YES        0        0
mem_total           mt         MEMORY    <=    YES         NO         0        0
mem_used            mu         MEMORY    >=    YES         NO         0        0
num_proc            p          INT       ==    YES         NO         0        0
qname               q          STRING    ==    YES         NO         NONE     0
rerun               re         BOOL      ==    NO          NO         0        0
s_rt                s_rt       TIME      <=    YES         NO         0:0:0    0
s_vmem              s_vmem     MEMORY    <=    YES         NO         0        0
seq_no              seq        INT       ==    NO          NO         0        0
slots               s          INT       <=    YES         YES        1        1000
tmpdir              tmp        STRING    ==    NO          NO         NONE     0
virtual_free        vf         MEMORY    <=    YES         NO         0        0
`

const FACTORS: Record<string, number> = {k: 1000, K: 1024, m: 1e6, M: 1024 ** 2, g: 1e9, G: GIB, t: 1e12, T: 1024 ** 4}

/** A number of Grid Engine's: bytes with a suffix, seconds as HH:MM:SS, or a plain number; 0 for nothing. */
export function sizeOf(text: string | undefined): number {
  if (text === undefined) return 0
  if (text.includes(':')) return text.split(':').reduce((sum, part) => sum * 60 + Number(part || 0), 0)
  const match = /^([\d.]+)([kKmMgGtT]?)$/.exec(text)
  return match ? Number(match[1]) * (FACTORS[match[2]!] ?? 1) : 0
}

/** A resource's full name, by its name or shortcut; undefined when the site has none such. */
export function resourceName(asked: string): string | undefined {
  const rows = COMPLEXES.trim().split('\n').map((line) => line.split(/\s+/))
  return rows.find(([name, shortcut]) => name === asked || shortcut === asked)?.[0]
}
