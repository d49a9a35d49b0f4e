/** How often a wait asks Grid Engine: real scripts in a real sh, programs that note each call, and a clock that runs ahead. */
import {existsSync, readFileSync} from 'node:fs'
import {describe, expect, test} from 'vitest'
import type {FlowEvent} from '../../../src/flows/events.ts'
import {shareLink, type OwnLink} from '../../../src/daemon/shared-link.ts'
import {tellCalls} from '../../../src/flows/calls.ts'
import {EAGER} from '../../../src/flows/pace.ts'
import {watchJob} from '../../../src/flows/watch-job.ts'
import type {SessionFacts} from '../../../src/session/facts.ts'
import {gridEngine} from '../../../src/sge/client.ts'
import type {Remote} from '../../../src/ssh/remote.ts'
import type {Clock} from '../../../src/time.ts'
import {fixture} from '../sge/fixture.ts'
import {headNode} from '../sge/head-node.ts'

const HOUR_MS = 3_600_000
const MINUTE_MS = 60_000

interface Call {
  atMs: number
  program: string
}

/** Watches job 2 for an hour, and answers with every call that was made and what was told. */
async function anHour(qstat: string): Promise<{calls: Call[]; told: FlowEvent[]}> {
  const head = headNode()
  for (const [program, script] of Object.entries({qstat, qsub: 'echo "verification: no suitable queues"; exit 1', qalter: 'exit 1', qacct: 'exit 1'})) {
    head.program(`bin/${program}`, `echo "${program} $*" >>${head.path('calls')}\n${script}`)
  }
  const never = new Promise<never>(() => {})
  const over = new AbortController()
  let nowMs = 1_000_000
  const calls: Call[] = []
  const clock = {
    now: () => nowMs,
    async sleep(ms: number) {
      nowMs += ms
      if (nowMs > 1_000_000 + HOUR_MS) over.abort(new Error('the hour is over'))
      await new Promise((resolve) => setImmediate(resolve))
    },
  }
  const run = async (scripts: readonly string[]) => {
    const results = scripts.map((script) => head.ask({script, read: (answer) => answer}))
    const lines = existsSync(head.path('calls')) ? readFileSync(head.path('calls'), 'utf8').trimEnd().split('\n') : []
    calls.push(...lines.slice(calls.length).map((program) => ({atMs: nowMs, program})))
    return results
  }
  const remote = {label: 'alice@head', run, follow: () => never, closed: never} as unknown as Remote
  const facts = {name: 't1', jobId: '2', jobName: 'jn-pending', remoteDir: head.path('none')} as SessionFacts
  const engine = gridEngine({setup: ''})
  const told: FlowEvent[] = []
  const tell = (event: FlowEvent) => void told.push(event)
  await watchJob({head: remote, engine, user: 'alice', facts, clock, tell, signal: over.signal}, EAGER).until(() => null).catch(() => {})
  tellCalls('t1', engine, tell)
  return {calls, told}
}

const answer = (cases: [pattern: string, file: string][]) => `case "$*" in\n${cases.map(([pattern, file]) => `${pattern}) cat <<'END'\n${file}END\n;;`).join('\n')}\nesac`

const WAITS: [string, string][] = [
  ["*-xml", fixture('qstat-pending.xml')],
  ["'-j 2'", fixture('qstat-j-pending.txt').replace('hard resource_list:', 'hard_queue_list:            all.q\nhard resource_list:')],
  ["-f*", 'all.q@node1.local              BIP   0/3/4          0.20    lx-amd64\n'],
]
const HELD = WAITS.map(([pattern, text]): [string, string] => [pattern, pattern === '*-xml' ? text.replace('<state>qw<', '<state>hqw<') : text])
/** The list lacks the job, and the second witness does not answer. */
const LOST: [string, string][] = [['*-xml', fixture('qstat-empty.xml')]]

describe.each([
  ['waits', WAITS],
  ['is held', HELD],
  ['is missing from a list that nobody confirms', LOST],
])('in an hour in which a job %s', (_, cases) => {
  test('qstat is called at most 300 times, and -j never twice in a minute', {timeout: 120_000}, async () => {
    const {calls, told} = await anHour(answer(cases))
    const qstat = calls.filter(({program}) => program.startsWith('qstat'))
    const details = qstat.filter(({program}) => program.startsWith('qstat -j')).map(({atMs}) => atMs)
    expect(qstat.length).toBeLessThanOrEqual(300)
    expect(qstat.length).toBeGreaterThan(100)
    expect(details.length).toBeGreaterThan(5)
    expect(details.slice(1).map((atMs, i) => atMs - details[i]!).filter((gapMs) => gapMs < MINUTE_MS)).toEqual([])
    const counted = told.at(-1)
    expect(counted).toEqual({kind: 'trace', text: expect.stringContaining(`qstat ${qstat.length - details.length}`) as string})
    expect(counted).toEqual({kind: 'trace', text: expect.stringContaining(`qstat -j ${details.length}`) as string})
  })
})

/** Time that passes when everybody sleeps. */
function virtualTime() {
  let nowMs = 1_000_000
  const sleepers = new Set<{atMs: number; wake: () => void}>()
  const clock: Clock = {
    now: () => nowMs,
    sleep: (ms, signal) =>
      new Promise((resolve, reject) => {
        const sleeper = {atMs: nowMs + ms, wake: resolve}
        sleepers.add(sleeper)
        signal?.addEventListener('abort', () => sleepers.delete(sleeper) && reject(signal.reason as Error), {once: true})
      }),
  }
  async function pass(ms: number): Promise<void> {
    const endMs = nowMs + ms
    for (;;) {
      for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve))
      const [next] = [...sleepers].sort((a, b) => a.atMs - b.atMs)
      if (!next || next.atMs > endMs) return
      sleepers.delete(next)
      nowMs = next.atMs
      next.wake()
    }
  }
  return {clock, pass}
}

test('ten sessions that wait on one connection cost as many lists as one', async () => {
  const {clock, pass} = virtualTime()
  const never = new Promise<never>(() => {})
  const listedAtMs: number[] = []
  const run = async (scripts: readonly string[]) =>
    scripts.map((script) => {
      if (!script.includes('-xml')) return {exitCode: 0, stdout: '', stderr: ''}
      listedAtMs.push(clock.now())
      return {exitCode: 0, stdout: `${fixture('qstat-pending.xml')}@@jnode status 0\n`, stderr: '@@jnode called qstat\n'}
    })
  const shared = shareLink({head: {label: 'alice@head', run, follow: () => never, closed: never}, canAsk: false, close: async () => {}} as unknown as OwnLink, clock.now)
  const over = new AbortController()
  const engines = Array.from({length: 10}, (_, i) => {
    const engine = gridEngine({setup: ''})
    const facts = {name: `t${i}`, jobId: '2', jobName: 'jn-pending', remoteDir: `/home/alice/${i}`} as SessionFacts
    watchJob({head: shared.hold().head, engine, user: 'alice', facts, clock, tell: () => {}, signal: over.signal}, EAGER).until(() => null).catch(() => {})
    return engine
  })
  await pass(HOUR_MS)
  over.abort(new Error('the hour is over'))
  expect(listedAtMs.length).toBeLessThanOrEqual(300)
  expect(listedAtMs.length).toBeGreaterThan(100)
  // What is counted for all of them is what was really asked.
  expect(engines.reduce((sum, {calls}) => sum + (calls.get('qstat') ?? 0), 0)).toBe(listedAtMs.length)
})
