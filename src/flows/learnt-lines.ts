/** The lines of config.toml that say what was learnt of a cluster, each with the reason. */
import {textValue, type LearntLine} from '../config/edit.ts'
import type {JupyterPlace} from '../jupyter/places.ts'
import type {ResourceUse} from '../sge/qsub.ts'
import {spokenDuration} from '../time.ts'
import type {SiteReport} from './site-report.ts'

/** What a site needs from every session, for those that do not say. */
export interface Usual {
  /** `8h`; null where a job need not say. */
  time: string | null
  /** `4G`; null where a job need not say. */
  mem: string | null
  project: string | null
  /** Null for one that is on the job's own PATH, or where none was found. */
  jupyter: JupyterPlace | null
}

export interface Lines {
  report: SiteReport
  usual: Usual
  /** As the user named it. */
  host: string
  jump: readonly string[]
  /** Shell text that puts qsub on the PATH; null where none is needed, or none can be written down. */
  sgeSetup: string | null
  /** `2026-11-21`. */
  date: string
}

export function learntLines(all: Lines): LearntLine[] {
  const {report, host, jump, sgeSetup, date} = all
  return [
    {why: `by "jnode init" on ${date} from ${report.engine}. It writes lines with this mark anew; a line without it is yours and stays.`},
    {key: 'host', value: textValue(host), why: 'as you named it'},
    ...(jump.length === 0 ? [] : [{key: 'jump', value: list(jump), why: 'as you named them'}]),
    sgeSetup === null ? {why: `no sge_setup: qsub is found by itself (${report.qsub})`} : {key: 'sge_setup', value: textValue(sgeSetup), why: 'qsub is not on the PATH without it'},
    slotsLine(report),
    memoryLine(report),
    ...gpuLine(report),
    ...usualLines(all),
    ...jupyterLine(all),
    ...placeLines(report),
  ]
}

function slotsLine({parallelEnvironments, pe, peRefusesOne}: SiteReport): LearntLine {
  if (parallelEnvironments === null) return {why: 'no pe: qconf does not answer, so --cores above 1 needs --pe'}
  const others = parallelEnvironments.filter(({name}) => name !== pe).map(({name, rule}) => `${name}: ${rule}${/^\d+$/.test(rule) ? ', so not for one' : ''}`).join('; ')
  if (pe !== null) return {key: 'pe', value: textValue(pe), why: `keeps all slots of --cores on one host; not asked for with one core${peRefusesOne ? ', which it refuses' : ''}${others && `; not taken: ${others}`}`}
  return {why: `no pe: ${others === '' ? 'there is none, so --cores above 1 cannot be had' : `none gives any number of slots on one host (${others})`}`}
}

const COUNTED = {slot: 'per slot, so --mem is divided by the slots', job: 'once per job, so --mem is asked for as it is'}

function memoryLine({memory, memoryCandidates, memoryNeeded}: SiteReport): LearntLine {
  if (memory === null) return {why: `no memory: which resource --mem means cannot be told${memoryCandidates.length > 0 ? ` (there are ${memoryCandidates.join(', ')})` : ''}`}
  const tables = memory.map(({resource, per}) => `{resource = ${textValue(resource)}, per = ${textValue(per)}}`)
  const counted = [...new Set(memory.map(({per}) => COUNTED[per]))].join('; ')
  return {key: 'memory', value: tables.length === 1 ? tables[0]! : `[${tables.join(', ')}]`, why: `counted ${counted}${memoryNeeded ? '; a job must ask for it' : ''}`}
}

function gpuLine({gpu, gpuCandidates, gpuHosts}: SiteReport): LearntLine[] {
  if (gpu === null) return gpuCandidates.length === 0 ? [] : [{why: `no gpu: which resource --gpus means cannot be told (there are ${gpuCandidates.join(', ')})`}]
  return [{key: 'gpu', value: `{resource = ${textValue(gpu.resource)}}`, why: `counted ${gpuCounting(gpu)}${gpuHosts === null ? '' : `; ${gpuPlaces(gpuHosts)}`}`}]
}

