import {expect, test} from 'vitest'
import {parseHosts} from '../../../src/sge/qhost.ts'
import {fixture} from './fixture.ts'

test('hosts, and what each has a stock of', () => {
  expect(parseHosts(fixture('qhost-F.txt'))).toEqual([
    {name: 'global', up: false, cores: 0, memory: '-', stock: new Map()},
    {name: 'node1.local', up: true, cores: 2, memory: '23.5G', stock: new Map([['mem_free', '8.000G'], ['gpu', '0.000000']])},
    {name: 'node2.local', up: true, cores: 2, memory: '23.5G', stock: new Map([['mem_free', '8.000G'], ['gpu', '2.000000']])},
  ])
})

test('the columns of an old engine, a host that is down, what the cluster as a whole has', () => {
  const old = 'HOSTNAME  ARCH  NCPU  LOAD  MEMTOT  MEMUSE  SWAPTO  SWAPUS\n-----\nglobal - - - - - - -\n   Host Resource(s):   gc:lic=5.000000\nn1  lx26-amd64  16  -  62.9G  -  31.2G  -\n'
  expect(parseHosts(old)).toMatchObject([{name: 'global', stock: new Map([['lic', '5.000000']])}, {name: 'n1', up: false, cores: 16, memory: '62.9G'}])
})

test('what stands before the table is no part of it', () => {
  expect(parseHosts(`\nERROR: ld.so: object 'x.so' cannot be preloaded: ignored.\n${fixture('qhost-F.txt')}`)).toEqual(parseHosts(fixture('qhost-F.txt')))
})

test('a complaint is no list of hosts', () => {
  expect(parseHosts('error: commlib error: got select error')).toBeNull()
  expect(parseHosts('')).toBeNull()
})
