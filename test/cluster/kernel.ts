/** A kernel with a variable in it: what a session is for, and what no fault may lose. */
import type {ChildProcess} from 'node:child_process'
import {randomUUID} from 'node:crypto'
import {createInterface} from 'node:readline'
import {expect, onTestFinished} from 'vitest'
import type {Lab} from './lab.ts'
import type {Who} from './jnode.ts'
import {until} from './run.ts'

/** One thing that happened, as programs/kernel.js tells; `closed` holds a code, or the HTTP status that refused the websocket. */
type Happening = {kernel: string} | {output: string} | {opened: true} | {closed: number}

export interface OpenKernel {
  /** Runs a cell and answers with what it prints; on a new websocket when the old one breaks. */
  run(code: string): Promise<string>
  /** The variable is still there, in the same process of the same node. Fails the test if not. */
  survives(): Promise<void>
  /** As closing the browser tab; after that `survives` opens another one. */
  close(): void
  /** What has happened to the websocket so far: `opened` or why it closed. */
  history(): (number | 'opened')[]
}

/** Opens a kernel behind a session's URL and sets a variable there. One websocket stays open, as in a browser tab. */
export async function openKernel(lab: Lab, url: string, who: Who = {}): Promise<OpenKernel> {
  const heard: Happening[] = []
  let complaint = ''
  let child: ChildProcess | null = null
  const open = () => {
    child = lab.spawn(who.host ?? 'laptop', who.user ?? 'alice', ['node', '/srv/jnode/test/cluster/programs/kernel.js'])
    child.stderr!.on('data', (data: Buffer) => (complaint += data.toString()))
    child.stdin!.on('error', () => {}) // its end is told below
    createInterface({input: child.stdout!}).on('line', (line) => heard.push(JSON.parse(line) as Happening))
    const known = heard.find((one) => 'kernel' in one)
    write({url, ...known})
  }
  const write = (line: object) => void child!.stdin!.write(`${JSON.stringify(line)}\n`)
  const close = () => {
    if (child?.exitCode === null && child.signalCode === null) child.kill()
    child = null
  }
  onTestFinished(close)
  const outputs = () => heard.filter((one) => 'output' in one)
  const run = async (code: string): Promise<string> => {
    if (child?.exitCode !== null || child.signalCode !== null) open()
    const before = outputs().length
    write({code})
    await until('the kernel’s answer', () => outputs().length > before || child!.exitCode !== null, 200_000)
    const answer = outputs()[before]
    if (!answer) throw new Error(`kernel.js ended: ${complaint}`)
    return answer.output
  }
  const secret = randomUUID()
  const look = 'import os, socket\nprint(kept, os.getpid(), socket.gethostname())'
  const before = await run(`kept = '${secret}'\n${look}`)
  expect(before).toContain(secret)
  return {
    run,
    async survives() {
      expect(await run(look)).toBe(before)
    },
    close,
    history: () => heard.flatMap((one): (number | 'opened')[] => ('opened' in one ? ['opened'] : 'closed' in one ? [one.closed] : [])),
  }
}

/** Runs one cell behind a session's URL, in a kernel of before or in a new one; answers with what it prints. */
export async function runCell(lab: Lab, url: string, {kernel, code}: {kernel: string | null; code: string}): Promise<{kernel: string; output: string}> {
  const input = [{url, ...(kernel === null ? {} : {kernel})}, {code}].map((line) => `${JSON.stringify(line)}\n`).join('')
  const {stdout, stderr} = await lab.exec('laptop', 'alice', ['node', '/srv/jnode/test/cluster/programs/kernel.js'], {input, timeoutMs: 60_000})
  const heard = stdout.split('\n').filter(Boolean).map((line) => JSON.parse(line) as Happening)
  const happened = Object.assign({}, ...heard) as {kernel?: string; output?: string}
  if (happened.kernel === undefined || happened.output === undefined) throw new Error(`no answer of a kernel: ${stdout}${stderr}`)
  return {kernel: happened.kernel, output: happened.output}
}
