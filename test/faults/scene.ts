/** What all rows share: a session with an open kernel, something that breaks, and the proof that nothing was lost. */
import {appendFile} from 'node:fs/promises'
import {expect} from 'vitest'
import type {SessionView} from '../../src/flows/session-view.ts'
import {jnodeIn, nothingLeft} from '../cluster/jnode.ts'
import {openKernel, type OpenKernel} from '../cluster/kernel.ts'
import type {Lab} from '../cluster/lab.ts'
import {until} from '../cluster/run.ts'

export interface Scene {
  session: SessionView & {url: string; keeperPid: number}
  kernel: OpenKernel
  /** Waits for what `list` says of the session's tunnel. */
  tunnelIs(state: SessionView['tunnel'], withinMs?: number): Promise<void>
}

export const seconds = (n: number) => new Promise((resolve) => setTimeout(resolve, n * 1000))

/** The keeper's own word, without a login: `list` would make one of its own, which is part of what is counted. */
export async function tunnelOf(lab: Lab, name: string): Promise<string> {
  const program = `const {request} = require('http'); const dir = process.env.HOME + '/.local/state/jnode/keepers/'
for (const file of require('fs').readdirSync(dir).filter((name) => /^[0-9a-f]+\\.sock$/.test(name))) request({socketPath: dir + file, path: '/status', timeout: 4000}, async (res) => {
  let text = ''; for await (const part of res) text += part
  const status = JSON.parse(text); if (status.name === ${JSON.stringify(name)}) console.log(status.tunnel)
}).on('error', () => {}).end()`
  return (await lab.exec('laptop', 'alice', ['node', '-e', program])).stdout.trim()
}

interface ThroughOptions {
  flags?: string
  who?: {env?: NodeJS.ProcessEnv}
  /** Packets were lost: nobody can tell a server that its client has gone, and its own TCP repeats every two minutes at most. */
  cut?: boolean
}

const SERVERS = ['gateway', 'head', 'node1', 'node2'] as const

/** Starts a session, lets `fault` happen under its kernel, and wants the variable back by the same URL; then stops it and wants nothing left. */
export async function through(lab: Lab, name: string, fault: (scene: Scene) => Promise<void>, {flags = '', who = {}, cut = false}: ThroughOptions = {}): Promise<void> {
  const jnode = jnodeIn(lab)
  const session = (await jnode.ok(`start ${name} ${flags.includes('--host') ? flags : `--host head ${flags}`}`, who)) as Scene['session']
  const kernel = await openKernel(lab, session.url)
  const tunnelIs: Scene['tunnelIs'] = (state, withinMs = 120_000) =>
    until(`tunnel ${state}`, async () => (await tunnelOf(lab, name)) === state, withinMs).then(() => {})
  await fault({session, kernel, tunnelIs}).catch(async (error: unknown) => {
    console.log((await lab.exec('laptop', 'alice', 'tail -n 40 ~/.local/state/jnode/keeper.log')).stdout)
    throw error
  })
  await kernel.survives()
  expect((await jnode.run(`url ${name}`)).stdout).toBe(`${session.url}\n`)
  kernel.close()
  await jnode.ok(`stop ${name}`)
  if (cut) await until('each server has missed what was cut', async () => (await Promise.all(SERVERS.map((host) => lab.processes(host, 'alice')))).flat().every(({command}) => command !== 'sshd'), 300_000)
  await nothingLeft(lab)
}

/** A figure for docs/reliability.md: printed, and written where JNODE_FIGURES says. */
export async function figure(what: string, value: string): Promise<void> {
  console.log(`figure: ${what}: ${value}`)
  if (process.env.JNODE_FIGURES) await appendFile(process.env.JNODE_FIGURES, `${what}: ${value}\n`)
}