function gpuCounting({per, divisible}: ResourceUse): string {
  if (per === 'job') return 'once per job'
  return divisible ? 'per slot, in parts' : 'per slot, so --gpus is a multiple of --cores'
}

function gpuPlaces(hosts: NonNullable<SiteReport['gpuHosts']>): string {
  if (hosts.length === 0) return 'no host has one free now'
  const shown = hosts.slice(0, 3).map(({host, amount}) => `${amount} on ${host}`).join(', ')
  return `free now: ${shown}${hosts.length > 3 ? ` and ${hosts.length - 3} more hosts` : ''}`
}

function usualLines({report, usual}: Lines): LearntLine[] {
  const {time, mem, project} = usual
  return [
    ...(time === null ? [] : [{key: 'time', value: textValue(time), why: 'a job must say how long (h_rt); this much without --time'}]),
    ...(mem === null ? [] : [{key: 'mem', value: textValue(mem), why: `${report.memoryNeeded ? 'a job must ask for memory' : 'what the site gives is too little for Jupyter'}; this much without --mem`}]),
    ...(project === null ? [] : [{key: 'project', value: textValue(project), why: `a job must have a project${report.projects.length > 1 ? `; you may use ${report.projects.join(', ')}` : ''}`}]),
    ...(report.projectNeeded && project === null ? [{why: `no project, but a job must have one: name it here, or with --project${report.projects.length > 0 ? `; you may use ${report.projects.join(', ')}` : ''}`}] : []),
  ]
}

function jupyterLine({report, usual: {jupyter}}: Lines): LearntLine[] {
  if (jupyter === null) return [{why: jupyterPlaces(report)}]
  const others = report.jupyters.filter((one) => one !== jupyter && one.kind === jupyter.kind).map(({name}) => name)
  const also = others.length === 0 ? '' : `; also in ${others.join(', ')}`
  return jupyter.kind === 'module'
    ? [{key: 'module', value: list([jupyter.name]), why: `has Jupyter (${jupyter.apps.join(', ')})${also}`}]
    : [{key: 'conda', value: textValue(jupyter.name), why: `has Jupyter (${jupyter.apps.join(', ')}) in ${jupyter.directory}${also}`}]
}

function jupyterPlaces({jupyters}: SiteReport): string {
  if (jupyters.length === 0) return 'no Jupyter was found on the head node: say where jobs find it with module, conda or setup'
  return `Jupyter, as the head node sees it: ${jupyters.map(({kind, name, directory, apps}) => `${kind === 'path' ? directory : `${kind} ${name}`} (${apps.join(', ')})`).join('; ')}`
}

/** What one wants to know when reading the file, though no key says it. */
function placeLines({queues, home, scratch, routes}: SiteReport): LearntLine[] {
  return [
    ...(queues === null ? [] : [{why: `queues that you may use: ${queuesText(queues)}`}]),
    {why: `home ${home}${scratch.length > 0 ? `; large files: ${scratch.join(', ')}` : ''}`},
    ...routeLines(routes),
  ]
}

function queuesText(queues: NonNullable<SiteReport['queues']>): string {
  return queues.map(({name, runSeconds}) => (runSeconds === null ? name : `${name} (at most ${spokenDuration(runSeconds * 1000)})`)).join(', ') || 'none'
}

function routeLines(routes: SiteReport['routes']): LearntLine[] {
  const all = '`jnode doctor --job` tries each with a short job'
  if (routes === null) return [{why: `routes are not known: no node was up; ${all}`}]
  const {node, looks, ask} = routes
  const first = looks.find(({works}) => works)
  const sum = first !== undefined
    ? `--route auto takes ${first.route}, the safest that was seen to work`
    : `no route was seen to work${ask.length === 0 ? '' : `: ask the cluster’s support for ${ask.join(', or for ')}`}`
  return [...looks.map((look) => ({why: routeText(look)})), {why: `${sum}; seen on ${node}, ${all}`}]
}

function routeText({route, works, seen}: NonNullable<SiteReport['routes']>['looks'][number]): string {
  return `route ${route} ${works === null ? 'is not known without a job' : works ? 'works' : 'does not work'}: ${seen}`
}

function list(items: readonly string[]): string {
  return `[${items.map(textValue).join(', ')}]`
}
