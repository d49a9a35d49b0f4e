/** The shape of config.toml: which keys there are and what each must be. What the values mean is read in load.ts. */
import * as z from 'zod'

/** What a wrong value is told: `clusters.hpc.jump in FILE must be …`. */
const mustBe = (what: string) => ({error: (issue: {input?: unknown}) => (issue.input === undefined ? 'is missing' : `must be ${what}`)})

const text = (example: string) => z.string(mustBe(`text in quotes, such as "${example}"`))
const texts = (example: string) => z.array(text(example), mustBe(`a list, such as ["${example}"]`))
const number = (example: number) => z.int(mustBe(`a whole number, such as ${example}`))
const flag = () => z.boolean(mustBe('true or false'))
const table = <S extends z.core.$ZodShape>(shape: S, what: string) => z.strictObject(shape, mustBe(what))
const named = <S extends z.core.SomeType>(value: S, section: string) => z.record(z.string(), value, mustBe(`tables, such as [${section}.NAME]`))

const resource = (example: string) => text(example).regex(/^[A-Za-z0-9_.-]+$/, 'must be the name of one resource')

const memoryShape = table(
  {resource: resource('h_vmem'), per: z.enum(['slot', 'job'], mustBe('"slot" or "job"'))},
  'a table, such as {resource = "h_vmem", per = "slot"}',
)

const clusterShape = table(
  {
    // Required too, but perhaps in another file: see load.ts.
    host: text('you@head.example.org').optional(),
    jump: texts('you@gateway.example.org').optional(),
    route: text('auto').optional(),
    transport: text('auto').optional(),
    pe: text('smp').optional(),
    memory: z.preprocess((given) => (Array.isArray(given) ? given : [given]), z.array(memoryShape).min(1, 'must name a resource')).optional(),
    gpu: table({resource: resource('gpu')}, 'a table, such as {resource = "gpu"}').optional(),
    sge_setup: text('. /opt/sge/default/common/settings.sh').optional(),
    module: texts('python/3.12').optional(),
    conda: text('base').optional(),
    setup: texts('source /etc/profile.d/modules.sh').optional(),
    app: text('lab').optional(),
    kernel_transport: text('ipc').optional(),
    mem: text('4G').optional(),
    time: text('8h').optional(),
    project: text('my_project').optional(),
    node_password: z.enum(['ask', 'same'], mustBe('"ask" or "same"')).optional(),
    known_hosts: text('~/.ssh/known_hosts').optional(),
  },
  'a table, such as [clusters.NAME]',
)

/** Any flag of `start` under its own name. */
const profileShape = table(
  {
    cluster: text('hpc').optional(),
    host: text('you@head.example.org').optional(),
    jump: texts('you@gateway.example.org').optional(),
    cores: number(8).optional(),
    mem: text('32G').optional(),
    gpus: number(1).optional(),
    time: text('8h').optional(),
    idle: text('2h').optional(),
    queue: text('all.q').optional(),
    node: text('node1').optional(),
    pe: text('smp').optional(),
    project: text('my_project').optional(),
    account: text('my_account').optional(),
    'sge-arg': texts('-l').optional(),
    app: text('lab').optional(),
    dir: text('~/work').optional(),
    module: texts('python/3.12').optional(),
    conda: text('base').optional(),
    setup: texts('export OMP_NUM_THREADS=1').optional(),
    port: number(8888).optional(),
    route: text('auto').optional(),
    transport: text('auto').optional(),
    browser: text('firefox').optional(),
    'no-browser': flag().optional(),
    wait: text('10m').optional(),
    detach: flag().optional(),
    kernel_transport: text('ipc').optional(),
  },
  'a table, such as [profiles.NAME]',
)

export const configShape = z.strictObject({
  default_cluster: text('hpc').optional(),
  clusters: named(clusterShape, 'clusters').optional(),
  profiles: named(profileShape, 'profiles').optional(),
})

export type ConfigFile = z.infer<typeof configShape>
export type ClusterTable = z.infer<typeof clusterShape>

/** The keys that a table of the file may hold, by the table's path. */
export function keysAt(path: readonly PropertyKey[]): string[] {
  const [section, , inner] = path
  if (section === 'profiles') return Object.keys(profileShape.shape)
  if (section !== 'clusters') return Object.keys(configShape.shape)
  if (inner === 'memory') return ['resource', 'per']
  return inner === 'gpu' ? ['resource'] : Object.keys(clusterShape.shape)
}
