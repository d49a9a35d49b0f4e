/** What one Grid Engine installation is like, and the question that finds out. */
import type {Ask} from '../ask.ts'
import {LONG_ANSWER_BYTES} from '../bounds.ts'
import {JnodeError} from '../errors.ts'
import {remoteHome} from '../rules.ts'
import {quote} from '../shell.ts'
import {discoveryScript, ENVIRONMENT, parseSections, type Learn} from './discovery.ts'
import type {Person} from './access.ts'
import {
  parseAccessLists, parseParallelEnvironments, parseProjects, parseQueues, parseResources, type ParallelEnvironment, type Project, type Queue, type Resource,
} from './qconf.ts'
import {parseHosts, type Host} from './qhost.ts'
import {folded, quoted} from './said.ts'

export interface Site extends Person {
  /** POSIX sh that puts Grid Engine on PATH, for the head of later scripts; empty where it is there anyway. */
  setup: string
  /** How Grid Engine was found, in words. */
  found: string
  /** `SGE 8.1.9`, `OGS/GE 2011.11p1`, `UGE 8.6.6`, as the engine calls itself. */
  engine: string
  home: string
  hostname: string
  /** SGE_ROOT, where the environment has it. */
  root: string | null
  /** Grid Engine's own set-up file for sh, where SGE_ROOT has one. */
  settingsFile: string | null
  /** Null when not asked for, or when qconf is absent or refuses: that is no knowledge that there are none. */
  parallelEnvironments: ParallelEnvironment[] | null
  queues: Queue[] | null
  resources: Resource[] | null
  hosts: Host[] | null
  projects: Project[] | null
  /** A job must have a project; this one when it names none. */
  projectNeeded: boolean
  defaultProject: string | null
  /** Directories for large files that the user may write to. */
  scratch: string[]
}

export interface DiscoveryOptions {
  /** The user's own shell text that makes qsub available (`sge_setup`). */
  setup: string | null
  /** What to learn beside the way to qsub: each costs a moment. */
  learn: Learn
}

/**
 * Finds Grid Engine on the head node and what it offers, in one round trip. Throws `no-grid-engine` with all that
 * was tried when there is no working qsub.
 */
export function discoverSite(options: DiscoveryOptions): Ask<Site> {
  return {
    script: discoveryScript(options.setup, options.learn),
    maxBytes: LONG_ANSWER_BYTES,
    read: ({stdout, stderr}) => {
      const section = parseSections(stdout)
      const where = section('host')[2] ?? 'the head node'
      if (section('found').length === 0) throw noGridEngine(where, section('tried'), section('complaint').join('\n') || stderr)
      return toSite(section)
    },
  }
}

function toSite(section: (name: string) => string[]): Site {
  const environment = section('environment').filter((line) => ENVIRONMENT.includes(line.split('=', 1)[0]!))
  const [user = '', home = '', hostname = ''] = section('host')
  const root = environment.find((line) => line.startsWith('SGE_ROOT='))
  const found = section('found')[0]!
  const rule = (name: string) => section('project rules').map((line) => line.split(/\s+/)).find(([key]) => key === name)?.[1] ?? 'NONE'
  const accessLists = parseAccessLists(section('access').join('\n'))
  return {
    setup: found === 'PATH' ? '' : environment.map(exportLine).join('\n'),
    found,
    engine: section('engine').filter((line) => line !== '').at(-1) ?? 'Grid Engine',
    user,
    home: remoteHome(home, hostname || 'the head node'),
    hostname,
    root: root === undefined ? null : root.slice('SGE_ROOT='.length),
    // They come in the order in which they were answered.
    parallelEnvironments: known(section('environments'), parseParallelEnvironments)?.sort(byName) ?? null,
    queues: known(section('queues'), parseQueues),
    resources: known(section('resources'), parseResources),
    hosts: parseHosts(section('hosts').join('\n')),
    groups: section('groups').flatMap((line) => line.split(' ')),
    accessLists: accessLists.size === 0 ? null : accessLists,
    settingsFile: section('settings')[0] ?? null,
    projects: known(section('projects'), parseProjects)?.sort(byName) ?? null,
    projectNeeded: /^(true|1)$/i.test(rule('enforce_project')),
    defaultProject: /^none$/i.test(rule('default_project')) ? null : rule('default_project'),
    scratch: [...new Set(section('scratch'))],
  }
}

function byName(a: {name: string}, b: {name: string}): number {
  return a.name < b.name ? -1 : 1
}

function exportLine(assignment: string): string {
  const [name] = assignment.split('=', 1)
  return `${name}=${quote(assignment.slice(name!.length + 1))}; export ${name}`
}

/** A refusal ("denied: host is no admin host") has the shape of no object, and is not the answer that there is none. */
function known<T>(lines: readonly string[], parse: (text: string) => T[]): T[] | null {
  const text = lines.join('\n')
  const parsed = parse(text)
  return parsed.length > 0 || /^no (parallel environment|cluster queue|queue|project list)\b.* defined/im.test(text) ? parsed : null
}

function noGridEngine(host: string, tried: readonly string[], complaint: string): JnodeError {
  const said = folded(complaint)
  const hint = 'Say how qsub gets on the PATH with sge_setup in the cluster\'s section of config.toml, e.g. ". /opt/sge/default/common/settings.sh".'
  const others = /\b(pbs|torque|slurm|lsf|htcondor)\b/i.exec(said)
  if (others) return new JnodeError('no-grid-engine', `qstat on ${host} belongs to ${others[1]!}, not to Grid Engine: ${quoted(said)}`, {hint})
  const trials = `tried: ${tried.join(', ') || 'nothing'}`
  if (said !== '') return new JnodeError('no-grid-engine', `Grid Engine on ${host} does not work: ${quoted(said)} (${trials})`, {hint})
  return new JnodeError('no-grid-engine', `There is no qsub on ${host} (${trials})`, {hint})
}
