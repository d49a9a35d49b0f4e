/** Masters of other sites: after `init`, the same flags get the same session on each of them. One live master is changed and put back. */
import {afterAll, afterEach, beforeAll, expect, test} from 'vitest'
import type {InitResult} from '../../src/flows/init.ts'
import {answers, jnodeIn, nothingLeft, OPEN, sweep} from './jnode.ts'
import {until} from './run.ts'
import {siteIn} from './site.ts'
import {NODES, fqdn} from './topology.ts'
import {useLab} from './use-lab.ts'

const lab = await useLab()
const jnode = jnodeIn(lab)
const UNCONFIGURED = {env: {XDG_CONFIG_HOME: '/nonexistent'}}
const WANTED = '--cores 4 --mem 2G'

/** Everything that a test may change. */
let usual: {complexes: string; queue: string; hosts: Map<string, string>; environments: Map<string, string>}

beforeAll(async () => {
  const names = (await lab.qconf(['-spl'])).trim().split('\n')
  const shown = async (option: string, name: string) => [name, await lab.qconf([option, name])] as const
  usual = {
    complexes: withoutComments(await lab.qconf(['-sc'])),
    queue: await lab.qconf(['-sq', 'all.q']),
    hosts: new Map(await Promise.all(NODES.map((node) => shown('-se', fqdn(node))))),
    environments: new Map(await Promise.all(names.map((name) => shown('-sp', name)))),
  }
})

afterEach(async ({task}) => {
  await lab.exec('laptop', 'alice', 'rm -rf ~/.config/jnode ~/.local/state/jnode/known_nodes')
  if (task.result?.state === 'fail') await sweep(lab)
  await putBack()
})

afterAll(async () => {
  expect(withoutComments(await lab.qconf(['-sc']))).toBe(usual.complexes)
  expect(await lab.qconf(['-sq', 'all.q'])).toBe(usual.queue)
  await lab.nodesReady()
})

interface Site {
  /** Lines of `qconf -sc` in the place of those of the same name. */
  complexes?: string[]
  /** complex_values of both nodes. */
  values?: string
  /** Parallel environments in the place of all others: name and allocation rule. */
  environments?: [name: string, rule: string][]
  prolog?: string
}

async function become({complexes = [], values, environments, prolog}: Site): Promise<void> {
  const changed = new Set(complexes.map((line) => line.split(' ')[0]))
  await lab.qconf(['-Mc'], [...usual.complexes.split('\n').filter((line) => !changed.has(line.split(/\s/)[0])), ...complexes].join('\n'))
  if (values !== undefined) for (const node of NODES) await lab.qconf(['-rattr', 'exechost', 'complex_values', values, fqdn(node)])
  if (environments !== undefined) await replaceEnvironments(new Map(environments.map(([name, rule]) => [name, environment(name, rule)])))
  if (prolog !== undefined) await lab.qconf(['-rattr', 'queue', 'prolog', prolog, 'all.q'])
}

async function putBack(): Promise<void> {
  // First the hosts, for a resource that a host has cannot be taken away.
  for (const [name, text] of usual.hosts) await lab.qconf(['-rattr', 'exechost', 'complex_values', /^complex_values +(\S+)/m.exec(text)![1]!, name])
  await lab.qconf(['-Mc'], usual.complexes)
  if ((await lab.qconf(['-sq', 'all.q'])) === usual.queue) return
  await replaceEnvironments(usual.environments)
  await lab.qconf(['-Mq'], usual.queue.trimEnd())
}

async function replaceEnvironments(wanted: ReadonlyMap<string, string>): Promise<void> {
  await lab.qconf(['-rattr', 'queue', 'pe_list', 'NONE', 'all.q'])
  const there = await lab.qconf(['-spl']).then((names) => names.trim().split('\n'), () => [])
  for (const name of there) await lab.qconf(['-dp', name])
  for (const text of wanted.values()) await lab.qconf(['-Ap'], text.trimEnd())
  if (wanted.size > 0) await lab.qconf(['-rattr', 'queue', 'pe_list', [...wanted.keys()].join(' '), 'all.q'])
}

function environment(name: string, rule: string): string {
  return [...usual.environments.values()][0]!.replace(/^pe_name.*$/m, `pe_name ${name}`).replace(/^allocation_rule.*$/m, () => `allocation_rule ${rule}`)
}

