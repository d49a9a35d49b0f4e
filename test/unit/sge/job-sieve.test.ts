/** The list of jobs as it comes from a head node: a real shell and awk, and programs that print what some qstat printed. */
import fc from 'fast-check'
import {describe, expect, test} from 'vitest'
import {gridEngine} from '../../../src/sge/client.ts'
import type {WantedJobs} from '../../../src/sge/job-sieve.ts'
import {parseJobList, type JobList} from '../../../src/sge/qstat.ts'
import {fuzzing} from '../fuzzing.ts'
import {fixture} from './fixture.ts'
import {headNode, type HeadNode} from './head-node.ts'

const ALL = {prefix: '', ids: []}
const LISTS = ['qstat-empty.xml', 'qstat-running.xml', 'qstat-many.xml', 'qstat-f.xml', 'qstat-g-t-two-hosts.xml', 'qstat-requests-pending.xml', 'qstat-error.xml']

/** What is listed where qstat prints this text. */
function listed(text: string | Uint8Array, wanted: WantedJobs = ALL, {head = headNode(), exitCode = 0} = {}): JobList {
  head.file('printed', text)
  head.program('bin/qstat', `cat ${head.path('printed')}; exit ${exitCode}`)
  return head.ask(gridEngine({setup: ''}).list('alice', wanted))
}

const ids = (list: JobList) => (list.kind === 'known' ? list.jobs.map(({id}) => id) : list.why)

test.each(LISTS)('%s: all jobs of it, where all are wanted', (file) => {
  expect(listed(fixture(file))).toEqual(parseJobList(fixture(file)))
})

test.each(['qstat-many.xml', 'qstat-f.xml'])('%s: only those that are wanted, by their names or numbers, with their nodes', (file) => {
  const list = parseJobList(fixture(file))
  const jobs = list.kind === 'known' ? list.jobs : []
  const first = jobs[0]!
  const some = jobs.filter(({id, name}) => id === first.id || name.startsWith('jn-held'))
  expect(some.length).toBeLessThan(jobs.length)
  expect(listed(fixture(file), {prefix: 'jn-held', ids: [first.id]})).toEqual({kind: 'known', jobs: some})
  expect(listed(fixture(file), {prefix: 'no such name', ids: []})).toEqual({kind: 'known', jobs: []})
})

test('a list on one line, without prolog, with a banner before it', () => {
  const one = `Welcome! See <the> manual & ask\n${fixture('qstat-many.xml').replace(/^.*\n/, '').replace(/\n\s*/g, '')}`
  expect(listed(one)).toEqual(parseJobList(fixture('qstat-many.xml')))
})

test('a name in another encoding, and one with control characters, spoil nothing', () => {
  const text = fixture('qstat-many.xml').replace('a%lt;b', 'caf\xE9 \x1B[2J\x07')
  const list = listed(Buffer.from(text, 'latin1'))
  expect(ids(list)).toEqual(ids(parseJobList(text)))
  expect(list.kind === 'known' && list.jobs[0]!.name).toBe('caf\uFFFD ?[2J?&c"d')
})

describe('what is not known', () => {
  const named = fixture('qstat-running.xml')

  test('qstat failed', () => {
    expect(ids(listed(named, ALL, {exitCode: 1}))).toMatch(/^qstat failed with exit status 1/)
  })

  test('a job without a number may be the one that is looked for', () => {
    expect(ids(listed(named.replace(/<JB_job_number>\d+/, '<JB_job_number>'), {prefix: 'other', ids: []}))).toMatch(/a job without a number/)
  })

  test('a job that has no end', () => {
    expect(listed(named.replace('</job_list>', ''), {prefix: 'other', ids: []}).kind).toBe('unknown')
  })

  test('qstat died in the midst of it', () => {
    const head = headNode()
    head.program('bin/qstat', `head -c 700 <<'END'\n${fixture('qstat-many.xml')}END\nkill -9 $$`)
    expect(head.ask(gridEngine({setup: ''}).list('alice', ALL)).kind).toBe('unknown')
  })

  test('more jobs than anybody can have asked for', () => {
    const head = headNode()
    head.program('bin/qstat', `echo "<?xml version='1.0'?><job_info><queue_info>"; while :; do printf '<job_list><JB_job_number>1</JB_job_number><JB_name>%0999d</JB_name></job_list>' 0; done`)
    expect(ids(head.ask(gridEngine({setup: ''}).list('alice', ALL)))).toMatch(/^the answer of qstat is cut off/)
  })
})

