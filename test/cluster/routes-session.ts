/** One running session to which each row of the table of sites is another way. */
import {afterAll, afterEach, beforeAll, expect, test} from 'vitest'
import type {SessionView} from '../../src/flows/session-view.ts'
import {jnodeIn, nothingLeft, sweep} from './jnode.ts'
import {runCell} from './kernel.ts'
import type {Lab} from './lab.ts'
import type {Row} from './routes-table.ts'
import {siteIn} from './site.ts'

export function routesOf(lab: Lab, rows: readonly Row[]): void {
  const jnode = jnodeIn(lab)
  const site = siteIn(lab)
  const forget = () => lab.exec('laptop', 'alice', 'rm -rf ~/.local/state/jnode/routes')

  let kernel: string | null = null

  beforeAll(async () => {
    await site.set({})
    await jnode.ok('start ways --host head --node node1')
    await jnode.ok('disconnect ways')
  })
  afterEach(async () => {
    await jnode.run('disconnect ways')
    // A login that stands goes on although it would not be let in again: the job's own, back to the head.
    await lab.endSessions('head')
    await forget()
  })
  afterAll(async () => {
    await site.asBefore()
    await sweep(lab)
  })

  test.each(rows.map((row) => [row.site, row] as const))('%s', async (_, {is, route, ask}) => {
    await site.set(is)
    if (route === null) {
      const failure = await jnode.fails('connect ways')
      expect(failure).toMatchObject({exitCode: 9, code: 'no-route', message: expect.stringMatching(/^No way from head to the server on node1\.local works \(/) as string})
      expect(failure.hint).toBe(`Ask the cluster’s support for ${ask!.join(', or for ')}.`)
      return
    }
    const session = await jnode.ok('connect ways')
    expect(session.route, JSON.stringify(session.routes)).toBe(route)
    const cell = await runCell(lab, session.url!, {kernel, code: 'print(6 * 7)'})
    expect(cell.output).toBe('42\n')
    kernel = cell.kernel
    // Why the safer ones fell out is told, also to who asks later.
    const told = (await jnode.ok<SessionView>('status ways')).routes!
    expect(told).toEqual(session.routes)
    expect(told.at(-1)).toMatchObject({route, works: true})
    for (const {works, seen} of told.slice(0, -1)) expect([works, seen]).toEqual([false, expect.stringMatching(/./)])
  })

  test('with a closed tunnel, status tells what is remembered of the routes', async () => {
    await site.set({nodes: ['AllowStreamLocalForwarding no']})
    const {routes} = await jnode.ok('connect ways')
    await jnode.ok('disconnect ways')
    expect(await jnode.ok('status ways')).toMatchObject({tunnel: 'closed', route: null, routes})
    expect((await jnode.run('status ways')).stdout).toMatch(/^tunnel +closed \(route node the last time\)\nno socket +the SSH server of node1\.local opens no streams to sockets/m)
  })

  test('after all that, nothing is left', async () => {
    await site.set({})
    await jnode.ok('stop ways')
    await forget()
    await nothingLeft(lab)
  })
}
