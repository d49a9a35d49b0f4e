import {Flags} from '@oclif/core'
import {BaseCommand} from '../base-command.ts'
import {findSession} from '../flows/find-session.ts'
import {followLog, readLog} from '../flows/logs.ts'
import {endLog, writeLog} from '../ui/output.ts'
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
    if (this.jsonEnabled()) return {name: found.name, lines: await readLog(input, runtime.deps)}
    await runtime.reporter.close('done')
    try {
      if (flags.follow) await followLog(input, (line) => writeLog(process.stdout, [line]), runtime.deps)
      else writeLog(process.stdout, await readLog(input, runtime.deps))
    } finally {
      endLog(process.stdout)
    }
    return {name: found.name, lines: []}
  }
}