/** `jobs` jobs as a stream, of which the last but three is a session's. */
const FARM = `BEGIN {
  print "<?xml version='1.0'?>\\n<job_info  xmlns:xsd=\\"http://example.org/qstat.xsd\\">\\n  <queue_info>"
  for (i = 1; i <= jobs; i++) {
    printf "    <job_list state=\\"running\\">\\n      <JB_job_number>%d</JB_job_number>\\n      <JAT_prio>0.55500</JAT_prio>\\n", i
    printf "      <JB_name>%s</JB_name>\\n      <JB_owner>alice</JB_owner>\\n      <state>r</state>\\n", (i == jobs - 3 ? "jnode-otter" : "parameter_sweep_of_a_large_model_" i)
    printf "      <JAT_start_time>2026-11-20T23:28:43</JAT_start_time>\\n      <queue_name>all.q@node%d.cluster.example.org</queue_name>\\n      <slots>1</slots>\\n    </job_list>\\n", i % 500
  }
  print "  </queue_info>\\n  <job_info>\\n  </job_info>\\n</job_info>"
}`

/** A farm of jobs, 40 MB of XML, on a head node where no process may have as much memory. */
function farm(): HeadNode {
  const head = headNode()
  head.file('farm.awk', FARM)
  head.program('bin/qstat', `exec awk -v jobs=100000 -f ${head.path('farm.awk')}`)
  return head
}

test('100,000 jobs pass in a stream of bounded memory, and one that is wanted is found among them', () => {
  const head = farm()
  const question = gridEngine({setup: 'ulimit -v 36000'}).list('alice', {prefix: 'jnode-', ids: ['50000']})
  const bytes: number[] = []
  const list = head.ask({...question, read: (answer) => (bytes.push(answer.stdout.length), question.read(answer))})
  expect(list).toMatchObject({kind: 'known', jobs: [{id: '50000', node: 'node0.cluster.example.org'}, {id: '99997', name: 'jnode-otter', phase: 'running'}]})
  expect(bytes[0]).toBeLessThan(2000)
}, 60_000)

test('no list makes a job look gone that is there, whatever stands before, after or in the place of it', () => {
  const head = headNode()
  const noise = fc.constantFrom('<banner>', '</job_info>', '<job_info>', '<job_list>', '</job_list', '</job_list>', "<?xml version='1.0'?>\n", '>', '<', '@@jnode status 0\n', '\x1B[2J', 'error: commlib error\n', '\0')
  const spoilt = (text: string) =>
    fc.oneof(
      fc.nat(text.trimEnd().length - 1).map((end) => text.slice(0, end)),
      fc.nat(text.length).map((start) => text.slice(start)),
      fc.tuple(noise, noise).map(([before, after]) => before + text + after),
      fc.constantFrom(...LISTS).map((other) => text + fixture(other)),
    )
  const some = fc.constantFrom('qstat-many.xml', 'qstat-f.xml').chain((file) => spoilt(fixture(file)).map((changed) => ({file, changed})))
  fc.assert(
    fc.property(some, ({file, changed}) => {
      const whole = parseJobList(fixture(file))
      const job = whole.kind === 'known' ? whole.jobs[0]! : null
      const list = listed(changed, {prefix: 'none', ids: [job!.id]}, {head})
      if (list.kind === 'known') expect(list.jobs.map(({id}) => id)).toContain(job!.id)
    }),
    fuzzing(60),
  )
})
