/** What `start` needs of the head node and its Grid Engine, asked in the same words. */
import {ask, type Ask} from '../ask.ts'
import type {StartOptions} from '../config/start-options.ts'
import {JnodeError} from '../errors.ts'
import {findJupyter} from '../jupyter/find.ts'
import {homeSpace} from '../session/home.ts'
import {chooseGpu, chooseMemory} from '../sge/choose-resources.ts'
import {chooseParallelEnvironment} from '../sge/choose.ts'
import {gridEngine} from '../sge/client.ts'
import {discoverSite, type Site} from '../sge/site.ts'
import type {RunOptions} from '../ssh/remote.ts'
import type {CheckList} from './checks.ts'
import type {ClusterLink} from './deps.ts'
import {listOurJobs} from './our-jobs.ts'

/** Sessions need little, Jupyter and notebooks some. */
const LITTLE_KB = 100 * 1024

const OF_THE_SCHEDULER = ['parallel environment', 'memory', 'GPUs']

interface Shell {
  path: string
  noiseBytes: number
}

/** With SHLVL 0 bash takes its start-up for one by sshd and reads ~/.bashrc, as it did for this login. */
const loginShell: Ask<Shell> = {
  script: `printf '%s\\n' "\${SHELL-}"; SHLVL=0 "\${SHELL:-sh}" -c exit </dev/null 2>/dev/null | wc -c`,
  read({stdout}) {
    const [path = '', bytes = '0'] = stdout.trim().split('\n')
    return {path, noiseBytes: Number(bytes)}
  },
}

export async function checkSite(options: StartOptions, {head}: ClusterLink, checks: CheckList, run: RunOptions): Promise<void> {
  const put = <T>(question: Ask<T>) => ask(head.run, question, run)
  await checkShell(() => put(loginShell), checks)
  const learn = {parallelEnvironments: true, resources: true, account: false}
  const site = await checks.attempt('Grid Engine', () => put(discoverSite({setup: options.cluster.sgeSetup, learn})), ({engine, found}) => `${engine}, found by ${found}`)
  if (site) await checkEngine(site, options, checks, put)
  else for (const step of ['scheduler', ...OF_THE_SCHEDULER]) checks.skip(step, 'not asked: Grid Engine was not found')
  await checks.attempt('home directory', async () => checkedSpace(await put(homeSpace), head.label), (free) => `it can be written to${free === null ? '' : `, ${size(free)} are free`}`)
  const {app, dir, modules, conda, setup, kernelTransport} = options
  const jupyter = await put(findJupyter({app, dir, modules, conda, setup}))
  if (jupyter.app !== null) checks.note('Jupyter', `jupyter-${jupyter.app} on the head node; --job looks on a compute node`)
  else checks.note('Jupyter', `on the head node: ${jupyter.why}`, {action: 'If it is only on the compute nodes, all is well: --job looks there. Else say where it is with --module, --conda or --setup, or in config.toml.'})
  if (kernelTransport === 'ipc') checks.note('kernels', 'they listen on private sockets (ipc)')
  else checks.note('kernels', 'they listen on TCP ports of the node (tcp), where its other users can read their output', {action: 'Leave out kernel_transport in config.toml unless a kernel cannot use private sockets.'})
}

async function checkShell(look: () => Promise<Shell>, checks: CheckList): Promise<void> {
  const shell = await look()
  if (shell.noiseBytes === 0) return checks.note('login shell', shell.path)
  checks.note('login shell', `${shell.path}; its start-up files print ${shell.noiseBytes} bytes, which jnode steps around`, {
    action: 'For scp and rsync: let them print only in a terminal, behind [ -t 1 ].',
  })
}

async function checkEngine(site: Site, options: StartOptions, checks: CheckList, put: <T>(question: Ask<T>) => Promise<T>): Promise<void> {
  const count = async () => {
    const list = await put(listOurJobs(gridEngine(site), site.user))
    if (list.kind === 'known') return list.jobs.length
    throw new JnodeError('no-grid-engine', `qstat gives no answer: ${list.why}`, {hint: 'Ask the cluster’s support whether its qmaster runs.'})
  }
  const jobs = await checks.attempt('scheduler', count, (jobs) => `it answers; you have ${jobs} job${jobs === 1 ? '' : 's'} of jnode's`)
  if (jobs === null) return OF_THE_SCHEDULER.forEach((step) => checks.skip(step, 'not asked: the scheduler gives no answer'))
  const {cluster, queue, pe} = options
  await checks.attempt('parallel environment', () => chooseParallelEnvironment(site, {slots: 2, queue, asked: pe ?? cluster.pe}), (name) => `${name} keeps the slots of --cores on one host`)
  const resource = await checks.attempt('memory', () => chooseMemory(site, cluster.memory), (memory) => `--mem asks for ${memory.map(({resource, per}) => `${resource}, counted per ${per}`).join(', and ')}`)
  if (resource === null) return
  try {
    checks.note('GPUs', `--gpus asks for ${chooseGpu(site, cluster.gpu).resource}`)
  } catch {
    checks.note('GPUs', 'none that can be asked for with --gpus')
  }
}

/** Kilobytes free. Throws `remote-storage`. */
function checkedSpace({freeKb, refusal}: {freeKb: number | null; refusal: string | null}, label: string): number | null {
  const hint = 'Make room in your home directory on the cluster, or ask its support for more quota.'
  if (refusal !== null) throw new JnodeError('remote-storage', `The home directory of ${label} cannot be written to: ${refusal}`, {hint})
  if (freeKb !== null && freeKb < LITTLE_KB) throw new JnodeError('remote-storage', `The home directory of ${label} has only ${size(freeKb)} left`, {hint})
  return freeKb
}

function size(kb: number): string {
  return kb < 1024 * 1024 ? `${Math.round(kb / 1024)} MB` : `${Math.round(kb / 1024 / 1024)} GB`
}
