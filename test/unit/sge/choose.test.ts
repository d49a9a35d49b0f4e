import {describe, expect, test} from 'vitest'
import {chooseGpu, chooseMemory, chooseResources, type ResourceSite} from '../../../src/sge/choose-resources.ts'
import {chooseParallelEnvironment, type SlotSite} from '../../../src/sge/choose.ts'
import {parseParallelEnvironments, parseQueues, parseResources, type ParallelEnvironment, type Queue} from '../../../src/sge/qconf.ts'
import {failureOf} from '../expect-error.ts'
import {fixture} from './fixture.ts'

const pe = (name: string, allocationRule = '$pe_slots', more: Partial<ParallelEnvironment> = {}): ParallelEnvironment => ({name, allocationRule, slots: 999, access: {allowed: [], denied: []}, ...more})
const queue = (name: string, ...parallelEnvironments: string[]): Queue => ({...parseQueues(`qname ${name}`)[0]!, parallelEnvironments})
const ALICE = {user: 'alice', groups: ['physics'], accessLists: null}
const resources = (...lines: string[]): ResourceSite => ({resources: parseResources(lines.join('\n')), hosts: null, queues: null})

const LAB = {
  ...ALICE,
  hosts: null,
  parallelEnvironments: parseParallelEnvironments(['make', 'mpi', 'smp'].map((name) => fixture(`qconf-sp-${name}.txt`)).join('')),
  queues: parseQueues(fixture('qconf-sq.txt')),
  resources: parseResources(fixture('qconf-sc.txt')),
}

describe('the parallel environment', () => {
  const choose = (site: Pick<SlotSite, 'parallelEnvironments' | 'queues'> & Partial<SlotSite>, slots: number, more: {queue?: string; asked?: string} = {}) =>
    chooseParallelEnvironment({...ALICE, ...site}, {slots, queue: more.queue ?? null, asked: more.asked ?? null})

  test('of the lab: the one that keeps all slots on one host', () => {
    expect(choose(LAB, 4)).toBe('smp')
  })

  test('none for one slot, unless asked for', () => {
    expect(choose(LAB, 1)).toBeNull()
    expect(choose({parallelEnvironments: null, queues: null}, 1)).toBeNull()
    expect(choose(LAB, 1, {asked: 'mpi'})).toBe('mpi')
  })

  test.each([
    ['a well-known name', [pe('aaa'), pe('omp'), pe('smp')], [queue('q', 'aaa', 'omp', 'smp')], 'smp'],
    ['one that some queue offers', [pe('smp'), pe('zzz')], [queue('q', 'zzz')], 'zzz'],
    ['one without a list of users', [pe('smp', '$pe_slots', {access: {allowed: ['some'], denied: []}}), pe('zzz')], null, 'zzz'],
    ['one with enough slots', [pe('smp', '$pe_slots', {slots: 4}), pe('zzz')], null, 'zzz'],
    ['a number of slots per host, when it is just this number', [pe('4way', '4'), pe('8way', '8'), pe('mpi', '$fill_up')], null, '8way'],
  ])('%s', (_, parallelEnvironments, queues, name) => {
    expect(choose({parallelEnvironments, queues}, 8)).toBe(name)
  })

  test('of the queue that was asked for', () => {
    const site = {parallelEnvironments: [pe('smp'), pe('shm')], queues: [queue('a', 'smp'), queue('b', 'shm')]}
    expect(choose(site, 8, {queue: 'b'})).toBe('shm')
    // The queue may be a pattern, or qconf may not list it.
    expect(choose(site, 8, {queue: '*'})).toBe('smp')
  })

  test('not one whose users, or whose queue\'s users, are others', () => {
    const theirs = {allowed: ['others'], denied: []}
    const accessLists = new Map([['others', ['bob']]])
    expect(choose({parallelEnvironments: [pe('smp', '$pe_slots', {access: theirs}), pe('zzz')], queues: null, accessLists}, 8)).toBe('zzz')
    const queues = [{...queue('q', 'smp'), access: theirs}, queue('r', 'zzz')]
    expect(choose({parallelEnvironments: [pe('smp'), pe('zzz')], queues, accessLists}, 8)).toBe('zzz')
  })

  test('there is none at all', () => {
    expect(failureOf(() => choose({parallelEnvironments: [], queues: null}, 8))).toMatchObject({code: 'never-runs', message: 'This cluster has no parallel environment, so no job can have 8 slots'})
  })

  test('none fits: never-runs, naming what there is', () => {
    expect(failureOf(() => choose({parallelEnvironments: [pe('mpi', '$fill_up'), pe('4way', '4')], queues: null}, 8))).toEqual({
      code: 'never-runs',
      message: 'No parallel environment gives 8 slots on one host',
      hint: "Name one with --pe (mpi: $fill_up, 4way: 4), ask for fewer --cores, or for a kind of node in the site's own way with --sge-arg.",
    })
  })

  test('qconf does not answer: say it in the configuration', () => {
    expect(failureOf(() => choose({parallelEnvironments: null, queues: null}, 8))).toMatchObject({code: 'config', hint: expect.stringContaining('--pe') as string})
    expect(choose({parallelEnvironments: null, queues: null}, 8, {asked: 'smp'})).toBe('smp')
  })

  test('one that does not exist', () => {
    expect(failureOf(() => choose(LAB, 4, {asked: 'nosuch'}))).toMatchObject({code: 'rejected', message: 'There is no parallel environment nosuch', hint: expect.stringContaining('smp: $pe_slots') as string})
    expect(choose(LAB, 4, {asked: 'sm*'})).toBe('sm*')
  })
})

