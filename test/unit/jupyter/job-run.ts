/** Runs a job script as Grid Engine would: a shell in a process group of its own, in a home of its own. */
import {spawn, type ChildProcess} from 'node:child_process'
import {accessSync, appendFileSync, constants, existsSync, lchownSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync} from 'node:fs'
import {delimiter, dirname, join} from 'node:path'
import {jobScript, type JobSpec} from '../../../src/jupyter/job-script.ts'
import {quote} from '../../../src/shell.ts'
import {parseRecord, type JobRecord} from '../../../src/jupyter/record.ts'

export const TOKEN = 'aabbccddeeff00112233445566778899aabbccddeeff0011'
export const PROOF = '99887766554433221100ffeeddccbbaa'

const TOOLS = ['sh', 'bash', 'cat', 'date', 'env', 'grep', 'head', 'hostname', 'id', 'ln', 'mkdir', 'rm', 'sed', 'sleep', 'true', 'touch']

/** Jupyter refuses root, so as root its jobs run as nobody. */
const NOBODY = 65_534
const isRoot = process.getuid?.() === 0

export interface Run {
  home: string
  tmp: string
  session: string
  /** Exit status of the job, null when a signal killed it. */
  ended: Promise<number | null>
  record(): JobRecord | null
  log(): string
  /** The first record that `wanted` accepts; fails with record and log when the job ends before. */
  until(wanted: (record: JobRecord) => boolean): Promise<JobRecord>
  /** To the whole process group, as Grid Engine does. */
  signal(name: NodeJS.Signals): void
  /** Process ids of the group. */
  processes(): number[]
  remove(): Promise<void>
}

export interface RunOptions {
  spec?: Partial<JobSpec>
  shell?: string[]
  env?: Record<string, string | undefined>
  /** All that is on PATH besides the usual tools, as sh scripts; the machine's own programs when not given. */
  programs?: Record<string, string>
  /** Files below the home directory. */
  files?: Record<string, string>
  home?: string
  /** As an ordinary user, which Jupyter insists on. */
  ordinaryUser?: boolean
  edit?: (script: string) => string
}

/** A short base: sockets have at most 104 bytes of path, and the test runner's TMPDIR may be long. */
export function makeHome(name = ''): string {
  const base = mkdtempSync('/tmp/jj-')
  const home = name === '' ? base : join(base, name)
  mkdirSync(home, {recursive: true})
  return home
}

const baseOf = (home: string) => home.split('/').slice(0, 3).join('/')

export function runJob({spec = {}, shell = ['sh'], env = {}, programs, files = {}, ordinaryUser = false, edit = (text) => text, home = makeHome()}: RunOptions = {}): Run {
  const session = join(home, '.jnode/sessions/lab')
  const tmp = join(home, 'tmp')
  mkdirSync(session, {recursive: true, mode: 0o700})
  mkdirSync(tmp, {recursive: true})
  const put = (path: string, text: string, mode: number) => {
    mkdirSync(dirname(join(home, path)), {recursive: true})
    writeFileSync(join(home, path), text, {mode})
  }
  for (const [name, text] of Object.entries(programs ?? {})) put(`bin/${name}`, `#!/bin/sh\n${text}\n`, 0o755)
  // The machine's own Jupyter stands where these do, so a fake PATH has links to them only.
  if (programs) for (const tool of TOOLS) symlinkSync(`/bin/${tool}`, join(home, 'bin', tool))
  // The login profile is what brings programs to PATH: /etc/profile sets it anew.
  const path = programs ? join(home, 'bin') : (process.env['PATH'] ?? '')
  put('.profile', `PATH=${quote(path)}\n`, 0o644)
  for (const [name, text] of Object.entries(files)) put(name, text, 0o644)
  const script = edit(jobScript({name: 'lab', sessionDir: session, app: 'auto', dir: null, modules: [], conda: null, setup: [], idleSeconds: null, kernelTransport: 'ipc', ...spec}))
  put('.jnode/sessions/lab/token', TOKEN, 0o600)
  put('.jnode/sessions/lab/proof', PROOF, 0o600)
  put('.jnode/sessions/lab/job.sh', script, 0o600)
  const jobFile = join(session, 'job.sh')
  const log = join(session, 'log')
  writeFileSync(log, '')
  const as = ordinaryUser && isRoot ? NOBODY : undefined
  if (as !== undefined) own(baseOf(home), as)
  const child = spawn(shell[0]!, [...shell.slice(1), jobFile], {
    cwd: home,
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: {PATH: '/usr/bin:/bin', HOME: home, TMPDIR: tmp, JOB_ID: '4711', NSLOTS: '2', HOSTNAME: 'node1.cluster', LANG: 'C.UTF-8', ...env},
    ...(as === undefined ? {} : {uid: as, gid: as}),
  })
  for (const stream of [child.stdout!, child.stderr!]) stream.on('data', (chunk: Buffer) => appendFileSync(log, chunk))
  return handle(child, {home, tmp, session, log})
}

function handle(child: ChildProcess, {home, tmp, session, log}: {home: string; tmp: string; session: string; log: string}): Run {
  const ended = new Promise<number | null>((resolve) => child.once('close', resolve))
  let over = false
  void ended.then(() => (over = true))
  const record = () => (existsSync(join(session, 'record')) ? parseRecord(readFileSync(join(session, 'record'), 'utf8')) : null)
  const run: Run = {
    home, tmp, session, ended, record,
    log: () => readFileSync(log, 'utf8'),
    async until(wanted) {
      for (;;) {
        const last = over
        const now = record()
        if (now !== null && wanted(now)) return now
        if (last) throw new Error(`the job ended before that\n${JSON.stringify(now, null, 1)}\n${run.log()}`)
        await new Promise((resolve) => setTimeout(resolve, 20))
      }
    },
    signal: (name) => void process.kill(-child.pid!, name),
    processes: () => processesOf(child.pid!),
    async remove() {
      if (!over) process.kill(-child.pid!, 'SIGKILL')
      await ended
      rmSync(baseOf(home), {recursive: true, force: true})
    },
  }
  return run
}

/** Living processes of a process group, from /proc/PID/stat: what follows the name is state, parent, group, ... */
function processesOf(group: number): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => {
      try {
        const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
        const [state, , processGroup] = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
        return state !== 'Z' && Number(processGroup) === group
      } catch {
        return false // it has just ended
      }
    })
}

function own(path: string, id: number): void {
  lchownSync(path, id, id)
  for (const entry of readdirSync(path, {withFileTypes: true, recursive: true})) lchownSync(join(entry.parentPath, entry.name), id, id)
}

/** The programs of the machine's own Jupyter that are on PATH. */
export function machineJupyters(): string[] {
  return ['server', 'notebook', 'lab'].filter((app) =>
    (process.env['PATH'] ?? '').split(delimiter).some((dir) => {
      try {
        accessSync(join(dir, `jupyter-${app}`), constants.X_OK)
        return true
      } catch {
        return false
      }
    }),
  )
}
