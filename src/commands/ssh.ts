import {Flags} from '@oclif/core'
import {BaseCommand} from '../base-command.ts'
import {findSession} from '../flows/find-session.ts'
import {carryToNode, openNode} from '../flows/node-shell.ts'
import {controllingTerminal} from '../node-ssh.ts'
import {loginFlags, nameArg} from './flags.ts'

export default class Ssh extends BaseCommand {
  static override summary = "Open a shell on a session's compute node, or run a command there"
  static override args = {name: nameArg}
  static override examples = ['<%= config.bin %> ssh', '<%= config.bin %> ssh nightly -- nvidia-smi']
  static override flags = {...loginFlags, stdio: Flags.boolean({description: "be the connection to the node's SSH server, on stdin and stdout: ssh's ProxyCommand"})}

  async run(): Promise<{name: string; node: string | null; exitCode: number}> {
    const divide = this.argv.indexOf('--')
    const [typed, words] = divide === -1 ? [this.argv, []] : [this.argv.slice(0, divide), this.argv.slice(divide + 1)]
    const {args, flags} = await this.parse(Ssh, typed)
    const terminal = flags.stdio ? controllingTerminal() : null
    const runtime = await this.outside(flags, terminal ?? process.stdin)
    const found = await findSession(await runtime.wanted(args.name ?? null, flags), runtime.deps, this.signal)
    if (flags.stdio) {
      await carryToNode(found, {input: process.stdin, output: process.stdout}, runtime.deps, this.signal)
      // Nothing more is read; what is typed on would keep the process.
      process.stdin.destroy()
      terminal?.destroy()
      return {name: found.name, node: null, exitCode: 0}
    }
    const node = await openNode(found, runtime.deps, this.signal)
    try {
      await runtime.reporter.close('done')
      const exitCode = await runtime.runSsh(node, found.cluster, words, {quiet: this.jsonEnabled()})
      process.exitCode = exitCode
      return {name: found.name, node: node.shell.node, exitCode}
    } finally {
      await node.close()
    }
  }
}
