import {Flags} from '@oclif/core'
import {BaseCommand} from '../base-command.ts'
import {JnodeError} from '../errors.ts'
import {clean, type Cleaning} from '../flows/clean.ts'
import type {Leftover} from '../flows/leftovers.ts'
import {agreed} from '../ui/answers.ts'
import {writeLine} from '../ui/output.ts'
import {leftoversText} from '../ui/views.ts'
import {clusterFlags} from './flags.ts'

export default class Clean extends BaseCommand {
  static override summary = 'Find and remove what crashed runs left behind, here and on the cluster'
  static override flags = {
    ...clusterFlags,
    'dry-run': Flags.boolean({description: 'show what is there, remove nothing', exclusive: ['yes']}),
    yes: Flags.boolean({char: 'y', description: 'remove it without asking'}),
  }

  async run(): Promise<Cleaning> {
    const {flags} = await this.parse(Clean)
    const runtime = await this.outside(flags)
    const agree = async (found: readonly Leftover[]): Promise<boolean> => {
      await runtime.reporter.close('done')
      if (!this.jsonEnabled()) writeLine(process.stdout, leftoversText(found))
      if (flags['dry-run'] || flags.yes) return flags.yes
      if (runtime.prompter.unattended || !runtime.prompter.canAsk || this.jsonEnabled()) {
        throw new JnodeError('usage', `Nothing was removed: there is nobody to ask whether to remove ${found.length === 1 ? 'it' : `these ${found.length}`}`, {hint: 'Say so with --yes, or only look with --dry-run.'})
      }
      return agreed(runtime.prompter, 'Remove all of this?', {hop: 'this computer', usual: 'no', signal: this.signal})
    }
    const cleaning = await clean({clusters: await runtime.clustersToAsk(flags), agree, signal: this.signal}, runtime.deps)
    return this.result(cleaning, ({found, removed}) => (found.length === 0 ? 'There is nothing to clean.' : removed === 0 ? 'Nothing was removed.' : `Removed ${removed}.`))
  }
}
