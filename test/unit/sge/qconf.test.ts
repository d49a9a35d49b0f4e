import {expect, test} from 'vitest'
import {parseParallelEnvironments, parseQueues, parseResources} from '../../../src/sge/qconf.ts'
import {fixture} from './fixture.ts'

test('parallel environments one after the other', () => {
  expect(parseParallelEnvironments(fixture('qconf-sp-mpi.txt') + fixture('qconf-sp-smp.txt'))).toEqual([
    {name: 'mpi', slots: 999, allocationRule: '$fill_up', restricted: false},
    {name: 'smp', slots: 999, allocationRule: '$pe_slots', restricted: false},
  ])
})

test('attributes of other engines and continued lines are taken as they come', () => {
  const univa = 'pe_name                smp\nslots                  40\nused_slots             0\nuser_lists             lab1 \\\n                       lab2\nxuser_lists            NONE\nallocation_rule        $pe_slots\ndaemon_forks_slaves    FALSE\n'
  expect(parseParallelEnvironments(univa)).toEqual([{name: 'smp', slots: 40, allocationRule: '$pe_slots', restricted: true}])
})

test('a complaint is no parallel environment', () => {
  expect(parseParallelEnvironments(fixture('qconf-sp-unknown.txt') + fixture('qconf-unreachable.txt'))).toEqual([])
})

test('queues and the environments they offer, on some hosts only too', () => {
  expect(parseQueues(fixture('qconf-sq.txt'))).toEqual([{name: 'all.q', parallelEnvironments: ['make', 'mpi', 'smp']}])
  const perHost = 'qname a.q\npe_list make smp,[n1.local=mpi], \\\n  [@big=omp shm]\nrerun FALSE\nqname b.q\npe_list NONE\n'
  expect(parseQueues(perHost)).toEqual([{name: 'a.q', parallelEnvironments: ['make', 'smp', 'mpi', 'omp', 'shm']}, {name: 'b.q', parallelEnvironments: []}])
})

test('resources: the table between its comments', () => {
  const all = parseResources(fixture('qconf-sc.txt'))
  expect(all).toHaveLength(fixture('qconf-sc.txt').split('\n').filter((line) => line !== '' && !line.startsWith('#')).length)
  expect(all.find(({name}) => name === 'gpu')).toEqual({name: 'gpu', shortcut: 'gpu', type: 'INT', requestable: 'YES', consumable: 'YES'})
  expect(all.find(({name}) => name === 'seq_no')).toMatchObject({requestable: 'NO', consumable: 'NO'})
})
