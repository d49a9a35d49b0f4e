/** `jnode init`: learn a site over one connection, and write down what `start` would else find out or ask each time. */
import {askAll} from '../ask.ts'
import type {ClusterTarget} from '../config/cluster.ts'
import {configWith, writeConfig} from '../config/write.ts'
import {findJupyterPlaces, type JupyterPlace} from '../jupyter/places.ts'
import {gridEngine} from '../sge/client.ts'
import {qsubArguments, type ResourceUse} from '../sge/qsub.ts'
import {discoverSite, type Site} from '../sge/site.ts'
import type {Remote} from '../ssh/remote.ts'
import {clockText} from '../time.ts'
import type {Answer, ClusterLink, Deps} from './deps.ts'
import {learntLines, type Usual} from './learnt-lines.ts'
import {lookAtRoutes, type SiteRoutes} from './look-at-routes.ts'
import {reportOf, type SiteReport} from './site-report.ts'

export interface InitInput {
  cluster: ClusterTarget
  /** Of the table in config.toml. */
  name: string
  /** As the file says it: `[user@]host[:port]`, and the gateways. */
  host: string
  jump: readonly string[]
  configFile: string
  answer: Answer
  /** Shows what would be written; answers whether to do it. */
  agree(table: string): Promise<boolean>
  signal: AbortSignal
}

export interface InitResult {
  cluster: string
  file: string
  learnt: SiteReport
  /** The cluster's table in the file. */
  table: string
  /** Keys of it that the user had set and that stay as they are. */
  kept: string[]
  written: boolean
}

export async function init(input: InitInput, deps: Deps): Promise<InitResult> {
  const {cluster, name, configFile, signal} = input
  deps.tell({kind: 'step', id: 'login', title: `Log in to ${cluster.label}`})
  const link = await deps.connect(cluster, {signal})
  try {
    deps.tell({kind: 'step', id: 'learn', title: 'Learn the site'})
    const {site, report} = await learn(link.head, cluster, signal)
    deps.tell({kind: 'progress', text: 'looking at the routes to the nodes'})
    report.routes = await learnRoutes(site, link, {deps, signal})
    deps.tell({kind: 'done', text: `Learnt ${site.engine} on ${link.head.label}`})
    const usual = await settle(report, input.answer)
    for (const why of await check(link.head, {site, report, usual}, signal)) deps.tell({kind: 'warning', text: why})
    const lines = learntLines({report, usual, host: input.host, jump: input.jump, sgeSetup: setupText(site, cluster), date: new Date(deps.clock.now()).toISOString().slice(0, 10)})
    const {text, table, kept, newDefault} = await configWith(configFile, {name, lines})
    const written = await input.agree(table)
    if (written) await writeConfig(configFile, text)
    if (written && newDefault !== null) deps.tell({kind: 'note', text: `${newDefault} stays the default cluster; ${name} is meant with --cluster ${name}`})
    return {cluster: name, file: configFile, written, table, kept, learnt: report}
  } finally {
    await link.close()
  }
}

const EVERYTHING = {parallelEnvironments: true, resources: true, account: true}

async function learn(head: Remote, cluster: ClusterTarget, signal: AbortSignal): Promise<{site: Site; report: SiteReport}> {
  const [site, jupyters] = await askAll(head.run, [discoverSite({setup: cluster.sgeSetup, learn: EVERYTHING}), findJupyterPlaces()], {signal})
  return {site, report: reportOf(site, jupyters, {memory: null, gpu: null})}
}

/** On one node that is up; on the head node itself only where no other is. */
async function learnRoutes({hosts, hostname}: Site, link: ClusterLink, {deps, signal}: {deps: Deps; signal: AbortSignal}): Promise<SiteRoutes | null> {
  const up = (hosts ?? []).filter((host) => host.up && host.name !== 'global').map(({name}) => name)
  const node = up.find((name) => name.split('.')[0] !== hostname.split('.')[0]) ?? up[0]
  if (node === undefined) return null
  const routes = await lookAtRoutes({link, node, signal, deps})
  if (routes.looks.some(({works}) => works)) return routes
  const hint = routes.ask.length === 0 ? undefined : `Ask the cluster’s support for ${routes.ask.join(', or for ')}.`
  deps.tell({kind: 'warning', text: `No route to ${node} was seen to work; \`jnode doctor --job\` tries each with a job`, ...(hint === undefined ? {} : {hint})})
  return routes
}

