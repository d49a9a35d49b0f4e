/** Why a job waits: the scheduler's many sentences, counted and put into plain words. */
import {trimEndOf} from '../trim-end.ts'
import {parseMemory} from './memory.ts'
import type {QueueInstance} from './queue-instances.ts'
import {parseSchedulerMessages, type MessageKind, type SchedulerMessage} from './scheduler-messages.ts'

export type Group = readonly SchedulerMessage[]
type Phrase = readonly [kind: MessageKind, words: (group: Group) => string]

/** Each of these holds for the whole job: nothing else need be told beside it. */
const WHOLE_JOB: readonly Phrase[] = [
  ['hold', () => 'it is held'],
  ['dependency', () => 'the jobs it waits for have not ended'],
  ['start-time', () => 'its start time has not come'],
  ['quota', (group) => `resource quota ${group[0]!.place} allows no more now`],
  ['user-limit', () => 'as many of your jobs run as one user may have'],
  ['filter', () => 'many jobs that ask for the same stand before it'],
]

/** What passes when other jobs end or a queue comes back; the most telling first. */
const PASSING: readonly Phrase[] = [
  ['resource', (group) => byResource(group).map(({what, offered, place}) => `too little ${what} is free (${offered} on ${place})`).join(', ')],
  ['exclusive', (group) => `${counted('host', group)} taken by a job that wants ${group[0]!.what} for itself`],
  ['full', (group) => `${counted('queue instance', group)} full`],
  ['disabled', (group) => `${counted('queue instance', group)} disabled`],
  ['suspended', (group) => `${counted('queue instance', group)} suspended`],
  ['silent-node', (group) => (group.length === 1 ? `node ${hostOf(group[0]!.place)} does not answer Grid Engine` : `${group.length} nodes do not answer Grid Engine`)],
  ['queue-error', (group) => `${counted('queue instance', group)} in error, which an administrator must clear`],
  ['unavailable', (group) => `${counted('queue instance', group)} not available at present`],
  ['overloaded', (group) => `${counted('queue instance', group)} overloaded`],
  ['alarm', (group) => `${counted('queue instance', group)} in load alarm`],
  ['cleanup', (group) => `${counted('host', group)} being cleaned up after another job`],
]

/** What follows from any of the others, or from nothing else that is told. */
const SLOTS: readonly Phrase[] = [
  ['environment-slots', (group) => `parallel environment ${group[0]!.place} has ${group[0]!.offered} of ${group[0]!.request} slots free together`],
  ['more-slots', () => 'fewer slots are free than the job asks for'],
  ['all-full', () => 'all queues are full or overloaded'],
]

/** What stays as it is; told of a waiting job only when nothing else is known. */
export const LASTING: readonly Phrase[] = [
  ['fixed-resource', (group) => byResource(group).map(({what, offered, place}) => `no more than ${what}=${offered} is offered (${place})`).join(', ')],
  ['other-host', () => 'no queue that fits is on the node asked for'],
  ['queue-limit', (group) => `a limit of queue ${places(group).join(', ')} is lower than what is asked for (${group[0]!.request})`],
  ['too-long', (group) => `the calendar of ${places(group).join(', ')} leaves too little time for it`],
  ['forced', (group) => `it does not ask for ${distinct(group.map(({what}) => what)).join(', ')}, which its hosts or queues demand`],
  ['project', (group) => `its project may not use ${places(group).join(', ')}`],
  ['permission', (group) => `you may not use ${places(group).join(', ')}`],
  ['no-environment', () => 'no parallel environment fits'],
  ['not-in-queue', (group) => `queue ${places(group).join(', ')} does not offer parallel environment ${group[0]!.what}`],
  ['wrong-type', (group) => `${counted('queue', group)} of a type that cannot run it`],
  ['reserved', (group) => `${counted('place', group)} outside of its advance reservation`],
  ['unknown-resource', (group) => `resource ${group[0]!.what} is not known at present`],
  ['not-asked-queue', () => 'no other queue was asked for'],
]

