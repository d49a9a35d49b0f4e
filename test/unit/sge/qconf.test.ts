import {expect, test} from 'vitest'
import {parseAccessLists, parseParallelEnvironments, parseProjects, parseQueues, parseResources} from '../../../src/sge/qconf.ts'
import {fixture} from './fixture.ts'

const EVERYBODY = {allowed: [], denied: []}

test('parallel environments one after the other', () => {
  expect(parseParallelEnvironments(fixture('qconf-sp-mpi.txt') + fixture('qconf-sp-smp.txt'))).toEqual([
    {name: 'mpi', slots: 999, allocationRule: '$fill_up', access: EVERYBODY},
    {name: 'smp', slots: 999, allocationRule: '$pe_slots', access: EVERYBODY},
  ])
})

test('attributes of other engines and continued lines are taken as they come', () => {
  const univa = 'pe_name                smp\nslots                  40\nused_slots             0\nuser_lists             lab1 \\\n                       lab2\nxuser_lists            NONE\nallocation_rule        $pe_slots\ndaemon_forks_slaves    FALSE\n'
  expect(parseParallelEnvironments(univa)).toEqual([{name: 'smp', slots: 40, allocationRule: '$pe_slots', access: {allowed: ['lab1', 'lab2'], denied: []}}])
})

test('a complaint is no parallel environment', () => {
  expect(parseParallelEnvironments(fixture('qconf-sp-unknown.txt') + fixture('qconf-unreachable.txt'))).toEqual([])
})

test('queues and the environments they offer, on some hosts only too', () => {
  expect(parseQueues(fixture('qconf-sq.txt'))).toEqual([{name: 'all.q', parallelEnvironments: ['make', 'mpi', 'smp'], access: EVERYBODY, projects: [], runSeconds: null, memoryLimits: new Map(), stock: []}])
  const perHost = 'qname a.q\npe_list make smp,[n1.local=mpi], \\\n  [@big=omp shm]\nrerun FALSE\nqname b.q\npe_list NONE\n'
  expect(parseQueues(perHost)).toMatchObject([{name: 'a.q', parallelEnvironments: ['make', 'smp', 'mpi', 'omp', 'shm']}, {name: 'b.q', parallelEnvironments: []}])
})

test('resources: the table between its comments', () => {
  const all = parseResources(fixture('qconf-sc.txt'))
  expect(all).toHaveLength(fixture('qconf-sc.txt').split('\n').filter((line) => line !== '' && !line.startsWith('#')).length)
  expect(all.find(({name}) => name === 'gpu')).toEqual({name: 'gpu', shortcut: 'gpu', type: 'INT', requestable: 'YES', consumable: 'YES', default: '0'})
  expect(all.find(({name}) => name === 'seq_no')).toMatchObject({requestable: 'NO', consumable: 'NO'})
})

test('a queue\'s limits, its people and its projects, and not those of single hosts', () => {
  const text = 'qname long.q\nuser_lists staff,[n1=guests]\nxuser_lists banned\nprojects p1 p2,[n1=p3]\nh_rt 240:00:00,[n1=01:00:00]\nh_vmem 4G\ns_vmem INFINITY\ncomplex_values lic=3,[n1=gpu=2,lic=1]\n'
  expect(parseQueues(text)).toMatchObject([{
    access: {allowed: ['staff'], denied: ['banned']}, projects: ['p1', 'p2'], runSeconds: 864_000, memoryLimits: new Map([['h_vmem', 4 * 2 ** 30]]), stock: expect.arrayContaining(['lic', 'gpu']) as string[],
  }])
})

test('access lists and projects', () => {
  expect(parseAccessLists('name    team\ntype    ACL\nfshare  0\noticket 0\nentries alice,@bob\n\nname    arusers\ntype    ACL\nfshare  0\noticket 0\nentries NONE\n')).toEqual(new Map([['team', ['alice', '@bob']], ['arusers', []]]))
  expect(parseProjects('name proj1\noticket 0\nfshare 0\nacl team\nxacl NONE\n')).toEqual([{name: 'proj1', access: {allowed: ['team'], denied: []}}])
  expect(parseProjects('nosuch is not known as a project\n')).toEqual([])
})
