import {Flags} from '@oclif/core'
import {BaseCommand} from '../base-command.ts'
import {findSession} from '../flows/find-session.ts'
import {followLog, readLog} from '../flows/logs.ts'
import {loginFlags, countFlag, nameArg} from './flags.ts'

export default class Logs extends BaseCommand {
  static override summary = "Show the job's log"
  static override args = {name: nameArg}
  static override flags = {...loginFlags, lines: countFlag, follow: Flags.boolean({char: 'f', description: 'go on as the log grows, until Ctrl-C'})}

  async run(): Promise<{name: string; lines: string[]}> {
    const {args, flags} = await this.parse(Logs)
    const runtime = await this.outside(flags)
    const found = await findSession(await runtime.wanted(args.name ?? null, flags), runtime.deps, this.signal)
    const input = {...found, lines: flags.lines, signal: this.signal}
    if (flags.follow && !this.jsonEnabled()) {
      await followLog(input, (line) => process.stdout.write(`${line}\n`), runtime.deps)
      return {name: found.name, lines: []}
    }
    return this.result({name: found.name, lines: await readLog(input, runtime.deps)}, ({lines}) => lines.join('\n'))
  }
}
