/** Why a request can never run, from `qsub -w v`: the sentence nearest to the request, and the flag at fault. */
import {parseLargestHost, type LargestHost} from './queue-instances.ts'
import {quoted} from './said.ts'
import {parseSchedulerMessages, type MessageKind, type SchedulerMessage} from './scheduler-messages.ts'
import {byResource, distinct, LASTING, say, type Group} from './waiting.ts'

export interface Never {
  message: string
  hint: string
}

interface Request {
  args: readonly string[]
  largest: LargestHost | null
}

/** What is nearest to the request first; the slots of an environment are short whenever anything else is. */
const TELLING: readonly MessageKind[] = [
  'queue-limit', 'fixed-resource', 'resource', 'exclusive', 'forced', 'too-long', 'project', 'permission', 'not-in-queue',
  'environment-slots', 'more-slots', 'no-environment', 'wrong-type', 'reserved', 'other-host', 'not-asked-queue',
]

/** Why `qsub -w v` found no queue even on an empty cluster, from its output and the options of the request. */
export function neverReason(said: string, args: readonly string[]): Never {
  const largest = parseLargestHost(said)
  const text = said.replace(/^@@jnode .*\n?/gm, '')
  const messages = parseSchedulerMessages(text)
  const kind = TELLING.find((candidate) => messages.some((message) => message.kind === candidate))
  if (kind === undefined) {
    return {message: `No queue can ever run this request. Grid Engine says: ${quoted(text, 600)}`, hint: 'Ask for less, or leave out --queue and --node.'}
  }
  const group = messages.filter((message) => message.kind === kind)
  const best = byResource(group)[0]!
  const {plain, hint} = explain(best, group, {args, largest})
  return {message: `This request can never run: ${plain} (Grid Engine: ${best.text})`, hint}
}

function explain(telling: SchedulerMessage, group: Group, {args, largest}: Request): {plain: string; hint: string} {
  const requested = flags(args.filter((_, i) => args[i - 1] === '-l').join(','))
  const plain = say(LASTING, group)[0] ?? 'no queue fits'
  switch (telling.kind) {
    case 'fixed-resource':
    case 'resource':
      return lackOfResource(telling, requested)
    case 'environment-slots':
    case 'more-slots':
      return lackOfSlots(telling, requested, {args, largest})
    case 'queue-limit':
      return {plain, hint: `Ask for less with ${flags(telling.request).join(' or ')}.`}
    case 'forced':
      return {plain, hint: askFor(distinct(group.map(({what}) => what)))}
    case 'project':
      return {plain, hint: 'Name a project that may with --project.'}
    case 'other-host':
      return {plain: 'no queue has the node asked for', hint: 'Name a node of a queue with --node ("qstat -f" lists them), or leave it out.'}
    case 'permission':
    case 'wrong-type':
    case 'not-asked-queue':
      return {plain, hint: 'Name another queue with --queue, or leave it out.'}
    default:
      return {plain, hint: 'Ask for less, or leave out --queue, --node and --pe.'}
  }
}

function lackOfResource({what, offered, place, request}: SchedulerMessage, requested: readonly string[]): {plain: string; hint: string} {
  const asked = request.split(',').find((item) => item.startsWith(`${what}=`)) ?? what
  const elsewhere = requested.includes('--node') ? ', or for another node with --node' : ''
  return {plain: `no host or queue offers ${asked}; the best is ${offered} on ${place}`, hint: `Ask for less with ${flagOf(what)}${elsewhere}.`}
}

function lackOfSlots({offered}: SchedulerMessage, requested: readonly string[], {args, largest}: Request): {plain: string; hint: string} {
  const [name, slots] = args.slice(args.indexOf('-pe') + 1)
  const others = requested.filter((flag) => flag !== '--time')
  const hint = `Ask for less with ${['--cores', ...others].join(' or ')}, or name another parallel environment with --pe.`
  if (largest && largest.slots < Number(slots)) return {plain: `no host has ${slots} slots in parallel environment ${name}; the largest has ${largest.slots} (${largest.host})`, hint}
  if (largest && others.length === 0 && largest.quotas.length > 0) {
    return {plain: `parallel environment ${name} cannot give ${slots} slots, though ${largest.host} has ${largest.slots}: a resource quota may forbid it (${largest.quotas.join(', ')})`, hint: 'Ask for less with --cores; `qconf -srqs` on the head node shows the quotas.'}
  }
  const most = Number(offered) > 0 ? `, but ${offered}` : ''
  return {plain: `parallel environment ${name} cannot give ${slots} slots${most}${others.length > 0 ? ', with what else is asked for' : ''}`, hint}
}

/** How to ask for resources that the site demands. */
function askFor(resources: readonly string[]): string {
  const plain = flags(resources.join(',')).filter((flag) => flag !== '--sge-arg')
  const others = resources.filter((resource) => flagOf(resource) === '--sge-arg')
  const words = [...plain, ...others.map((resource) => `--sge-arg=-l --sge-arg=${resource}=1 (the site's documentation names the value)`)]
  return `Ask for it with ${words.join(' and ')}.`
}

/** The flag of `jnode start` that a resource request comes from. */
function flagOf(resource: string): string {
  if (/^[hs]_rt$/.test(resource)) return '--time'
  if (/gpu|cuda/i.test(resource)) return '--gpus'
  if (/mem|^vf$|^virtual_|^[hs]_(data|rss)$/i.test(resource)) return '--mem'
  if (/^(h|hostname)$/.test(resource)) return '--node'
  return '--sge-arg'
}

function flags(request: string): string[] {
  return distinct(request.split(',').filter(Boolean).map((item) => flagOf(item.split('=')[0]!)))
}
