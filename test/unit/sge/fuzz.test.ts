/**
 * Readers of what Grid Engine prints, on text that no engine should print: cut, shuffled, polluted, doubled, large.
 * JNODE_FUZZ_RUNS and JNODE_FUZZ_SEED make it more and other; see CONTRIBUTING.md.
 */
import fc from 'fast-check'
import {readdirSync} from 'node:fs'
import {describe, expect, test} from 'vitest'
import {JnodeError} from '../../../src/errors.ts'
import {gridEngine} from '../../../src/sge/client.ts'
import {parseJobDetails, readExistence} from '../../../src/sge/job-details.ts'
import {parseAccounting} from '../../../src/sge/qacct.ts'
import {parseParallelEnvironments, parseQueues, parseResources} from '../../../src/sge/qconf.ts'
import {readRemoval} from '../../../src/sge/qdel.ts'
import {parseJobList, readJobList, type Job} from '../../../src/sge/qstat.ts'
import {readSubmission} from '../../../src/sge/qsub.ts'
import {discoverSite} from '../../../src/sge/site.ts'
import {waitingReason} from '../../../src/sge/waiting.ts'
import {fuzzing} from '../fuzzing.ts'
import {fixture} from './fixture.ts'

const FILES = readdirSync(new URL('../../fixtures/sge/', import.meta.url)).filter((name) => /\.(xml|txt)$/.test(name))
const LISTS = FILES.filter((name) => /^qstat-(?!j-|g-c).*\.xml$/.test(name))

const noise = fc.oneof(
  fc.string({maxLength: 40}),
  fc.string({unit: 'binary', maxLength: 40}),
  fc.constantFrom('<banner>', '</job_info>', '<job_info>', "<?xml version='1.0'?>\n", '\0', '\x1B[2J', 'error: commlib error: got select error\n', '%lt;', '&#0;', '<!--', ']]>', 'qname x\n', '@@jnode place 1 2 3\n', ' '),
)

/** A text as a broken program, shell or network would change it. */
const broken = (text: string) =>
  fc.oneof(
    fc.nat(text.length).map((end) => text.slice(0, end)),
    fc.nat(text.length).map((start) => text.slice(start)),
    fc.tuple(fc.nat(text.length), noise).map(([at, extra]) => text.slice(0, at) + extra + text.slice(at)),
    fc.tuple(fc.nat(text.length), fc.nat(200)).map(([at, length]) => text.slice(0, at) + text.slice(at + length)),
    fc.tuple(noise, noise).map(([before, after]) => before + text + after),
    fc.shuffledSubarray(text.split('\n')).map((lines) => lines.join('\n')),
    fc.constant(text + text),
  )

const answers = fc.constantFrom(...FILES).chain((file) => broken(fixture(file)))
const outputs = fc.record({exitCode: fc.constantFrom(0, 0, 0, 1, 2, 25, -1), stdout: answers, stderr: fc.oneof(fc.constant(''), answers)})

const LARGE = ['x', '<a>', '<', '&', '\n', ' ', '(-l ', 'queue instance "', '<job_info><queue_info>', 'qname x\n', '\\\n', 'error reason 1: [']
const repeated = (text: string, length: number) => (text === '' ? '' : text.repeat(Math.ceil(length / text.length)))

const grid = gridEngine({setup: ''})

/** Every reader of this room, by what it is given. */
const READERS: Record<string, (output: {exitCode: number; stdout: string; stderr: string}) => unknown> = {
  'qstat -xml': readJobList,
  'qstat -xml, from the head node': ({stdout, ...rest}) => grid.list('alice', {prefix: '', ids: []}).read({...rest, stdout: `${stdout}@@jnode status 0\n`}),
  'qstat -j': ({stdout}) => parseJobDetails(stdout).values('job_number'),
  'qstat -j, is it there': (output) => readExistence('7', output),
  'qstat -j, files': grid.files('7').read,
  'qstat -j, why it waits': grid.why('7', 'pending').read,
  'qstat -j, why it is held': grid.why('7', 'held').read,
  'qstat -j, why it is in error': grid.why('7', 'error').read,
  'qstat -j, its limits': grid.limit('7', 'all.q').read,
  'qsub -terse': readSubmission,
  'qsub -w v and qsub': grid.submit(['-pe', 'smp', '4', '-l', 'gpu=1'], '/job.sh').read,
  'qsub -w v': grid.check(['-pe', 'smp', '4']).read,
  'qsub -w p': grid.couldStart({args: [], text: ''}).read,
  qdel: readRemoval,
  qacct: ({stdout}) => parseAccounting(stdout, null),
  'qconf -sp': ({stdout}) => parseParallelEnvironments(stdout),
  'qconf -sq': ({stdout}) => parseQueues(stdout),
  'qconf -sc': ({stdout}) => parseResources(stdout),
  'scheduler messages': ({stdout}) => waitingReason(stdout, {slots: '4', instances: []}),
  'the site': discoverSite({setup: null, learn: {parallelEnvironments: true, resources: true}} as Parameters<typeof discoverSite>[0]).read,
}