export interface WaitingContext {
  /** As asked for: a number or a range. */
  slots: string
  /** What is known of them, for where the scheduler says no more than "temporarily not available". */
  instances: readonly QueueInstance[]
}

/** One sentence from `qstat -j`'s scheduling info or `qalter -w p` about a waiting job; null when they tell nothing. */
export function waitingReason(text: string, {slots, instances}: WaitingContext): string | null {
  const messages = parseSchedulerMessages(text).map((message) => {
    if (message.kind === 'environment-slots') return {...message, request: slots}
    return message.kind === 'unavailable' ? {...message, kind: unavailability(message.place, instances)} : message
  })
  const [wholeJob, passing, slotsShort, lasting] = [WHOLE_JOB, PASSING, SLOTS, LASTING].map((table) => say(table, messages)) as [string[], string[], string[], string[]]
  // LASTING mixes in all the queues that were never in question, so it speaks only when nothing better does.
  const phrases = wholeJob.length > 0 ? wholeJob : passing.length > 0 ? [...passing, ...say(SLOTS, messages.filter(({kind}) => kind !== 'all-full'))] : [...slotsShort, ...lasting]
  return phrases.length > 0 ? sentence(phrases.slice(0, 3).join('; ')) : null
}

/** `u` before `s`: a node that is away keeps what else was known of its queues. */
function unavailability(place: string, instances: readonly QueueInstance[]): MessageKind {
  const states = instances.find(({name}) => name === place)?.states ?? ''
  if (states.includes('u')) return 'silent-node'
  if (states.includes('E')) return 'queue-error'
  // qalter says so of disabled ones, too.
  if (/[dD]/.test(states)) return 'disabled'
  return /[sSC]/.test(states) ? 'suspended' : 'unavailable'
}

function hostOf(place: string): string {
  return place.replace(/^.*@/, '')
}

/** The message with the largest offer of each resource. */
export function byResource(group: Group): SchedulerMessage[] {
  return distinct(group.map(({what}) => what)).map((what) => {
    const offers = group.filter((message) => message.what === what)
    const best = offers.reduce((a, b) => (amount(b.offered) > amount(a.offered) ? b : a))
    return {...best, offered: short(best.offered), place: best.place || 'the whole cluster'}
  })
}

/** A number, memory or time; 0 for anything else. */
function amount(text: string): number {
  const [, hours, minutes, seconds] = /^(\d+):(\d\d):(\d\d)$/.exec(text) ?? []
  return hours === undefined ? (parseMemory(text) ?? 0) : Number(hours) * 3600 + Number(minutes) * 60 + Number(seconds)
}

/** `2` of `2.000000`, `8G` of `8.000G`. */
function short(amount: string): string {
  const [, whole, fraction, unit] = /^([^.]*)\.(\d*)([A-Za-z]?)$/.exec(amount) ?? []
  return whole === undefined ? amount : `${trimEndOf(`${whole}.${trimEndOf(fraction!, '0')}`, '.')}${unit}`
}

export function say(table: readonly Phrase[], messages: Group): string[] {
  return table.flatMap(([kind, words]) => {
    const group = messages.filter((message) => message.kind === kind)
    return group.length > 0 ? [words(group)] : []
  })
}

/** `queue instance all.q@n1 is`, `3 queue instances are`. */
function counted(noun: string, group: Group): string {
  const names = places(group)
  return names.length === 1 ? `${noun} ${names[0]} is` : `${names.length} ${noun}s are`
}

function places(group: Group): string[] {
  return distinct(group.map(({place}) => place).filter(Boolean))
}

export function distinct(words: readonly string[]): string[] {
  return [...new Set(words)]
}

function sentence(words: string): string {
  return words[0]!.toUpperCase() + words.slice(1)
}
