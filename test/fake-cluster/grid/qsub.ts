/** What a qsub command line asks for. */
import {readFileSync} from 'node:fs'
import {isAbsolute, join} from 'node:path'
import type {Request} from './door.ts'
import {allocationRule, QUEUE, resource, SITE_NODES, sizeOf} from './site.ts'

export interface QsubRequest {
  name: string
  pe: string | null
  slots: number
  /** Hard resource requests as given, in order. */
  resources: Map<string, string>
  queues: string[]
  stdout: string | null
  stderr: string | null
  join: boolean
  notify: boolean
  held: boolean
  terse: boolean
  verify: string
  project: string | null
  account: string | null
  restart: string | null
  /** -S; the queue's shell where it is null. */
  shell: string | null
  workDir: string
  context: string | null
  env: Record<string, string>
  script: string
  scriptArgs: string[]
  /** As qstat -j shows it. */
  scriptFile: string
}

export class QsubError extends Error {
  readonly exitCode: number
  constructor(stderr: string, exitCode: number) {
    super(stderr)
    this.exitCode = exitCode
  }
}

const FLAGS = new Set(['-terse', '-notify', '-cwd', '-V', '-h', '-clear', '-hard', '-soft', '-verify'])
const WITH_VALUE = new Set(
  '-N -o -e -i -j -l -q -P -A -r -S -w -v -m -M -b -wd -p -now -R -ac -dc -hold_jid -binding -masterq -shell -sync -C -t -a -js -jsv -ckpt -display'.split(' '),
)

interface CommandLine {
  options: [string, string[]][]
  operands: string[]
}

/** Options up to the first operand (the script, or with -b y the command); what follows belongs to the job. */
function readOptions(args: readonly string[]): CommandLine {
  const options: [string, string[]][] = []
  let i = 0
  while (i < args.length && args[i]!.startsWith('-') && args[i] !== '-') {
    const name = args[i]!
    const arity = name === '-pe' ? 2 : WITH_VALUE.has(name) ? 1 : FLAGS.has(name) ? 0 : null
    if (arity === null) throw new QsubError(`qsub: invalid option argument "${name}"\n`, 2)
    const values = args.slice(i + 1, i + 1 + arity)
    if (values.length < arity) throw new QsubError(`qsub: ERROR! ${name} option must have argument\n`, 2)
    options.push([name, values])
    i += 1 + arity
  }
  return {options, operands: args.slice(i)}
}

/** Whether the script comes on standard input. */
export function scriptOnStdin(request: Request): boolean {
  if (request.program !== 'qsub') return false
  try {
    const {operands} = readOptions(request.args)
    return operands.length === 0 || operands[0] === '-'
  } catch {
    return false
  }
}

/** Throws QsubError with qsub's own words. */
export function readQsub(asked: Request, home: string): QsubRequest {
  const line = readOptions(asked.args)
  const binary = last(line.options, '-b')?.[0] === 'y'
  const [file = '-', ...scriptArgs] = line.operands
  const script = binary ? `#!/bin/sh\nexec "$@"\n` : file === '-' ? asked.stdin : readScript(file, asked.cwd)
  const embedded = binary ? [] : readOptions(embeddedArgs(script)).options
  const options = [...embedded, ...line.options]
  const one = (name: string) => last(options, name)?.[0] ?? null
  const has = (name: string) => last(options, name) !== undefined
  const pe = last(options, '-pe')
  checkKnown(pe?.[0], one('-P'))
  return {
    name: checkName(one('-N') ?? (file === '-' ? 'STDIN' : file.split('/').at(-1)!)),
    pe: pe?.[0] ?? null,
    slots: pe ? readSlots(pe[1]!) : 1,
    resources: readResources(options.filter(([name]) => name === '-l').map(([, [value]]) => value!)),
    queues: readQueues(one('-q')),
    stdout: one('-o'),
    stderr: one('-e'),
    join: /^y/.test(one('-j') ?? 'n'),
    notify: has('-notify'),
    held: has('-h'),
    terse: has('-terse'),
    verify: one('-w') ?? 'n',
    project: one('-P'),
    account: one('-A'),
    restart: one('-r'),
    shell: one('-S'),
    workDir: one('-wd') ?? (has('-cwd') ? asked.cwd : home),
    context: one('-ac'),
    env: {...(has('-V') ? asked.env : {}), ...readVariables(one('-v'), asked.env)},
    script,
    scriptArgs: binary ? line.operands : scriptArgs,
    scriptFile: file === '-' ? 'STDIN' : file,
  }
}

