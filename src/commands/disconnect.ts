import {Args, Flags} from '@oclif/core'
import {BaseCommand} from '../base-command.ts'
import {disconnect} from '../flows/disconnect.ts'
import {clusterFlags} from './flags.ts'

export default class Disconnect extends BaseCommand {
  static override summary = 'Close the tunnel of sessions, keep their jobs'
  static override strict = false
  static override args = {name: Args.string({description: 'sessions; may be left out where exactly one has a tunnel open'})}
  static override flags = {...clusterFlags, all: Flags.boolean({description: 'all tunnels of this computer'})}

  async run(): Promise<{disconnected: string[]}> {
    const {argv, flags} = await this.parse(Disconnect)
    const runtime = await this.outside(flags)
    const disconnected = await disconnect({names: argv as string[], all: flags.all, cluster: await runtime.namedCluster(flags)}, runtime.deps)
    return this.result({disconnected}, (done) =>
      done.disconnected.length === 0 ? 'No tunnel is open.' : done.disconnected.map((name) => `${name} is disconnected; its job goes on. Come back with \`jnode connect ${name}\`.`).join('\n'),
    )
  }
}
