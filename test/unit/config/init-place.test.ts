import {describe, expect, test} from 'vitest'
import type {Place} from '../../../src/config/cluster.ts'
import {resolveInit} from '../../../src/config/init-place.ts'
import {NO_SETTINGS, type Config} from '../../../src/config/load.ts'
import {failureOf} from '../expect-error.ts'

const CLUSTERS = new Map([['hpc', {host: 'me@head.example.org', jump: ['gw'], settings: NO_SETTINGS}]])
const resolve = (name: string | null, place: Place, {clusters = new Map(), hasLocalQsub = false}: {clusters?: Config['clusters']; hasLocalQsub?: boolean} = {}) => {
  const {cluster, ...rest} = resolveInit(name, place, {config: {file: '/f', where: '/f', defaultCluster: null, clusters, profiles: new Map()}, hasLocalQsub})
  return {label: cluster.label, ...rest}
}

test.each([
  ['a new host, called after it', null, {host: 'me@head.example.org:2222', jump: ['gw']}, {name: 'head', host: 'me@head.example.org:2222', jump: ['gw']}],
  ['an address', null, {host: '10.1.2.3'}, {name: '10.1.2.3', host: '10.1.2.3', jump: []}],
  ['a name of the user\'s choice', 'big', {host: 'head'}, {name: 'big', host: 'head', jump: []}],
])('%s', (_, name, place, expected) => {
  expect(resolve(name, place)).toMatchObject(expected)
})

test('a cluster that is configured, by any way of naming it', () => {
  const hpc = {label: 'me@head.example.org', name: 'hpc', host: 'me@head.example.org', jump: ['gw']}
  for (const [name, place] of [['hpc', {}], [null, {cluster: 'hpc'}], [null, {}]] as const) expect(resolve(name, place, {clusters: CLUSTERS})).toEqual(hpc)
})

test('this machine', () => {
  expect(resolve(null, {}, {hasLocalQsub: true})).toEqual({label: 'this machine', name: 'local', host: 'local', jump: []})
})

describe('refused', () => {
  test('the name of another host\'s cluster', () => {
    expect(failureOf(() => resolve('hpc', {host: 'other'}, {clusters: CLUSTERS}))).toMatchObject({code: 'usage', message: 'The cluster hpc in /f has another head node, me@head.example.org'})
  })

  test('a name that is none', () => {
    expect(failureOf(() => resolve('a b', {host: 'h'}))).toMatchObject({code: 'usage', message: '"a b" cannot be the name of a cluster'})
  })

  test('nothing named', () => {
    expect(failureOf(() => resolve(null, {})).code).toBe('config')
  })
})