const USUAL_SECONDS = 8 * 3600
const USUAL_MEMORY = '4G'

/** What no host can tell: asked for where it is needed. */
async function settle(report: SiteReport, answer: Answer): Promise<Usual> {
  if (report.memory === null && report.memoryCandidates.length > 1) {
    const resource = await answer('Which resource does --mem mean?', 'none', [...report.memoryCandidates, 'none'])
    if (resource !== 'none') report.memory = [{resource, per: await answer(`Does the site count ${resource} per slot or per job?`, 'slot', ['slot', 'job']) as 'slot' | 'job'}]
  }
  if (report.gpu === null && report.gpuCandidates.length > 1) {
    const resource = await answer('Which resource does --gpus mean?', 'none', [...report.gpuCandidates, 'none'])
    if (resource !== 'none') report.gpu = {resource, per: 'slot'}
  }
  return {
    time: report.timeNeeded ? await answer('How long may a session run where --time is not given?', usualTime(report)) : null,
    mem: report.memoryNeeded || (report.tight !== null && report.memory !== null) ? await answer('How much memory has a session where --mem is not given?', USUAL_MEMORY) : null,
    project: report.projectNeeded ? await projectOf(report, answer) : null,
    jupyter: await jupyterOf(report, answer),
  }
}

function usualTime({queues}: SiteReport): string {
  const longest = (queues ?? []).reduce((most, {runSeconds}) => Math.max(most, runSeconds ?? Infinity), 0)
  const seconds = Math.min(USUAL_SECONDS, longest === 0 ? Infinity : longest)
  return seconds % 3600 === 0 ? `${seconds / 3600}h` : clockText(seconds)
}

/** Whose account pays is nothing to guess. */
async function projectOf({projects}: SiteReport, answer: Answer): Promise<string | null> {
  if (projects.length === 1) return projects[0]!
  const project = await answer('Which project do your jobs belong to?', 'none', projects.length > 0 ? [...projects, 'none'] : undefined)
  return project === 'none' ? null : project
}

async function jupyterOf({jupyters}: SiteReport, answer: Answer): Promise<JupyterPlace | null> {
  const [first, ...others] = jupyters
  if (first === undefined || first.kind === 'path') return null
  if (others.length === 0) return first
  const name = await answer('Which Jupyter shall jobs use?', first.name, jupyters.map((one) => one.name))
  return jupyters.find((one) => one.name === name) ?? first
}

interface Checked {
  site: Site
  report: SiteReport
  usual: Usual
}

/** Asks Grid Engine itself whether sessions of the usual kinds could run, as `start` does before each. What it refuses, in words, and in the report. */
async function check(head: Remote, {site, report, usual}: Checked, signal: AbortSignal): Promise<string[]> {
  const {memory, pe} = report
  const needs = {memoryBytes: usual.mem === null ? null : 2 ** 30, runSeconds: usual.time === null ? null : 3600, project: usual.project}
  const args = (slots: number, parallelEnvironment: string | null) =>
    qsubArguments(
      {...needs, name: 'jnode-init', slots, parallelEnvironment, gpus: 0, queue: null, node: null, account: null, extraArgs: [], logPath: '/dev/null', shell: '/bin/sh'},
      {memory: needs.memoryBytes === null ? [] : memory as ResourceUse[], gpu: null},
    )
  const engine = gridEngine(site)
  const [alone, one, two] = await askAll(head.run, [engine.check(args(1, null)), engine.check(args(1, pe)), engine.check(args(pe === null ? 1 : 2, pe))], {signal})
  report.peRefusesOne = alone.kind === 'runs' && one.kind === 'refused'
  if (alone.kind === 'refused') return [`A session with one core ${pe !== null && one.kind === 'runs' ? `needs --pe ${pe}` : 'could not run'}: ${alone.message}`]
  return two.kind === 'refused' ? [`A session with two cores could not run: ${two.message}`] : []
}

/** What was found by a search of some seconds, or given by the user, written down; a login shell's own findings cannot be. */
function setupText(site: Site, {sgeSetup}: ClusterTarget): string | null {
  if (site.found === 'PATH') return null
  if (site.found.startsWith('sge_setup')) return sgeSetup
  return site.settingsFile === null ? null : `. ${site.settingsFile}`
}
