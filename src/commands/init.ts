import {Args, Flags} from '@oclif/core'
import {BaseCommand} from '../base-command.ts'
import {JnodeError} from '../errors.ts'
import {init, type InitResult} from '../flows/init.ts'
import {agreed, answerIn} from '../ui/answers.ts'
import {clusterFlags} from './flags.ts'

export default class Init extends BaseCommand {
  static override summary = 'Learn a cluster and write its configuration'
  static override args = {name: Args.string({name: 'name', description: 'what to call the cluster (default: after its head node)'})}
  static override examples = ['<%= config.bin %> init --host me@head.example.org', '<%= config.bin %> init hpc --host me@head.example.org --jump me@gateway.example.org --yes']
  static override flags = {
    ...clusterFlags,
    yes: Flags.boolean({char: 'y', env: 'JNODE_YES', description: 'ask nothing: take the usual answers and write'}),
  }

  async run(): Promise<InitResult> {
    const {args, flags} = await this.parse(Init)
    const runtime = await this.outside(flags)
    const {signal} = this
    const {prompter} = runtime
    // A program that answers the same to everything is nobody to ask.
    if (!flags.yes && (!prompter.canAsk || prompter.unattended || this.jsonEnabled())) {
      throw new JnodeError('usage', 'init asks before it writes, and there is nobody to ask here', {hint: 'Give it --yes to take the usual answers and write.'})
    }
    const place = {...flags}
    if (!flags.yes && !(await runtime.knowsCluster(args.name ?? null, flags))) {
      place.host = (await prompter.ask({text: 'Head node, where qsub is ([user@]host):', echo: true, hop: 'this machine', kind: 'confirm'}, signal)).trim()
    }
    const where = await runtime.resolveInit(args.name ?? null, place)
    const {label: hop} = where.cluster
    const agree = async (table: string) => {
      runtime.tell({kind: 'note', text: `\n${table}\n`})
      return agreed(prompter, `Write this into ${where.configFile}?`, {hop, usual: 'yes', signal})
    }
    const result = await init(
      {...where, signal, ...(flags.yes ? {answer: async (_, usual) => usual, agree: async () => true} : {answer: answerIn(prompter, hop, signal), agree})},
      runtime.deps,
    )
    return this.result(result, (done) => text(done, flags.yes))
  }
}

function text({cluster, file, table, kept, written}: InitResult, showTable: boolean): string {
  if (!written) return 'Nothing was written.'
  const stays = kept.length === 0 ? '' : `\nYour own lines stay as they are: ${kept.join(', ')}.`
  return `${showTable ? `${table}\n\n` : ''}Written into ${file}.${stays}\nNow \`jnode start --cluster ${cluster}\` starts Jupyter there.`
}
