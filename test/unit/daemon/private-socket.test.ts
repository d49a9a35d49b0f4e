import {chmodSync, chownSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, symlinkSync} from 'node:fs'
import {tmpdir, userInfo} from 'node:os'
import {basename, dirname, join} from 'node:path'
import {describe, expect, onTestFinished, test} from 'vitest'
import {isOurs, makeRoom, privateSocket} from '../../../src/daemon/private-socket.ts'

/** A directory for temporary files of its own, and a state directory that is too long for sockets. */
function computer(): {temporary: string; stateDir: string; usual: string} {
  const root = mkdtempSync(join(tmpdir(), 'jnode-room-'))
  const before = process.env['TMPDIR']
  const temporary = join(root, 'tmp')
  mkdirSync(temporary)
  process.env['TMPDIR'] = temporary
  onTestFinished(() => {
    if (before === undefined) delete process.env['TMPDIR']
    else process.env['TMPDIR'] = before
    rmSync(root, {recursive: true})
  })
  return {temporary, stateDir: join(root, 'deep/'.repeat(20)), usual: join(temporary, `jnode-${userInfo().uid}`)}
}

const placeOf = (stateDir: string) => dirname(privateSocket(stateDir, 'a'))
const isRoot = process.getuid?.() === 0

describe('where the state directory is too long for sockets', () => {
  test('they lie below the directory for temporary files', async () => {
    const {stateDir, usual} = computer()
    await makeRoom(privateSocket(stateDir, 'a'))
    expect(placeOf(stateDir)).toBe(usual)
    expect(statSync(usual).mode & 0o777).toBe(0o700)
  })

  test.each([
    ['a link', (usual: string, temporary: string) => {
      mkdirSync(join(temporary, 'shown'), {mode: 0o755})
      symlinkSync(join(temporary, 'shown'), usual)
    }],
    ['a link to nothing', (usual: string) => symlinkSync('/nonexistent', usual)],
    ['a directory into which everybody can write', (usual: string) => {
      mkdirSync(usual)
      chmodSync(usual, 0o777)
    }],
    ...(isRoot ? [['another user’s directory', (usual: string) => {
      mkdirSync(usual, {mode: 0o700})
      chownSync(usual, 12_345, 12_345)
    }] as const] : []),
  ] as const)('and %s has their name, another place is used by all processes, and that is left alone', async (_, take) => {
    const {temporary, stateDir, usual} = computer()
    take(usual, temporary)
    const taken = readdirSync(temporary)
    const place = placeOf(stateDir)
    expect(basename(place)).toMatch(new RegExp(`^jnode-${userInfo().uid}-[0-9a-f]{16}$`))
    await makeRoom(privateSocket(stateDir, 'a'))
    expect([placeOf(stateDir), isOurs(privateSocket(stateDir, 'a'))]).toEqual([place, true])
    expect(readdirSync(temporary).filter((name) => name !== basename(place)).sort()).toEqual(taken.sort())
    if (taken.includes('shown')) expect(statSync(join(temporary, 'shown')).mode & 0o777).toBe(0o755)
    // Given back, the name is nothing to those who are in the other place.
    rmSync(usual, {recursive: true, force: true})
    expect(placeOf(stateDir)).toBe(place)
    // Another user can foresee none of the names.
    expect(placeOf(`${stateDir}x`)).not.toBe(place)
  })

  test('and the second name is taken, too, a third one is used', async () => {
    const {stateDir, usual} = computer()
    symlinkSync('/nonexistent', usual)
    const second = placeOf(stateDir)
    symlinkSync('/nonexistent', second)
    const third = placeOf(stateDir)
    expect([usual, second]).not.toContain(third)
    await makeRoom(privateSocket(stateDir, 'a'))
  })
})

test('a directory of sockets in the state directory that others can write to is not used', async () => {
  const {temporary, usual} = computer()
  const stateDir = join(temporary, 'state')
  mkdirSync(join(stateDir, 'keepers'), {recursive: true})
  expect(placeOf(stateDir)).toBe(join(stateDir, 'keepers'))
  chmodSync(join(stateDir, 'keepers'), 0o777)
  expect(placeOf(stateDir)).toBe(usual)
  rmSync(join(stateDir, 'keepers'), {recursive: true})
  expect(placeOf(stateDir)).toBe(join(stateDir, 'keepers'))
})
