/**
 * The list of jobs, on text that no engine should print: cut, shuffled, polluted, doubled, large. All readers: test/unit/fuzz.test.ts.
 * JNODE_FUZZ_RUNS and JNODE_FUZZ_SEED make it more and other; see CONTRIBUTING.md.
 */
import fc from 'fast-check'
import {readdirSync} from 'node:fs'
import {describe, expect, test} from 'vitest'
import {parseJobList, type Job} from '../../../src/sge/qstat.ts'
import {fuzzing, noise} from '../fuzzing.ts'
import {fixture} from './fixture.ts'

const FILES = readdirSync(new URL('../../fixtures/sge/', import.meta.url)).filter((name) => /\.(xml|txt)$/.test(name))
const LISTS = FILES.filter((name) => /^qstat-(?!j-|g-c).*\.xml$/.test(name))

const LARGE = ['x', '<a>', '<', '&', '\n', ' ', '(-l ', 'queue instance "', '<job_info><queue_info>', 'qname x\n', '\\\n', 'error reason 1: [']
const repeated = (text: string, length: number) => (text === '' ? '' : text.repeat(Math.ceil(length / text.length)))

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

  test('ten megabytes of noise or of jobs are read or refused', () => {
    const [head, tail] = fixture('qstat-running.xml').split(/<job_list[^]*<\/job_list>/) as [string, string]
    const one = /<job_list[^]*?<\/job_list>/.exec(fixture('qstat-running.xml'))![0]
    const jobs = head + one.repeat(Math.ceil(10_000_000 / one.length)) + tail
    expect(jobsOf(jobs).length).toBeGreaterThan(15_000)
    expect(missing(fixture('qstat-running.xml'), jobs.slice(0, -20))).toEqual([])
    for (const noise of LARGE) expect(parseJobList(repeated(noise, 10_000_000)).kind).toBe('unknown')
  }, 120_000)
})
