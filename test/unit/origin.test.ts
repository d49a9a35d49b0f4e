import {describe, expect, test} from 'vitest'
import {hostHeader, LABEL, originOf} from '../../src/origin.ts'

const label = (n: number) => `j${n.toString(16).padStart(20, '0')}`

describe('the address of a label', () => {
  test('is the same on each computer and in each version, for URLs are saved', () => {
    expect(originOf(label(0))).toEqual({label: label(0), address: '127.123.153.96'})
    expect(originOf(label(1))).toEqual({label: label(1), address: '127.19.33.222'})
  })

  test('is none that a system uses itself', () => {
    for (let n = 0; n < 5000; n++) expect(originOf(label(n)).address).toMatch(/^127(\.([1-9]|[1-9]\d|1\d\d|2[0-4]\d|25[0-4])){3}$/)
  })
})

test.each(['', 'localhost', 'j', label(0).toUpperCase(), `${label(0)}0`, `${label(0)}\n`, `x.${label(0).slice(2)}`, '-'.repeat(21)])('%j is no label', (text) => {
  expect(LABEL.test(text)).toBe(false)
})

test('a Host header leaves out the port that http implies', () => {
  expect(hostHeader('127.1.2.3', 8888)).toBe('127.1.2.3:8888')
  expect(hostHeader('127.1.2.3', 80)).toBe('127.1.2.3')
})
