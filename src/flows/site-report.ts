/** What was learnt of a site, in the terms of what one can ask of it. */
import type {ConfiguredResources} from '../sge/choose-resources.ts'
import type {JupyterPlace} from '../jupyter/places.ts'
import {JnodeError} from '../errors.ts'
import {mayUse} from '../sge/access.ts'
import {tightAddressSpace} from '../sge/address-space.ts'
import {oneHostEnvironments} from '../sge/choose.ts'
import {chooseGpu, chooseMemory, gpuCandidates, memoryCandidates} from '../sge/choose-resources.ts'
import type {ResourceUse} from '../sge/qsub.ts'
import type {Site} from '../sge/site.ts'
import type {SiteRoutes} from './look-at-routes.ts'

/** What `init --json` shows as `learnt`; null where the site does not say. */
export interface SiteReport {
  engine: string
  /** How qsub gets on the PATH, in words. */
  qsub: string
  home: string
  scratch: string[]
  parallelEnvironments: {name: string; rule: string; oneHost: boolean}[] | null
  /** The one for `--cores`; null where there is none, or where the number of slots decides. */
  pe: string | null
  /** It is not to be had with one slot, as the site's own rules may say. */
  peRefusesOne: boolean
  memory: ResourceUse[] | null
  /** Resources that may stand for memory, where it cannot be told. */
  memoryCandidates: string[]
  /** A job must say how much. */
  memoryNeeded: boolean
  gpu: ResourceUse | null
  gpuCandidates: string[]
  /** Hosts that have some free; null where that is not known. */
  gpuHosts: {host: string; amount: string}[] | null
  /** A limit on virtual memory that sessions run under which say nothing. */
  tight: string | null
  /** Those the user may use. */
  queues: {name: string; runSeconds: number | null}[] | null
  /** A job must say how long. */
  timeNeeded: boolean
  projects: string[]
  /** A job must name one. */
  projectNeeded: boolean
  defaultProject: string | null
  jupyters: JupyterPlace[]
  nodes: number | null
  /** As far as they can be seen without a job; null where no node was up. */
  routes: SiteRoutes | null
}

const NOTHING_ASKED = {slots: 1, memoryBytes: null, gpus: 0, queue: null}

export function reportOf(site: Site, jupyters: JupyterPlace[], configured: ConfiguredResources): SiteReport {
  const queues = site.queues?.filter(({access}) => mayUse(access, site) !== 'no') ?? null
  const [best] = oneHostEnvironments(site, null)
  const memory = told(() => chooseMemory(site, configured.memory))
  const gpu = gpuCandidates(site).length === 0 && configured.gpu === null ? null : told(() => chooseGpu(site, configured.gpu))
  const forced = (name: string) => site.resources?.some((resource) => resource.name === name && resource.requestable === 'FORCED') ?? false
  return {
    engine: site.engine,
    qsub: site.found,
    home: site.home,
    scratch: site.scratch,
    parallelEnvironments: site.parallelEnvironments?.map(({name, allocationRule: rule}) => ({name, rule, oneHost: rule === '$pe_slots'})) ?? null,
    pe: best?.name ?? null,
    peRefusesOne: false,
    memory,
    memoryCandidates: memoryCandidates(site).map(({name}) => name),
    memoryNeeded: memory?.some(({resource}) => forced(resource)) ?? false,
    gpu,
    gpuCandidates: gpuCandidates(site).map(({name}) => name),
    gpuHosts: gpu === null ? null : stockOf(site, gpu.resource),
    tight: tightAddressSpace(site, NOTHING_ASKED, [])?.text ?? null,
    queues: queues?.map(({name, runSeconds}) => ({name, runSeconds})) ?? null,
    timeNeeded: forced('h_rt'),
    projects: site.projects?.filter(({access}) => mayUse(access, site) !== 'no').map(({name}) => name) ?? [],
    projectNeeded: (site.projectNeeded || Boolean(queues?.length && queues.every(({projects}) => projects.length > 0))) && site.defaultProject === null,
    defaultProject: site.defaultProject,
    jupyters,
    nodes: site.hosts?.filter(({name}) => name !== 'global').length ?? null,
    routes: null,
  }
}

/** Null for what cannot be told. */
function told<T>(choose: () => T): T | null {
  try {
    return choose()
  } catch (error) {
    if (error instanceof JnodeError && error.code === 'config') return null
    throw error
  }
}

function stockOf({hosts}: Site, resource: string): SiteReport['gpuHosts'] {
  return hosts === null ? null : hosts.flatMap(({name, stock}) => {
    const amount = Number.parseFloat(stock.get(resource) ?? '')
    return amount > 0 ? [{host: name, amount: String(amount)}] : []
  })
}