describe('no answer makes a reader throw anything but the typed error', () => {
  test.each(Object.entries(READERS))('%s', (_, read) => {
    fc.assert(
      fc.property(outputs, (output) => {
        try {
          read(output)
        } catch (error) {
          if (!(error instanceof JnodeError)) throw error
        }
      }),
      fuzzing(150),
    )
  })
})

describe('no list makes a job look gone that is there', () => {
  const jobsOf = (xml: string): Job[] => {
    const list = parseJobList(xml)
    return list.kind === 'known' ? list.jobs : []
  }
  const missing = (text: string, broken: string) => {
    const list = parseJobList(broken)
    if (list.kind === 'unknown') return []
    return jobsOf(text).filter(({id, taskId}) => !list.jobs.some((job) => job.id === id && job.taskId === taskId)).map(({id}) => id)
  }

  test.each(LISTS)('%s cut off, or with other text before, after or inside of a tag', (file) => {
    const text = fixture(file)
    const spoilt = fc.oneof(
      fc.nat(text.trimEnd().length - 1).map((end) => text.slice(0, end)),
      fc.nat(text.length).map((start) => text.slice(start)),
      fc.tuple(noise, noise).map(([before, after]) => before + text + after),
      fc.constant(text + text),
      fc.tuple(fc.constantFrom(...LISTS), fc.boolean()).map(([other, first]) => (first ? fixture(other) + text : text + fixture(other))),
      fc.shuffledSubarray(text.split('\n'), {minLength: text.split('\n').length}).map((lines) => lines.join('\n')),
    )
    fc.assert(fc.property(spoilt, (changed) => {
      expect(missing(text, changed)).toEqual([])
    }), fuzzing(100))
  })

  test('jobs in another order, and what is said of each in another order, are the same jobs', () => {
    const text = fixture('qstat-many.xml')
    const elements = text.match(/<job_list[^]*?<\/job_list>/g)!
    const [head, tail] = [text.slice(0, text.indexOf(elements[0]!)), text.slice(text.lastIndexOf('</job_list>') + '</job_list>'.length)]
    const turned = (element: string) => {
      const [first, ...rest] = element.trim().split('\n')
      const last = rest.pop()!
      return fc.shuffledSubarray(rest, {minLength: rest.length}).map((lines) => [first, ...lines, last].join('\n'))
    }
    const sorted = (jobs: Job[]) => jobs.map((job) => JSON.stringify(job)).sort()
    fc.assert(
      fc.property(fc.tuple(...elements.map(turned)).chain((all) => fc.shuffledSubarray(all, {minLength: all.length})), (all) => {
        expect(sorted(jobsOf(`${head}${all.join('\n')}</queue_info><job_info>${tail.slice(tail.indexOf('</job_info>'))}`))).toEqual(sorted(jobsOf(text)))
      }),
      fuzzing(50),
    )
  })

  test('a job that runs is never read as finished, whatever stands around the letters', () => {
    const letters = fc.tuple(fc.subarray(['h', 'R', 'e', 'n', 'x', 'z', 'q', 'w']), fc.constantFrom('r', 't', 's', 'S', 'T', 'd')).chain(([more, one]) => fc.shuffledSubarray([...more, one], {minLength: more.length + 1}))
    fc.assert(
      fc.property(letters, (state) => {
        const [job] = jobsOf(fixture('qstat-running.xml').replace(/<state>[^<]*<\/state>/, `<state>${state.join('')}</state>`))
        expect(job).toBeDefined()
      }),
      fuzzing(150),
    )
  })

  // A reader whose time grows faster than its text would not end here.
  test.each(Object.entries(READERS))('a large text of any kind comes to an end: %s', (_, read) => {
    for (const noise of [...LARGE, ...FILES.map(fixture)]) {
      try {
        read({exitCode: 0, stdout: repeated(noise, fuzzing(100).numRuns! * 1000), stderr: ''})
      } catch (error) {
        expect(error).toBeInstanceOf(JnodeError)
      }
    }
  }, 600_000)

  test('ten megabytes of noise or of jobs are read or refused', () => {
    const [head, tail] = fixture('qstat-running.xml').split(/<job_list[^]*<\/job_list>/) as [string, string]
    const one = /<job_list[^]*?<\/job_list>/.exec(fixture('qstat-running.xml'))![0]
    const jobs = head + one.repeat(Math.ceil(10_000_000 / one.length)) + tail
    expect(jobsOf(jobs).length).toBeGreaterThan(15_000)
    expect(missing(fixture('qstat-running.xml'), jobs.slice(0, -20))).toEqual([])
    for (const noise of LARGE) expect(parseJobList(repeated(noise, 10_000_000)).kind).toBe('unknown')
  }, 120_000)
})
