/** jnode as the lab's people run it: the built program on a laptop, by its command line; and what it leaves behind. */
import {expect} from 'vitest'
import type {SessionView} from '../../src/flows/session-view.ts'
import type {Lab} from './lab.ts'
import {type Result, until} from './run.ts'
import {HOST_NAMES, type HostName, LAPTOPS} from './topology.ts'
import {USERS} from './users.ts'

const PROGRAM = '/srv/jnode/bin/run.js'

/** Who runs it and where; alice on the laptop unless told otherwise. */
export interface Who {
  host?: HostName
  user?: string
  env?: NodeJS.ProcessEnv
}

/** The one document of `--json` when something is wrong. */
export interface Failure {
  exitCode: number | null
  code: string
  message: string
  hint: string | null
}

/** A jnode that is still running. */
export interface Running {
  stdout(): string
  stderr(): string
  /** Waits for a text in what it prints on stderr. */
  says(text: string | RegExp): Promise<void>
  signal(name: NodeJS.Signals): void
  /** Types into its terminal or stdin. */
  type(text: string): void
  readonly ended: Promise<Result>
}

export type Jnode = ReturnType<typeof jnodeIn>

/** Runs jnode in this lab. `line` is what a user types after `jnode`. */
export function jnodeIn(lab: Lab) {
  const env = (who: Who) => ({JNODE_NO_BROWSER: 'true', ...who.env})
  const run = (line: string, who: Who = {}): Promise<Result> =>
    lab.exec(who.host ?? 'laptop', who.user ?? 'alice', `exec ${PROGRAM} ${line}`, {env: env(who), timeoutMs: 100_000})

  async function json<T>(line: string, who?: Who): Promise<{exitCode: number | null; document: T; stderr: string}> {
    const {exitCode, stdout, stderr} = await run(`${line} --json`, who)
    try {
      return {exitCode, document: JSON.parse(stdout) as T, stderr}
    } catch {
      throw new Error(`jnode ${line} --json printed no document: ${stdout}${stderr}`)
    }
  }

  return {
    run,
    json,
    /** Runs a command that must work; answers with its document. */
    async ok<T = SessionView>(line: string, who?: Who): Promise<T> {
      const {exitCode, document} = await json<T>(line, who)
      if (exitCode !== 0) throw new Error(`jnode ${line} ended with ${exitCode}: ${JSON.stringify(document)}`)
      return document
    },
    /** Runs a command that must fail; answers with its error. */
    async fails(line: string, who?: Who): Promise<Failure> {
      const {exitCode, document} = await json<{error?: Omit<Failure, 'exitCode'>}>(line, who)
      if (!document.error) throw new Error(`jnode ${line} worked`)
      return {exitCode, ...document.error}
    },
    /** Starts it and lets it run: the foreground of `start` and `connect`, or something to be interrupted. */
    spawn(line: string, who: Who & {terminal?: boolean} = {}): Running {
      const command = who.terminal ? `exec script -qefc 'stty cols 150 rows 40; exec ${PROGRAM} ${line}' /dev/null` : `exec ${PROGRAM} ${line}`
      const child = lab.spawn(who.host ?? 'laptop', who.user ?? 'alice', command, {env: {...env(who), TERM: 'xterm'}})
      const text = {stdout: '', stderr: ''}
      child.stdout!.on('data', (data: Buffer) => (text.stdout += data.toString()))
      child.stderr!.on('data', (data: Buffer) => (text.stderr += data.toString()))
      const ended = new Promise<Result>((resolve) => child.once('close', (exitCode) => resolve({exitCode, ...text})))
      // A terminal has one screen for both.
      const seen = () => (who.terminal ? text.stdout : text.stderr)
      return {
        stdout: () => text.stdout,
        stderr: () => text.stderr,
        async says(wanted) {
          const there = () => (typeof wanted === 'string' ? seen().includes(wanted) : wanted.test(seen()))
          await until(`"${wanted}" from jnode ${line}`, () => there() || child.exitCode !== null, 60_000)
          if (!there()) throw new Error(`jnode ${line} ended with ${child.exitCode} and never said ${wanted}: ${seen()}`)
        },
        signal: (name) => void child.kill(name),
        type: (typed) => void child.stdin!.write(typed),
        ended,
      }
    },
  }
}

/** The HTTP status of a page, asked for from a host as one of its users. */
export async function statusOf(lab: Lab, url: string, who: Who = {}): Promise<number | string> {
  const program = `fetch(require('fs').readFileSync(0, 'utf8'), {redirect: 'manual'}).then((r) => console.log(r.status), (e) => console.log(e.cause?.code ?? e.message))`
  const {stdout} = await lab.exec(who.host ?? 'laptop', who.user ?? 'alice', ['node', '-e', program], {input: url})
  return /^\d+\n$/.test(stdout) ? Number(stdout) : stdout.trim()
}

