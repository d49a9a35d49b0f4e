import {describe, expect, test} from 'vitest'
import {isOurs, ownerOf} from '../../../src/ui/browser.ts'

const TABLE = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:9C40 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 11111 1 0000000000000000 100 0 0 10 0
   1: 0100007F:9C40 0100007F:C350 01 00000000:00000000 00:00000000 00000000  1000        0 22222 1 0000000000000000 20 4 30 10 -1
   2: 0100007F:C350 0100007F:9C40 01 00000000:00000000 00:00000000 00000000  1001        0 33333 1 0000000000000000 20 4 30 10 -1
`

test('the owner is that of the socket at the other end', () => {
  expect(ownerOf(TABLE, {from: 50_000, to: 40_000})).toBe(1001)
  expect(ownerOf(TABLE, {from: 50_001, to: 40_000})).toBeNull()
})

describe('the address is given to', () => {
  test.each([
    ['this user', 1000, false, true],
    ['this user on WSL', 1000, true, true],
    ['another user', 1001, false, false],
    ['another user on WSL', 1001, true, false],
    ['root', 0, false, false],
    ['the relay of WSL, which is root’s', 0, true, true],
    ['Windows in one network with WSL', null, true, true],
    ['nobody that is known', null, false, false],
  ])('%s', (_, owner, wsl, given) => {
    expect(isOurs(owner, {me: 1000, wsl})).toBe(given)
  })
})
