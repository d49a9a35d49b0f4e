/** The program: commands by name, and what happens before one is found. */
import {fileURLToPath} from 'node:url'
import {Config, Errors, run} from '@oclif/core'
import {asJnodeError, errorDocument, exitCodeOf} from './base-command.ts'
import Clean from './commands/clean.ts'
import Connect from './commands/connect.ts'
import Disconnect from './commands/disconnect.ts'
import Doctor from './commands/doctor.ts'
import Init from './commands/init.ts'
import List from './commands/list.ts'
import Logs from './commands/logs.ts'
import Open from './commands/open.ts'
import SshConfig from './commands/ssh-config.ts'
import Ssh from './commands/ssh.ts'
import Start from './commands/start.ts'
import Status from './commands/status.ts'
import Stop from './commands/stop.ts'
import Url from './commands/url.ts'
import {printCrashesSafely} from './crash.ts'
import {searchSafely} from './program.ts'
import {errorText} from './ui/error-view.ts'
import {writeJson, writeLine} from './ui/output.ts'

export const COMMANDS = {
  clean: Clean,
  connect: Connect,
  disconnect: Disconnect,
  doctor: Doctor,
  init: Init,
  list: List,
  logs: Logs,
  open: Open,
  ssh: Ssh,
  'ssh-config': SshConfig,
  start: Start,
  status: Status,
  stop: Stop,
  url: Url,
}

export async function main(typed: string[]): Promise<void> {
  printCrashesSafely()
  searchSafely()
  // As git, gh and kubectl take it.
  const argv = typed[0] === 'help' ? [...typed.slice(1), '--help'] : typed
  try {
    const config = await Config.load({root: fileURLToPath(new URL('..', import.meta.url)), version: undefined as never})
    await run(argv, config)
  } catch (error) {
    if (error instanceof Errors.ExitError) {
      process.exitCode = error.oclif.exit ?? 0
      return
    }
    const failure = asJnodeError(error)
    if (argv.includes('--json')) writeJson(process.stdout, errorDocument(failure))
    else writeLine(process.stderr, errorText(failure, false))
    process.exitCode = exitCodeOf(failure)
  }
}
