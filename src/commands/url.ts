import {BaseCommand} from '../base-command.ts'
import {openTunnelOf} from '../flows/session-view.ts'
import {clusterFlags, nameArg} from './flags.ts'

export default class Url extends BaseCommand {
  static override summary = 'Print the URL of a session whose tunnel is open'
  static override args = {name: nameArg}
  static override flags = {...clusterFlags}

  async run(): Promise<{name: string; url: string}> {
    const {args, flags} = await this.parse(Url)
    const runtime = await this.outside(flags)
    const found = await openTunnelOf({name: args.name ?? null, cluster: await runtime.namedCluster(flags)}, runtime.deps)
    return this.result(found, ({url}) => url)
  }
}