function last(options: CommandLine['options'], name: string): string[] | undefined {
  return options.findLast(([given]) => given === name)?.[1]
}

function readScript(file: string, cwd: string): string {
  try {
    return readFileSync(isAbsolute(file) ? file : join(cwd, file), 'utf8')
  } catch {
    throw new QsubError(`Unable to read script file because of error: error opening ${file}: No such file or directory\n`, 14)
  }
}

/** Options in `#$` lines of the script. */
function embeddedArgs(script: string): string[] {
  return script
    .split('\n')
    .filter((text) => text.startsWith('#$'))
    .flatMap((text) => text.slice(2).trim().split(/\s+/))
    .filter((word) => word !== '')
}

function checkName(name: string): string {
  if (/^\d/.test(name)) throw new QsubError(`Unable to run job: denied: "${name}" is not a valid object name (cannot start with a digit)\nExiting.\n`, 1)
  const bad = /[/:@\\*?\s]/.exec(name)
  if (bad) throw new QsubError(`qsub: argument to -N option must not contain ${bad[0]} \n`, 2)
  return name
}

function checkKnown(pe: string | undefined, project: string | null): void {
  if (pe !== undefined && allocationRule(pe) === undefined) throw refusedFor(`job rejected: the requested parallel environment "${pe}" does not exist`)
  if (project !== null) throw refusedFor(`job rejected: the requested project "${project}" does not exist`)
}

/** A single number, or the upper end of a range. */
function readSlots(text: string): number {
  const range = /^(?:\d+-)?(\d+)$/.exec(text)
  if (!range) throw new QsubError(`qsub: Numerical value invalid!\nThe initial portion of string "${text}" contains no decimal number\n`, 7)
  if (Number(range[1]) < 1) throw refusedFor('"job" rejected: pe range must be greater than zero')
  return Number(range[1])
}

export function refusedFor(reason: string): QsubError {
  return new QsubError(`Unable to run job: ${reason}\nExiting.\n`, 1)
}

/** Names in full, times in seconds, hosts by their full name: as qmaster keeps them. */
function readResources(lists: readonly string[]): Map<string, string> {
  return new Map(lists.flatMap((list) => list.split(',')).map(readResource))
}

function readResource(pair: string): [string, string] {
  const [asked, value = 'TRUE'] = pair.split('=', 2) as [string, string?]
  const {name, type} = resource(asked) ?? {}
  if (name === undefined) throw refusedFor(`unknown resource "${asked}"`)
  if (name === 'slots') throw refusedFor('"job" denied: use parallel environments instead of requesting slots explicitly')
  if (type === 'MEMORY' && Number.isNaN(sizeOf(value))) throw refusedFor(`attribute "${name}" is not a memory value`)
  if (type === 'TIME' && Number.isNaN(sizeOf(value))) throw refusedFor(`attribute "${name}" is not a time value`)
  if (type === 'TIME') return [name, String(sizeOf(value))]
  return [name, type === 'HOST' ? hostName(value) : value]
}

function hostName(asked: string): string {
  const node = SITE_NODES.find(({host}) => host === asked || host.split('.')[0] === asked)
  if (!node) throw refusedFor(`can't resolve hostname "${asked}"`)
  return node.host
}

function readQueues(list: string | null): string[] {
  return (list ?? '')
    .split(',')
    .filter((queue) => queue !== '')
    .map((queue) => {
      const [name, host] = queue.split('@') as [string, string?]
      const node = SITE_NODES.find((one) => one.host === host || one.host.split('.')[0] === host)
      if (name !== QUEUE || (host !== undefined && !node)) throw refusedFor(`Job was rejected because job requests unknown queue "${queue}"`)
      return node ? `${name}@${node.host}` : name
    })
}

function readVariables(list: string | null, env: Record<string, string>): Record<string, string> {
  const pairs = (list ?? '').split(',').filter((item) => item !== '')
  return Object.fromEntries(pairs.map((item) => (item.includes('=') ? [item.slice(0, item.indexOf('=')), item.slice(item.indexOf('=') + 1)] : [item, env[item] ?? ''])))
}
