import {BaseCommand} from '../base-command.ts'
import {statusOfWanted} from '../flows/last-end.ts'
import type {SessionView} from '../flows/session-view.ts'
import {statusText} from '../ui/views.ts'
import {loginFlags, nameArg} from './flags.ts'

export default class Status extends BaseCommand {
  static override summary = 'Show one session in full: why it waits or why it died, route, time left'
  static override args = {name: nameArg}
  static override flags = {...loginFlags}

  async run(): Promise<SessionView> {
    const {args, flags} = await this.parse(Status)
    const runtime = await this.outside(flags)
    return this.result(await statusOfWanted(await runtime.wanted(args.name ?? null, flags), runtime.deps, this.signal), (view) => statusText(view, Date.now()))
  }
}
