import {parse} from 'smol-toml'
import {describe, expect, test} from 'vitest'
import {withCluster, withDefaultCluster, type LearntLine} from '../../../src/config/edit.ts'
import {failureOf} from '../expect-error.ts'

const LINES: LearntLine[] = [{why: 'today'}, {key: 'host', value: '"me@head"', why: 'named'}, {key: 'pe', value: '"smp"', why: 'one host'}]
const TABLE = '[clusters.hpc]\n# learnt: today\nhost = "me@head"  # learnt: named\npe = "smp"  # learnt: one host\n'
const edit = (text: string, lines = LINES, name = 'hpc') => withCluster(text, name, lines, '/me/config.toml')

const OTHERS = `# my clusters
default_cluster = "lab" # the small one

[clusters.lab]   # next door
host = "labhead" # not the gateway
jump = [
  "a", # first
  # [clusters.hpc] is no table here
  "b",
]
motd = """
[clusters.hpc]
# learnt: nothing
"""

# for nights
[profiles.night]
time = "12h"
`

test('an empty file gets the table', () => {
  expect(edit('')).toEqual({text: TABLE, table: TABLE.trim(), kept: []})
})

test('a reason in words of a strange program stays a comment of one line', () => {
  const {text} = edit('', [{why: 'it said\n\u001B[31mno\u0007'}, ...LINES.slice(1)])
  expect(text).toContain('# learnt: it said \uFFFD[31mno\uFFFD\n')
  expect(parse(text)).toMatchObject({clusters: {hpc: {pe: 'smp'}}})
})

test('a new table goes to the end, and all else stays byte for byte', () => {
  expect(edit(OTHERS).text).toBe(`${OTHERS}\n${TABLE}`)
  expect(edit(OTHERS.trimEnd()).text).toBe(`${OTHERS}\n${TABLE}`)
})

test('a table of ours is written anew where it stands', () => {
  const before = `${OTHERS}\n${TABLE.replace('"smp"', '"old"')}\n[profiles.day]\ntime = "1h"\n`
  const {text} = edit(before)
  expect(text).toBe(before.replace('"old"', '"smp"'))
  expect(edit(text).text).toBe(text)
})

test('what was learnt and is true no longer goes', () => {
  expect(edit(`${TABLE}time = "8h"  # learnt: needed\n# learnt: home\n`).text).toBe(TABLE)
})

test('the owner\'s lines and comments stay, and decide', () => {
  const own = '# mine\nsetup = ["a",\n  "b"] # learnt the hard way\npe = "omp" # ours is better\n'
  expect(edit(`[clusters.hpc] # big\nhost = "me@head"  # learnt: named\n${own}`)).toMatchObject({
    text: `[clusters.hpc] # big\n# learnt: today\nhost = "me@head"  # learnt: named\n${own}`,
    kept: ['pe'],
  })
})

test('a table within counts as the owner\'s too', () => {
  const before = '[clusters.hpc]\nhost = "me@head"\n[clusters.hpc.memory]\nresource = "m"\nper = "job"\n'
  const {text, kept} = edit(before, [...LINES, {key: 'memory', value: '{resource = "x", per = "slot"}', why: 'w'}])
  expect(kept).toEqual(['host', 'memory'])
  expect(parse(text)).toEqual({clusters: {hpc: {host: 'me@head', pe: 'smp', memory: {resource: 'm', per: 'job'}}}})
})

test('line ends of Windows and a byte order mark stay', () => {
  const before = '\uFEFFdefault_cluster = "lab"\r\n[clusters.lab]\r\nhost = "h"\r\n'
  expect(edit(before).text).toBe(`${before}\r\n${TABLE.replaceAll('\n', '\r\n')}`)
  expect(withDefaultCluster('\uFEFF[clusters.lab]\r\nhost = "h"\r\n', 'lab', 'first')).toBe('\uFEFFdefault_cluster = "lab"  # learnt: first\r\n[clusters.lab]\r\nhost = "h"\r\n')
})

test('a name with a dot is quoted', () => {
  const {text} = edit('', LINES, 'my.site')
  expect(text).toMatch(/^\[clusters\."my\.site"\]\n/)
  expect(edit(text, LINES, 'my.site').text).toBe(text)
})

describe('what cannot be changed without touching other lines is left', () => {
  test.each([
    ['an inline table', '[clusters]\nhpc = {host = "h"}\n'],
    ['a dotted key', 'clusters.hpc.host = "h"\n'],
  ])('%s', (_, before) => {
    expect(failureOf(() => edit(before))).toMatchObject({
      code: 'config', message: expect.stringContaining('/me/config.toml') as string, hint: expect.stringContaining('Nothing was changed') as string,
    })
  })
})
