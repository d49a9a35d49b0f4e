import {expect, test} from 'vitest'
import type {FlowEvent} from '../../../src/flows/events.ts'
import {EAGER} from '../../../src/flows/pace.ts'
import {watchJob} from '../../../src/flows/watch-job.ts'
import {JnodeError} from '../../../src/errors.ts'
import type {SessionFacts} from '../../../src/session/facts.ts'
import {gridEngine} from '../../../src/sge/client.ts'
import type {Remote} from '../../../src/ssh/remote.ts'
import {systemClock} from '../../../src/time.ts'
import {rejectionOf} from '../expect-error.ts'
import {headNode} from '../sge/head-node.ts'

const facts = {name: 't1', jobId: '7', jobName: 'jnode-t1', remoteDir: '/home/alice/.jnode/sessions/t1'} as SessionFacts

/** A head node whose every command fails in the same way. */
function brokenHead(closed: Promise<string>): Remote {
  const fail = () => Promise.reject(new JnodeError('connection-lost', 'alice@head did not answer within 60 s'))
  return {label: 'alice@head', run: fail, follow: fail, open: fail, closed, close: async () => {}}
}

function watch(head: Remote) {
  const told: FlowEvent[] = []
  const clock = {...systemClock, sleep: (ms: number, signal?: AbortSignal) => systemClock.sleep(Math.min(ms, 5), signal)}
  const job = watchJob({head, engine: gridEngine({setup: ''}), user: 'alice', facts, clock, tell: (event) => told.push(event), signal: new AbortController().signal}, EAGER)
  return {job, told}
}

test('a link that has died ends the waiting', async () => {
  const {job} = watch(brokenHead(Promise.resolve('the connection was closed')))
  expect(await rejectionOf(job.until(() => null))).toMatchObject({code: 'connection-lost'})
})

test('one call that failed over a living link is told, and asked again', async () => {
  const {job, told} = watch(brokenHead(new Promise(() => {})))
  while (told.length < 2) await systemClock.sleep(5)
  job.stop()
  expect(told[1]).toEqual({kind: 'progress', text: 'alice@head did not answer within 60 s; asking again'})
})

test.each([
  ['cut off', `printf '<?xml version="1.0"?>\n<job_info>\n<queue_info>\n</queue_info>\n<job_info>\n</job_info>'`],
  ['without end', `while :; do printf '<job_list><JB_job_number>7</JB_job_number><JB_name>jnode-%0999d</JB_name></job_list>' 0; done`],
])('a list of jobs that is %s ends no waiting: it is asked for again', async (_, qstat) => {
  const node = headNode()
  node.program('bin/qstat', qstat)
  const run = async (scripts: readonly string[]) => scripts.map((script) => node.ask({script, read: (answer) => answer}))
  const never = new Promise<never>(() => {})
  const {job, told} = watch({label: 'alice@head', run, follow: () => never, open: () => never, closed: never, close: async () => {}})
  while (told.length < 4) await systemClock.sleep(5)
  expect(job.view).toMatchObject({job: null, silent: expect.stringMatching(/^the (answer|XML) of qstat is (cut off|damaged)/) as string})
  job.stop()
  expect(told.every((event) => event.kind === 'progress' && event.text.startsWith('Grid Engine gives no answer'))).toBe(true)
})

test('a record of thousands of lines is heard line by line without reading any of them twice, and one without end is told of once', async () => {
  const lines = (count: number) => ['jnode-record 1', 'node n1', ...Array.from({length: count}, (_, i) => `signal ${i}`)]
  let cost = 0
  const never = new Promise<never>(() => {})
  const fail = () => Promise.reject(new JnodeError('connection-lost', 'no answer'))
  const head: Remote = {
    label: 'alice@head', run: fail, open: () => never, closed: never, close: async () => {},
    async follow(_script, onLine) {
      const from = process.cpuUsage()
      for (const line of lines(3000)) onLine(line)
      cost = process.cpuUsage(from).user / 1000
      for (const line of lines(30_000)) onLine(line)
      return never
    },
  }
  const {job, told} = watch(head)
  const warnings = () => told.filter(({kind}) => kind === 'warning')
  while (warnings().length === 0) await systemClock.sleep(5)
  expect(job.view.record?.node).toBe('n1')
  // 51 s where each line made it read the whole text again.
  expect(cost).toBeLessThan(3000)
  job.stop()
  expect(warnings()).toEqual([{kind: 'warning', text: expect.stringContaining('has more than 1 MB or 20000 lines') as string, hint: expect.stringContaining('/record') as string}])
})
