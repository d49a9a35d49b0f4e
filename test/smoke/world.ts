/** One user, one laptop, one fake cluster, and the built program between them. */
import {afterAll, beforeAll, expect, onTestFinished} from 'vitest'
import {startFakeCluster, type FakeCluster, type FakeClusterOptions} from '../fake-cluster/cluster.ts'
import type {Laptop} from '../fake-cluster/laptop.ts'
import {leftovers, NOTHING, processesOf} from './leftovers.ts'
import {buildPackage, type BuiltPackage} from './package.ts'
import {runJnode, type Ended, type Running} from './run-jnode.ts'

let built: BuiltPackage | null = null

/** For the head of a test file: builds before its tests, removes after them. */
export function usePackage(): void {
  beforeAll(() => {
    built = buildPackage()
  })
  afterAll(() => built?.remove())
}

export interface World {
  cluster: FakeCluster
  laptop: Laptop
  /** Starts jnode on this laptop. */
  launch(args: readonly string[], more?: {env?: Record<string, string>; laptop?: Laptop}): Running
  /** Runs jnode on this laptop to its end. */
  jnode(...args: string[]): Promise<Ended>
  /** Fails unless nothing of any session is left here or there. */
  expectNothingLeft(): Promise<void>
  bin: string
  close(): Promise<void>
}

/** Lives as long as the test that asks for it. */
export async function makeWorld(options: FakeClusterOptions = {}): Promise<World> {
  const world = await openWorld(options)
  onTestFinished(() => world.close())
  return world
}

export async function openWorld(options: FakeClusterOptions = {}): Promise<World> {
  const cluster = await startFakeCluster(options)
  const laptops = [cluster.laptop]
  const {laptop} = cluster
  const bin = built!.bin
  const launch: World['launch'] = (args, {env = {}, laptop: on = laptop} = {}) => {
    if (!laptops.includes(on)) laptops.push(on)
    return runJnode(bin, args, {...on.env, ...env})
  }
  return {
    cluster,
    laptop,
    bin,
    launch,
    jnode: (...args) => launch(args).ended,
    // A process ends a moment after it has closed its connections, and those end a moment later at their other end.
    expectNothingLeft: () => expect.poll(() => leftovers(cluster, laptop), {timeout: 5000}).toEqual(NOTHING),
    async close() {
      for (const {pid} of laptops.flatMap(processesOf)) kill(pid)
      await cluster.close()
    },
  }
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // it ended meanwhile
  }
}

/** Kills the processes on this laptop that `wanted` names by their command. */
export function killHard(world: World, wanted: RegExp): void {
  const found = processesOf(world.laptop).filter(({command}) => wanted.test(command))
  expect(found).toHaveLength(1)
  process.kill(found[0]!.pid, 'SIGKILL')
}

/** What a failed command told its user. */
export interface Refusal {
  exitCode: number | null
  code: string
  message: string
  hint: string | null
}

/** The one document that stdout must be. */
export function documentOf({stdout, stderr}: Ended): Record<string, unknown> {
  try {
    return JSON.parse(stdout) as Record<string, unknown>
  } catch (cause) {
    throw new Error(`stdout is not one JSON document:\n${stdout}\nstderr:\n${stderr}`, {cause})
  }
}

/** Runs a command that must fail, at once as text and (a session "nb" being "nb2") with --json; both must tell the same, and leave nothing. */
export async function refusalOf(world: World, args: readonly string[], env: Record<string, string> = {}): Promise<Refusal> {
  const jsonArgs = [...args.map((arg) => (arg === 'nb' ? 'nb2' : arg)), '--json']
  const [text, json] = await Promise.all([world.launch(args, {env}).ended, world.launch(jsonArgs, {env}).ended])
  await world.expectNothingLeft()
  const {error} = documentOf(json) as {error: Omit<Refusal, 'exitCode'>}
  expect(Object.keys(error).sort()).toEqual(['code', 'hint', 'message'])
  expect(json.exitCode).toBe(text.exitCode)
  expect(text.stdout).toBe('')
  expect(comparable(text.stderr)).toContain(comparable(`Error: ${error.message}\n${error.hint === null ? '' : `  ${error.hint}\n`}`))
  expect(text.stderr + json.stderr).not.toMatch(/\u001B|This is a bug|node:internal|^ {4}at /m)
  return {exitCode: text.exitCode, ...error}
}

/** The two runs have names, job numbers and moments of their own. */
function comparable(text: string): string {
  return text.replaceAll('nb2', 'nb').replaceAll(/(\bjob |-j |\/t\/)\d+/gi, '$1N').replaceAll(/\d\d:\d\d:\d\d(\.\d+)?/g, 'HH:MM:SS')
}
