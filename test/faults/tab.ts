/** A real browser tab with a notebook in it, left open while things break. */
import {createInterface} from 'node:readline'
import {expect, onTestFinished} from 'vitest'
import type {Lab} from '../cluster/lab.ts'
import {until} from '../cluster/run.ts'

export interface Tab {
  /** The notebook in it shows its variable again; answers how it came back. Fails the test if not. */
  survives(): Promise<'by itself' | 'by its menu'>
  /** What a second tab shows that goes to this URL now. */
  visit(url: string): Promise<string>
  /** What that second tab shows by now. */
  read(): Promise<string>
  close(): Promise<void>
}

type Told = {output: string; healed: 'by itself' | 'by its menu'} | {text: string}

export async function openTab(lab: Lab, url: string): Promise<Tab> {
  const child = lab.spawn('laptop', 'alice', ['node', '/srv/jnode/test/cluster/programs/tab.js'])
  onTestFinished(() => void (child.exitCode === null && child.kill()))
  const told: Told[] = []
  let complaint = ''
  child.stderr!.on('data', (data: Buffer) => (complaint += data.toString()))
  createInterface({input: child.stdout!}).on('line', (line) => told.push(JSON.parse(line) as Told))
  const ask = async (line: object): Promise<Told> => {
    const before = told.length
    child.stdin!.write(`${JSON.stringify(line)}\n`)
    await until('the browser', () => told.length > before || child.exitCode !== null, 240_000)
    if (told.length === before) throw new Error(`tab.js ended: ${complaint}`)
    return told[before]!
  }
  const text = async (line: object) => ((await ask(line)) as {text: string}).text
  const run = async (code: string) => (await ask({code})) as {output: string; healed: 'by itself' | 'by its menu'}
  await ask({url})
  const look = 'import os, socket\nprint(kept, os.getpid(), socket.gethostname())'
  const {output: before} = await run(`kept = 'in the tab'\n${look}`)
  expect(before).toContain('in the tab')
  return {
    async survives() {
      const {output, healed} = await run(look)
      expect(output).toBe(before)
      return healed
    },
    visit: (visited) => text({visit: visited}),
    read: () => text({read: true}),
    async close() {
      child.stdin!.end()
      await until('the end of the browser', () => child.exitCode !== null)
    },
  }
}
