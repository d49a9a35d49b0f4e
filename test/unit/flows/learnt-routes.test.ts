import {expect, test} from 'vitest'
import {learntLines} from '../../../src/flows/learnt-lines.ts'
import type {RouteLook} from '../../../src/flows/look-at-routes.ts'
import type {SiteReport} from '../../../src/flows/site-report.ts'

const REPORT: SiteReport = {
  engine: 'SGE 8.1.9', qsub: 'PATH', home: '/home/alice', scratch: [], parallelEnvironments: null, pe: null, peRefusesOne: false, memory: null, memoryCandidates: [], memoryNeeded: false,
  gpu: null, gpuCandidates: [], gpuHosts: null, tight: null, queues: null, timeNeeded: false, projects: [], projectNeeded: false, defaultProject: null, jupyters: [], nodes: null, routes: null,
}

const linesOf = (routes: SiteReport['routes']) => {
  const lines = learntLines({report: {...REPORT, routes}, usual: {time: null, mem: null, project: null, jupyter: null}, host: 'head', jump: [], sgeSetup: null, date: '2026-11-21'})
  expect(lines.map(({key}) => key)).not.toContain('route')
  return lines.map(({why}) => why).filter((why) => /\broutes? /.test(why))
}
const look = (route: RouteLook['route'], works: boolean | null, seen: string): RouteLook => ({route, works, seen, ask: null})

test('each route has a line, and the one that auto takes is named', () => {
  const looks = [look('socket', false, 'no sockets there'), look('node', true, 'ports are open'), look('reverse', null, 'it begins on node1')]
  expect(linesOf({node: 'node1', looks, ask: []})).toEqual([
    'route socket does not work: no sockets there',
    'route node works: ports are open',
    'route reverse is not known without a job: it begins on node1',
    '--route auto takes node, the safest that was seen to work; seen on node1, `jnode doctor --job` tries each with a short job',
  ])
})

test('where none was seen to work, the file says what to ask for; where no node was up, that nothing is known', () => {
  const all = '`jnode doctor --job` tries each with a short job'
  expect(linesOf({node: 'node1', looks: [look('direct', false, 'a firewall')], ask: ['this', 'that']}).at(-1)).toBe(`no route was seen to work: ask the cluster’s support for this, or for that; seen on node1, ${all}`)
  expect(linesOf({node: 'node1', looks: [look('reverse', null, 'who knows')], ask: []}).at(-1)).toBe(`no route was seen to work; seen on node1, ${all}`)
  expect(linesOf(null)).toEqual([`routes are not known: no node was up; ${all}`])
})
