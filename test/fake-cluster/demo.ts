/**
 * `npm run demo`: a cluster in this process, and the built jnode on it in the foreground as a user would run it.
 * Ends, with all that it started, when jnode does (Ctrl-C).
 */
import {execFileSync, spawn} from 'node:child_process'
import {fileURLToPath} from 'node:url'
import {startFakeCluster} from './cluster.ts'
import {machineJupyter} from './host-files.ts'

const say = (text: string) => process.stderr.write(`${text}\n`)

/** Why this machine's own Jupyter cannot be shown; null when it can. */
function obstacle(): string | null {
  const jupyter = machineJupyter()
  if (jupyter === undefined) return 'this machine has no Jupyter'
  if (process.getuid?.() === 0) return 'Jupyter refuses to run as root'
  try {
    execFileSync(jupyter.program, ['--version'], {stdio: 'ignore', timeout: 20_000})
    return null
  } catch {
    return `${jupyter.program} does not start`
  }
}

const TERMINAL = ['TERM', 'COLORTERM', 'NO_COLOR', 'FORCE_COLOR', 'COLUMNS', 'LINES', 'LC_ALL', 'CI']

/** Variables of this terminal that jnode's display depends on. */
function terminalEnv(): Record<string, string> {
  return Object.fromEntries(TERMINAL.flatMap((name) => (process.env[name] === undefined ? [] : [[name, process.env[name]]])))
}

const reason = obstacle()
const cluster = await startFakeCluster({jupyter: reason === null ? 'machine' : 'stand-in'})
say('A mock cluster runs in this process: a gateway, a head node and two compute nodes with SSH and Grid Engine.')
say(reason === null ? "Its jobs run this machine's own Jupyter." : `Its jobs run a small stand-in for Jupyter, as ${reason}.`)
say(`\n$ jnode start --cores 2 --mem 1G --time 1h --no-browser`)

// The terminal sends Ctrl-C to jnode too, whose answer to it is what the demo shows; a plain kill comes only here.
let asked = 0
for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(name, () => {
    if (++asked > 1) jnode.kill('SIGKILL')
    else if (name !== 'SIGINT') jnode.kill(name)
  })
}
const program = fileURLToPath(new URL('../../bin/run.js', import.meta.url))
const jnode = spawn(process.execPath, [program, 'start', '--cores', '2', '--mem', '1G', '--time', '1h', '--no-browser'], {
  stdio: 'inherit',
  env: {...cluster.laptop.env, ...terminalEnv()},
})
const code = await new Promise<number>((resolve) => {
  jnode.once('error', () => resolve(1))
  jnode.once('exit', (status) => resolve(status ?? 130))
})
await cluster.close()
say('The mock cluster has ended, and its jobs with it: in the demo there is nothing to come back to.')
process.exitCode = code
