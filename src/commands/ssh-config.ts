import {BaseCommand} from '../base-command.ts'
import {findSession} from '../flows/find-session.ts'
import {findNode} from '../flows/node-shell.ts'
import {hostBlock} from '../ssh/node-config.ts'
import {loginFlags, nameArg} from './flags.ts'

export default class SshConfig extends BaseCommand {
  static override summary = "Print a Host block, so that ssh, scp, rsync and VS Code reach a session's compute node"
  static override args = {name: nameArg}
  static override flags = {...loginFlags}
  static override examples = ['<%= config.bin %> ssh-config nightly >node.config', 'scp -F node.config results.csv nightly:']

  async run(): Promise<{name: string; node: string; config: string}> {
    const {args, flags} = await this.parse(SshConfig)
    const runtime = await this.outside(flags)
    const found = await findSession(await runtime.wanted(args.name ?? null, flags), runtime.deps, this.signal)
    const node = await findNode(found, runtime.deps, this.signal)
    const config = hostBlock(await runtime.nodeConfig(node, found.cluster))
    return this.result({name: found.name, node: node.node, config}, (result) => result.config)
  }
}
