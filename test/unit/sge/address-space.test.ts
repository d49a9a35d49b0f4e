import {expect, test} from 'vitest'
import {tightAddressSpace, type Reserving} from '../../../src/sge/address-space.ts'
import {parseQueues, parseResources} from '../../../src/sge/qconf.ts'
import type {ResourceUse} from '../../../src/sge/qsub.ts'

const GIB = 2 ** 30
const H_VMEM: ResourceUse[] = [{resource: 'h_vmem', per: 'slot'}]
const warn = (request: Partial<Reserving>, memory: ResourceUse[] = H_VMEM, site = {}) =>
  tightAddressSpace({resources: null, queues: null, ...site}, {slots: 4, memoryBytes: null, gpus: 0, queue: null, ...request}, memory)

test('little of what is reserved, for so many slots', () => {
  expect(warn({memoryBytes: GIB})).toEqual({
    text: 'h_vmem limits each process of this session to 1G; it counts what is reserved, not what is used, and threads of Jupyter with 4 slots may not start below 2G',
    hint: 'Ask for more with --mem 2G.',
  })
  expect(warn({memoryBytes: 2 * GIB})).toBeNull()
  expect(warn({memoryBytes: 2 * GIB, slots: 8})?.hint).toBe('Ask for more with --mem 3G.')
})

test('CUDA reserves without measure', () => {
  expect(warn({memoryBytes: 64 * GIB, gpus: 1})?.text).toContain('programs that use a GPU reserve far more')
})

test('memory that is counted as it is used is no such limit', () => {
  expect(warn({memoryBytes: 2 ** 20, gpus: 1}, [{resource: 'mem_free', per: 'slot'}])).toBeNull()
})

test('the limit of those who ask for nothing', () => {
  const counted = {resources: parseResources('h_vmem h_vmem MEMORY <= YES YES 256M 0')}
  expect(warn({}, [], counted)?.text).toContain('h_vmem limits each process of this session to 1G, as the site has it where nothing is asked for;')
  expect(warn({memoryBytes: 8 * GIB}, H_VMEM, counted)).toBeNull()
})

test('the limit of the queues, as long as none is without', () => {
  const limited = 'qname a\nh_vmem 1G\nqname b\nh_vmem 512M\n'
  expect(warn({}, [], {queues: parseQueues(limited)})?.text).toContain('to 1G in queue a;')
  expect(warn({queue: 'b'}, [], {queues: parseQueues(limited)})?.text).toContain('to 512M in queue b;')
  expect(warn({}, [], {queues: parseQueues(`${limited}qname c\nh_vmem INFINITY\n`)})).toBeNull()
})
