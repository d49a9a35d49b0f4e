import {BaseCommand} from '../base-command.ts'
import {openTunnelOf} from '../flows/session-view.ts'
import {clusterFlags, nameArg, tunnelFlags} from './flags.ts'

export default class Open extends BaseCommand {
  static override summary = 'Open the browser on a session whose tunnel is open'
  static override args = {name: nameArg}
  static override flags = {...clusterFlags, browser: tunnelFlags.browser}

  async run(): Promise<{name: string; url: string}> {
    const {args, flags} = await this.parse(Open)
    const runtime = await this.outside(flags)
    const found = await openTunnelOf({name: args.name ?? null, cluster: await runtime.namedCluster(flags)}, runtime.deps)
    await runtime.open(found.url, flags.browser ?? null, this.signal)
    return this.result(found, ({url}) => url)
  }
}