function withoutComments(text: string): string {
  return text.split('\n').filter((line) => line !== '' && !line.startsWith('#')).join('\n')
}

const init = () => jnode.ok<InitResult>('init --host head --yes')

/** What Grid Engine itself says that the job has asked for. */
async function asked(jobId: string): Promise<{pe: string | undefined; resources: string[]}> {
  const {stdout} = await lab.exec('head', 'alice', ['qstat', '-j', jobId])
  const resources = /^hard resource_list: +(\S+)$/m.exec(stdout)?.[1]?.split(',') ?? []
  return {pe: /^parallel environment: +(.+?) *$/m.exec(stdout)?.[1], resources: resources.sort()}
}

/** A session with the usual flags is ready, and asks for just that; without the configuration it asks for the same. */
async function gives(expected: {pe: string; resources: string[]}, {more = '', unconfigured = ''} = {}): Promise<void> {
  const {qsub} = await jnode.ok<{qsub: string}>(`start nb --dry-run --host head ${WANTED} ${more} ${unconfigured}`, UNCONFIGURED)
  const requests = [...qsub.matchAll(/ -l (\S+)/g)].map(([, item]) => item!.replace('08:00:00', '28800'))
  expect({pe: / -pe (\S+ \d+)/.exec(qsub)?.[1]!.replace(' ', ' range: '), resources: requests.sort()}).toEqual(expected)
  const session = await jnode.ok(`start nb ${WANTED} ${more}`)
  expect(session).toMatchObject({cluster: 'head', state: 'ready', slots: 4})
  expect(await asked(session.jobId!)).toEqual(expected)
  expect(await answers(lab, session.url!)).toEqual(OPEN)
}

/** But the key of the node that init has looked at. */
async function leavesNothing(): Promise<void> {
  await lab.exec('laptop', 'alice', 'rm -rf ~/.local/state/jnode/known_nodes')
  await nothingLeft(lab)
}

async function stops(): Promise<void> {
  await jnode.ok('stop nb')
  await leavesNothing()
}