describe('memory', () => {
  test('of the lab: counted per slot', () => {
    expect(chooseMemory(LAB, null)).toEqual([{resource: 'mem_free', per: 'slot'}])
  })

  test.each([
    ['counted once per job', ['h_vmem h_vmem MEMORY <= YES JOB 2G 0', 'mem_free mf MEMORY <= YES NO 0 0'], 'h_vmem', 'job'],
    ['counted once per host', ['m_mem_free mmf MEMORY <= YES HOST 0 0'], 'm_mem_free', 'job'],
    ['what is used before what is reserved', ['h_vmem h_vmem MEMORY <= YES YES 0 0', 'mem_free mf MEMORY <= YES YES 0 0'], 'mem_free', 'slot'],
    ['what a job must ask for before all', ['mem_free mf MEMORY <= YES YES 0 0', 'h_vmem h_vmem MEMORY <= FORCED YES 0 0'], 'h_vmem', 'slot'],
    ['nothing counted: only compared, so not divided', ['h_vmem h_vmem MEMORY <= YES NO 0 0', 'mem_free mf MEMORY <= YES NO 0 0'], 'mem_free', 'job'],
    ['a name of the site\'s own', ['gb_mem gb MEMORY <= YES YES 0 0', 'scratch sc MEMORY <= YES YES 0 0'], 'gb_mem', 'slot'],
  ])('%s', (_, lines, resource, per) => {
    expect(chooseMemory(resources(...lines), null)).toEqual([{resource, per}])
  })

  test('all that a job must ask for', () => {
    expect(chooseMemory(resources('tmem tmem MEMORY <= FORCED YES 0 0', 'h_vmem h_vmem MEMORY <= FORCED YES 0 0', 'mem_free mf MEMORY <= YES YES 0 0'), null)).toEqual([
      {resource: 'tmem', per: 'slot'}, {resource: 'h_vmem', per: 'slot'},
    ])
  })

  test('of those that are counted, the one that hosts have a stock of', () => {
    const site = resources('mem_free mf MEMORY <= YES YES 0 0', 'h_vmem h_vmem MEMORY <= YES YES 1G 0')
    const host = {name: 'n1', up: true, cores: 8, memory: '8G', stock: new Map([['h_vmem', '8.000G']])}
    expect(chooseMemory({...site, hosts: [host]}, null)).toEqual([{resource: 'h_vmem', per: 'slot'}])
    expect(chooseMemory({...site, queues: parseQueues('qname q\ncomplex_values h_vmem=8G')}, null)).toEqual([{resource: 'h_vmem', per: 'slot'}])
  })

  test('the configuration decides', () => {
    expect(chooseMemory(resources(), [{resource: 'h_data', per: 'slot'}])).toEqual([{resource: 'h_data', per: 'slot'}])
  })

  test.each([
    ['qconf does not answer', {...resources(), resources: null}],
    ['it cannot be asked for', resources('mem_free mf MEMORY <= NO NO 0 0')],
    ['two unknown names', resources('gb_mem gb MEMORY <= YES YES 0 0', 'mem_x mx MEMORY <= YES YES 0 0')],
  ])('%s: say it in the configuration', (_, site) => {
    expect(failureOf(() => chooseMemory(site, null))).toMatchObject({code: 'config', hint: expect.stringContaining('memory = {resource') as string})
  })
})

describe('GPUs', () => {
  test('of the lab: counted per slot', () => {
    expect(chooseGpu(LAB, null)).toEqual({resource: 'gpu', per: 'slot'})
  })

  test.each([
    ['a resource map', ['gpu gpu RSMAP <= YES YES 0 0'], 'gpu', 'slot'],
    ['counted once per job', ['ngpus ng INT <= YES JOB 0 0'], 'ngpus', 'job'],
    ['a name of the site\'s own', ['v100_gpu v INT <= YES YES 0 0', 'gpu_model gm STRING == YES NO 0 0', 'gpu.ncuda gn INT <= YES NO 0 0'], 'v100_gpu', 'slot'],
  ])('%s', (_, lines, resource, per) => {
    expect(chooseGpu(resources(...lines), null)).toEqual({resource, per})
  })

  test('the configuration names it, the site says how it is counted', () => {
    expect(chooseGpu(resources('gpu gpu INT <= YES YES 0 0', 'ngpus ng INT <= YES JOB 0 0'), {resource: 'ng'})).toEqual({resource: 'ngpus', per: 'job'})
    expect(chooseGpu(resources(), {resource: 'card'})).toEqual({resource: 'card', per: 'slot'})
  })

  test('several, and none with a known name', () => {
    expect(failureOf(() => chooseGpu(resources('a_gpu a INT <= YES YES 0 0', 'b_gpu b INT <= YES YES 0 0'), null))).toMatchObject({
      code: 'config', message: 'Which resource stands for GPUs on this cluster cannot be told (there are a_gpu, b_gpu)',
    })
    expect(failureOf(() => chooseGpu(resources(), null)).code).toBe('config')
  })
})

test('what is not asked for needs no resource', () => {
  const nothing = {memory: null, gpu: null}
  expect(chooseResources(resources(), {memoryBytes: null, gpus: 0}, nothing)).toEqual({memory: [], gpu: null})
  expect(chooseResources(LAB, {memoryBytes: 1, gpus: 1}, nothing)).toEqual({memory: [{resource: 'mem_free', per: 'slot'}], gpu: {resource: 'gpu', per: 'slot'}})
})
