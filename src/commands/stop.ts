import {Args, Flags} from '@oclif/core'
import {BaseCommand} from '../base-command.ts'
import {sessionsToEnd} from '../flows/find-session.ts'
import type {StopOutcome} from '../flows/keepers.ts'
import {outcomeText, stop} from '../flows/stop.ts'
import {loginFlags} from './flags.ts'

export default class Stop extends BaseCommand {
  static override summary = 'End sessions: shut Jupyter down, delete the job, close the tunnel, leave nothing behind'
  static override strict = false
  static override args = {name: Args.string({description: 'sessions; may be left out where there is exactly one'})}
  static override flags = {...loginFlags, all: Flags.boolean({description: 'all sessions of this cluster, and all that this computer knows'})}

  async run(): Promise<{stopped: StopOutcome[]}> {
    const {argv, flags} = await this.parse(Stop)
    const runtime = await this.outside(flags)
    const found = await sessionsToEnd(argv as string[], {all: flags.all, wanted: (name) => runtime.wanted(name, flags)}, runtime.deps, this.signal)
    const stopped = await stop(found, runtime.deps, this.signal)
    return this.result({stopped}, (done) => (done.stopped.length === 0 ? 'There is nothing to stop.' : done.stopped.map(outcomeText).join('\n')))
  }
}