/** A page of the server behind a session's URL, with the URL's token or without. */
export function pageOf(url: string, page: string, withToken = true): string {
  const {origin, searchParams} = new URL(url)
  return `${origin}/${page}${withToken ? `?token=${searchParams.get('token')}` : ''}`
}

/** What the server behind a session's URL answers to those who have its token, and to those who have not. */
export async function answers(lab: Lab, url: string, who?: Who): Promise<{withToken: number | string; without: number | string}> {
  const [withToken, without] = await Promise.all([true, false].map((token) => statusOf(lab, pageOf(url, 'api/status', token), who)))
  return {withToken: withToken!, without: without!}
}

export const OPEN = {withToken: 200, without: 403}

/** Everything of people's sessions that is on any host or in Grid Engine, a line each. */
export async function leftovers(lab: Lab): Promise<string[]> {
  const [jobs, ...hosts] = await Promise.all([
    lab.jobs().then((list) => list.map(({id, name, owner, state}) => `job ${id} ${name} of ${owner} (${state})`)),
    ...HOST_NAMES.map(async (host) => {
      const {stdout} = await lab.exec(host, 'root', LOOK(host), {cwd: '/'})
      return stdout.split('\n').filter(Boolean).map((line) => `${host}: ${line}`)
    }),
  ])
  return [...jobs, ...hosts.flat()]
}

// The laptops have no servers of their own, so there anything that listens is a leftover.
const LOOK = (host: HostName) => `
ps -ww -o pid=,stat=,args= -u ${USERS.map(({name}) => name).join(',')}
find /tmp /var/tmp /dev/shm -mindepth 1 -printf 'file %p\\n'
find /home/*/.jnode/sessions -mindepth 1 -printf 'file %p\\n' 2>/dev/null
find /home/*/.local/state/jnode/{sessions,keepers,known_nodes} ! -type d -printf 'file %p\\n' 2>/dev/null
${(LAPTOPS as readonly HostName[]).includes(host) ? `ss -Hltxn | sed 's/^/listens /'` : ''}
true`

/**
 * No job, no process of anybody on any host, no file (but how a session ended, without its token), no socket, no
 * listener. What the user can ask for (`qstat`, the directory of sessions) is gone when the command has ended;
 * processes that the command has told to end get a moment.
 */
export async function nothingLeft(lab: Lab): Promise<void> {
  const visible = (await leftovers(lab)).filter((line) => /^job |\.jnode\/sessions|state\/jnode\/sessions/.test(line))
  expect(visible).toEqual([])
  await expect.poll(() => leftovers(lab), {timeout: 10_000, interval: 200}).toEqual([])
}

/** Puts the lab back to where nobody has done anything, whatever a failed test has left. */
export async function sweep(lab: Lab): Promise<void> {
  const people = USERS.map(({name}) => name).join(',')
  await lab.exec('head', 'root', `qdel -u ${people}`, {cwd: '/'})
  await Promise.all(HOST_NAMES.map((host) => lab.exec(host, 'root', `pkill -CONT -x sshd; pkill -KILL -u ${people}; rm -rf /home/*/.local/state/jnode /home/*/.jnode; true`, {cwd: '/'})))
  await until('no job', async () => {
    const jobs = await lab.jobs()
    if (jobs.length > 0) await lab.exec('head', 'root', ['qdel', '-f', ...jobs.map(({id}) => id)], {cwd: '/'})
    return jobs.length === 0
  })
  await Promise.all(HOST_NAMES.map((host) => lab.exec(host, 'root', 'find /tmp /var/tmp -mindepth 1 -maxdepth 1 -exec rm -rf {} +', {cwd: '/'})))
}

/** Takes every slot of the cluster until the returned function is called. */
export async function fillSlots(lab: Lab): Promise<() => Promise<void>> {
  const {stdout} = await lab.exec('head', 'bob', ['qsub', '-terse', '-b', 'y', '-pe', 'make', '8', '-o', '/dev/null', '-j', 'y', 'sleep', '600'])
  const id = stdout.trim()
  await until('all slots are taken', async () => (await lab.jobs('bob')).some((job) => job.id === id && job.state === 'r'))
  return async () => {
    await lab.exec('head', 'bob', ['qdel', id])
    await until('bob’s job is gone', async () => (await lab.jobs('bob')).length === 0)
  }
}

/** Counts logins per host from the moment it is called. */
export async function countLogins(lab: Lab): Promise<() => Promise<Record<string, number>>> {
  const hosts = ['gateway', 'head', 'node1', 'node2'] as const
  const before = await Promise.all(hosts.map((host) => lab.accepted(host)))
  return async () => Object.fromEntries(await Promise.all(hosts.map(async (host, i) => [host, await lab.accepted(host, before[i]!)] as const)))
}