test('smp, and h_vmem counted per slot', async () => {
  await become({complexes: ['h_vmem h_vmem MEMORY <= YES YES 256M 0', 'mem_free mf MEMORY <= YES NO 0 0'], values: 'h_vmem=8G'})
  const {table, learnt} = await init()
  expect(table).toMatch(/^pe = "smp" {2}# learnt: .*mpi: \$fill_up/m)
  expect(table).toMatch(/^memory = \{resource = "h_vmem", per = "slot"\} {2}# learnt: counted per slot/m)
  expect(learnt.tight).toMatch(/h_vmem limits each process of this session to 256M/)
  await gives({pe: 'smp range: 4', resources: ['h_vmem=512M']})
  await stops()
  const little = await jnode.run('start nb --cores 4 --mem 1G --dry-run')
  expect(little.stderr).toMatch(/Warning: h_vmem limits each process of this session to 1G; it counts what is reserved.*\n.*--mem 2G/)
})

test('orte that spreads, environments of a fixed number, and mem_free that is only compared', async () => {
  await become({complexes: ['mem_free mf MEMORY <= YES NO 0 0'], values: 'gpu=0', environments: [['orte', '$round_robin'], ['4way', '4'], ['12way', '12']]})
  const {table} = await init()
  expect(table).toMatch(/^# learnt: no pe: none gives any number of slots on one host \(12way: 12, so not for one; 4way: 4, so not for one; orte: \$round_robin\)/m)
  expect(table).toMatch(/^memory = \{resource = "mem_free", per = "job"\}/m)
  await gives({pe: '4way range: 4', resources: ['mem_free=2G']})
  await stops()
})

test('memory that is counted once per job', async () => {
  await become({complexes: ['m_mem_free mmf MEMORY <= YES JOB 0 0', 'mem_free mf MEMORY <= YES NO 0 0'], values: 'm_mem_free=8G', environments: [['threaded', '$pe_slots'], ['make', '$round_robin']]})
  const {table} = await init()
  expect(table).toMatch(/^pe = "threaded"/m)
  expect(table).toMatch(/^memory = \{resource = "m_mem_free", per = "job"\} {2}# learnt: counted once per job/m)
  await gives({pe: 'threaded range: 4', resources: ['m_mem_free=2G']})
  await stops()
})

test('a job must name its time, and two resources for memory', async () => {
  await become({complexes: ['h_rt h_rt TIME <= FORCED NO 0:0:0 0', 'tmem tmem MEMORY <= FORCED YES 0 0', 'h_vmem h_vmem MEMORY <= FORCED YES 0 0'], values: 'tmem=8G,h_vmem=8G'})
  const {table} = await init()
  expect(table).toMatch(/^time = "8h" {2}# learnt: a job must say how long/m)
  expect(table).toMatch(/^mem = "4G" {2}# learnt: a job must ask for memory/m)
  await gives({pe: 'smp range: 4', resources: ['h_rt=28800', 'h_vmem=512M', 'tmem=512M']}, {unconfigured: '--time 8h'})
  await stops()
  const timeless = await jnode.fails(`start nb --host head ${WANTED}`, UNCONFIGURED)
  expect(timeless).toMatchObject({exitCode: 5, code: 'never-runs', message: expect.stringContaining('h_rt') as string})
  await leavesNothing()
})

test('no parallel environment at all: one sentence before anything is submitted, and one core works', async () => {
  await become({environments: []})
  const {table} = await init()
  expect(table).toMatch(/^# learnt: no pe: there is none, so --cores above 1 cannot be had/m)
  for (const [flags, who] of [['', {}], ['--host head', UNCONFIGURED]] as const) {
    expect(await jnode.fails(`start nb ${WANTED} ${flags}`, who)).toEqual({
      exitCode: 5, code: 'never-runs', message: 'This cluster has no parallel environment, so no job can have 4 slots', hint: expect.stringContaining('--cores 1') as string,
    })
  }
  await leavesNothing()
  const session = await jnode.ok('start nb --mem 2G')
  expect(await asked(session.jobId!)).toEqual({pe: undefined, resources: ['mem_free=2G']})
  await stops()
})

test('GPUs that are counted, and a prolog that tells the job which are its own', async () => {
  const prolog = '/home/gpu-prolog'
  await lab.exec('head', 'root', `printf '#!/bin/sh\\necho CUDA_VISIBLE_DEVICES=1 >>"$SGE_JOB_SPOOL_DIR/environment"\\n' >${prolog}; chmod 755 ${prolog}`, {cwd: '/'})
  await become({complexes: ['gpu gpu INT <= NO NO 0 0', 'ngpus ng INT <= YES JOB 0 0'], values: 'ngpus=2,mem_free=8G', prolog: `root@${prolog}`})
  const {table} = await init()
  expect(table).toMatch(/^gpu = \{resource = "ngpus"\} {2}# learnt: counted once per job; free now: 2 on node1\.local, 2 on node2\.local/m)
  await gives({pe: 'smp range: 4', resources: ['mem_free=512M', 'ngpus=1']}, {more: '--gpus 1'})
  expect(await jnode.ok('status nb')).toMatchObject({gpus: 'CUDA_VISIBLE_DEVICES=1'})
  expect((await jnode.run('status nb')).stdout).toMatch(/^gpus +CUDA_VISIBLE_DEVICES=1$/m)
  await stops()
  await lab.exec('head', 'root', `rm ${prolog}`, {cwd: '/'})
})

test('queues for parallel jobs only, and a parallel environment that refuses one slot', async () => {
  await become({})
  await lab.qconf(['-rattr', 'queue', 'qtype', 'NONE', 'all.q'])
  const {stderr} = await jnode.run('init --host head --yes')
  expect(stderr).toMatch(/Warning: A session with one core needs --pe smp: This request can never run/)
  expect(await jnode.fails('start nb')).toMatchObject({exitCode: 5, code: 'never-runs'})
  await jnode.ok('start nb --pe smp')
  await stops()
  await putBack()
  await lab.exec('head', 'alice', `cat >~/rules && chmod 755 ~/rules && echo "-jsv $HOME/rules" >~/.sge_request`, {input: NO_SINGLE_SLOTS})
  try {
    expect((await init()).table).toMatch(/^pe = "smp" {2}# learnt: keeps all slots of --cores on one host; not asked for with one core, which it refuses;/m)
  } finally {
    await lab.exec('head', 'alice', 'rm ~/rules ~/.sge_request')
  }
})

/** A site's own check of submissions (jsv(1)). */
const NO_SINGLE_SLOTS = `#!/bin/sh
while read -r word name value rest; do
  case $word in
    START) echo STARTED; one= ;;
    PARAM) [ "$name $value" != 'pe_min 1' ] || one=yes ;;
    BEGIN) [ "$one" ] && echo 'RESULT STATE REJECT use no parallel environment for one slot' || echo 'RESULT STATE ACCEPT' ;;
    QUIT) exit ;;
  esac
done
`

test('what no host can tell is asked in a terminal, and nothing else', async () => {
  const unasked = ['mem_free mf MEMORY <= NO NO 0 0', 'virtual_free vf MEMORY <= NO NO 0 0']
  await become({complexes: [...unasked, 'jobmem jm MEMORY <= YES JOB 0 0', 'coremem cm MEMORY <= YES YES 0 0'], values: 'jobmem=8G,coremem=8G'})
  const init = jnode.spawn('init --host head', {terminal: true})
  await init.says(/Which resource does --mem mean\?[^]*1\) \w+[^]*\[none\]/)
  init.type('jobmem\r')
  await init.says(/Does the site count jobmem per slot or per job\?[^]*2\) job[^]*\[slot\]/)
  init.type('2\r')
  await init.says(/Write this into \S+config\.toml\? \[Y\/n\]/)
  init.type('\r')
  expect((await init.ended).exitCode).toBe(0)
  expect(init.stdout()).not.toMatch(/How (long|much)|Which (project|Jupyter)|--gpus mean/)
  const {qsub} = await jnode.ok<{qsub: string}>(`start nb --dry-run ${WANTED}`)
  expect(qsub).toContain('-pe smp 4 -l jobmem=2G')
})

/** A site whose programs are all on the PATH but for Jupyter, which a module or an environment of conda brings. */
const WITHOUT_JUPYTER = `mkdir -p ~/tools ~/apps/jupyter/1 ~/apps/jupyter/2 ~/miniforge3/etc/profile.d ~/miniforge3/envs/science/bin
ln -s /usr/bin/[!j]* ~/tools
ln -s /usr/bin/jupyter-notebook ~/apps/jupyter/2
cat >~/.bash_profile <<'END'
PATH=$HOME/tools
module() {
  case "$1 $2" in
    '-t avail') printf '%s\\n' /opt/modules: gcc/12 jupyter/1 jupyter/2 >&2 ;;
    load*) [ -d "$HOME/apps/$2" ] && PATH=$HOME/apps/$2:$PATH LOADEDMODULES=$2 ;;
  esac
}
END`
const CONDA = `ln -s /usr/bin/jupyter-notebook ~/miniforge3/envs/science/bin
cat >~/miniforge3/etc/profile.d/conda.sh <<'END'
CONDA_EXE=$HOME/miniforge3/bin/conda
conda() { [ "$1" = activate ] && [ -d "$HOME/miniforge3/envs/$2" ] && PATH=$HOME/miniforge3/envs/$2/bin:$PATH; }
END`

test('Jupyter in a module, in an environment of conda, or in ~/.local/bin: each is found, and jobs use it', async () => {
  const alice = async (script: string) => expect(await lab.exec('head', 'alice', script)).toMatchObject({exitCode: 0})
  try {
    await alice(WITHOUT_JUPYTER)
    expect((await init()).table).toMatch(/^module = \["jupyter\/2"\] {2}# learnt: has Jupyter \(notebook\)/m)
    expect(await jnode.ok('start nb')).toMatchObject({state: 'ready', app: 'notebook'})
    await stops()
    await alice(CONDA)
    await lab.exec('laptop', 'alice', 'rm -r ~/.config/jnode')
    expect((await init()).table).toMatch(/^conda = "science" {2}# learnt: has Jupyter \(notebook\) in \/home\/alice\/miniforge3\/envs\/science\/bin/m)
    expect(await jnode.ok('start nb')).toMatchObject({state: 'ready', app: 'notebook'})
    await stops()
    await alice('mkdir -p ~/.local/bin && ln -s /usr/bin/jupyter-notebook ~/.local/bin')
    await lab.exec('laptop', 'alice', 'rm -r ~/.config/jnode')
    expect((await init()).table).toMatch(/^# learnt: Jupyter, as the head node sees it: \/home\/alice\/\.local\/bin \(notebook\); conda science \(notebook\)$/m)
  } finally {
    await lab.exec('head', 'alice', 'rm -rf ~/.bash_profile ~/tools ~/apps ~/miniforge3 ~/.local/bin')
  }
})

test('init tells which routes work without a job: on nodes whose sshd opens no sockets, and on nodes that do not answer', async () => {
  const ways = siteIn(lab)
  const seen = ({learnt}: InitResult) => learnt.routes!.looks.map(({route, works}) => `${route} ${works}`)
  try {
    await ways.set({nodes: ['AllowStreamLocalForwarding no'], internalKey: ['nodes', 'head']})
    const some = await init()
    expect(seen(some), JSON.stringify(some.learnt.routes)).toEqual(['socket false', 'node true', 'head true', 'direct true', 'reverse true'])
    expect(some.table).toMatch(/^# learnt: route socket does not work: the SSH server of node1\.local opens no streams to sockets: .*\n# learnt: route node works: /m)
    expect(some.table).toMatch(/^# learnt: --route auto takes node, /m)
    await ways.set({nodesWithoutSshd: true, firewall: 'shut'})
    const {stderr} = await jnode.run('init --host head --yes --json')
    expect(stderr).toMatch(/Warning: No route to node1\.local was seen to work; .*\n +Ask the cluster’s support for TCP connections from head to port 22 of the compute nodes, with an SSH server there, or for TCP connections from head to ports above 1023 of the compute nodes\.$/m)
    const config = (await lab.exec('laptop', 'alice', 'cat ~/.config/jnode/config.toml')).stdout
    expect(config).toMatch(/^# learnt: route direct does not work: .*\n# learnt: route reverse is not known without a job: .*\n# learnt: no route was seen to work: ask/m)
    expect(config).not.toMatch(/^route =/m)
  } finally {
    await ways.asBefore()
  }
  for (const host of ['head', ...NODES] as const) expect((await lab.exec(host, 'root', 'ls -d /tmp/jnode.*; pgrep ssh-agent; ls /home/alice/.ssh/known_hosts', {cwd: '/'})).stdout).toBe('')
})

test('a qstat that by default tells of ended jobs, of each slot by itself, and queue by queue', async () => {
  await lab.exec('head', 'alice', `echo '-s prsz -g t -f' >~/.sge_qstat`)
  try {
    expect((await lab.exec('head', 'alice', 'qsub -terse -b y -o /dev/null -j y -N jnode-nb true')).exitCode).toBe(0)
    await until('Grid Engine tells of a job that has ended', async () => (await lab.exec('head', 'alice', 'qstat -xml')).stdout.includes('<state>z</state>'))
    expect(await jnode.ok('start nb --host head --cores 4')).toMatchObject({state: 'ready', node: expect.stringMatching(/^node[12]\.local$/) as string})
    expect(await jnode.ok('status nb')).toMatchObject({state: 'ready', slots: 4})
    await stops()
  } finally {
    await lab.exec('head', 'alice', 'rm ~/.sge_qstat')
  }
})

test('queues, environments and projects of other people are left out; a project that jobs need is written down', async () => {
  await lab.qconf(['-au', 'bob', 'others'])
  await lab.qconf(['-au', 'alice', 'mine'])
  try {
    await lab.qconf(['-Aprj'], 'name theirs\noticket 0\nfshare 0\nacl others\nxacl NONE')
    await lab.qconf(['-Aprj'], 'name ours\noticket 0\nfshare 0\nacl mine\nxacl NONE')
    await become({environments: [['smp', '$pe_slots'], ['threads', '$pe_slots']]})
    await lab.qconf(['-rattr', 'pe', 'user_lists', 'others', 'smp'])
    await lab.qconf(['-rattr', 'queue', 'projects', 'ours theirs', 'all.q'])
    const {table} = await init()
    expect(table).toMatch(/^pe = "threads"/m)
    expect(table).toMatch(/^project = "ours" {2}# learnt: a job must have a project/m)
    const {jobId} = await jnode.ok(`start nb --no-wait ${WANTED}`)
    expect(await asked(jobId!)).toEqual({pe: 'threads range: 4', resources: ['mem_free=512M']})
    await until('the job runs', async () => (await lab.jobs('alice'))[0]?.state === 'r')
    await stops()
  } finally {
    await putBack()
    for (const name of ['theirs', 'ours']) await lab.qconf(['-dprj', name])
    for (const name of ['others', 'mine']) await lab.qconf(['-dul', name])
  }
})
