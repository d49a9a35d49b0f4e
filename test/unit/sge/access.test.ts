import {expect, test} from 'vitest'
import {mayUse} from '../../../src/sge/access.ts'

const alice = {user: 'alice', groups: ['alice', 'physics'], accessLists: new Map([['me', ['alice']], ['us', ['@physics']], ['others', ['bob', '@alice2']]])}

test.each([
  ['everybody', [], [], 'yes'],
  ['a list that names the user', ['others', 'me'], [], 'yes'],
  ['a list that names a group', ['us'], [], 'yes'],
  ['other people\'s list', ['others'], [], 'no'],
  ['all but the user', [], ['us'], 'no'],
  ['allowed and denied', ['me'], ['us'], 'no'],
  ['all but others', [], ['others'], 'yes'],
] as const)('%s', (_, allowed, denied, answer) => {
  expect(mayUse({allowed: [...allowed], denied: [...denied]}, alice)).toBe(answer)
})

test('lists that cannot be read say nothing', () => {
  expect(mayUse({allowed: ['me'], denied: []}, {...alice, accessLists: null})).toBe('unknown')
})
