import {Flags} from '@oclif/core'
import {BaseCommand} from '../base-command.ts'
import {foreground, type Foreground} from '../daemon/foreground.ts'
import {runDetached} from '../daemon/detach.ts'
import type {SessionView} from '../flows/session-view.ts'
import {planStart, start, submitOnly, type Plan} from '../flows/start.ts'
import {loginFlags, nameArg, runFlags, tunnelFlags} from './flags.ts'

const text = (env: string, helpValue: string, description: string) => Flags.string({env, helpValue, description})
const list = (env: string, helpValue: string, description: string) => Flags.string({env, helpValue, description: `${description}; repeatable`, multiple: true, multipleNonGreedy: true})

export default class Start extends BaseCommand {
  static override summary = 'Start Jupyter as a job on a compute node and open it here'
  static override args = {name: nameArg}
  static override examples = ['<%= config.bin %> start --cores 8 --mem 32G --time 8h', '<%= config.bin %> start --host me@head.example.org --jump me@gateway.example.org', '<%= config.bin %> start nightly --detach --json']
  static override flags = {
    ...loginFlags,
    profile: text('JNODE_PROFILE', 'P', 'profile of config.toml with defaults for this command'),
    cores: text('JNODE_CORES', 'N', 'slots, all on one host (default: 1)'),
    mem: text('JNODE_MEM', '32G', 'memory for the whole session, whatever the site counts per slot'),
    gpus: text('JNODE_GPUS', 'N', 'GPUs'),
    time: text('JNODE_TIME', '8h', 'wall-clock limit: 8h, 1-12:00:00 or HH:MM:SS'),
    idle: text('JNODE_IDLE', '2h', 'end the job after so long without activity; never while a cell runs'),
    queue: text('JNODE_QUEUE', 'Q', 'queue'),
    node: text('JNODE_NODE', 'H', 'compute node'),
    pe: text('JNODE_PE', 'NAME', 'parallel environment (default: one that keeps all slots on one host)'),
    project: text('JNODE_PROJECT', 'P', 'project'),
    account: text('JNODE_ACCOUNT', 'A', 'account string'),
    'sge-arg': list('JNODE_SGE_ARG', 'ARG', 'argument passed on to qsub as it is'),
    app: text('JNODE_APP', 'lab|notebook|server', 'Jupyter application (default: lab, else notebook, else server)'),
    dir: text('JNODE_DIR', 'DIR', 'directory on the cluster to start in (default: home)'),
    module: list('JNODE_MODULE', 'M', 'environment module to load'),
    conda: text('JNODE_CONDA', 'ENV', 'conda environment to activate, by name or path'),
    setup: list('JNODE_SETUP', "'CMD'", 'shell command to run before Jupyter'),
    ...tunnelFlags,
    route: text('JNODE_ROUTE', 'auto|socket|node|head|direct|reverse', 'how to reach the server (default: auto)'),
    ...runFlags,
    'no-wait': Flags.boolean({env: 'JNODE_NO_WAIT', description: 'submit the job and return', exclusive: ['wait']}),
    'dry-run': Flags.boolean({description: 'print the qsub line and the job script, submit nothing'}),
  }

  async run(): Promise<SessionView | Plan | Foreground> {
    const {args, flags} = await this.parse(Start)
    const runtime = await this.outside(flags)
    const {signal} = this
    const {name, options} = await runtime.resolveStart(args.name ?? null, flags)
    if (flags['dry-run']) return this.result(await planStart({name, options, signal}, runtime.deps), (plan) => `${plan.qsub}\n\n${plan.jobScript}`)
    if (flags['no-wait']) {
      return this.result(await submitOnly({name, options, signal}, runtime.deps), (view) => `Job ${view.jobId} submitted as session ${view.name}. Come back with \`jnode connect ${view.name}\`.`)
    }
    if (options.detach || this.jsonEnabled()) {
      const openBrowser = options.openBrowser && !this.jsonEnabled() ? (url: string) => runtime.tryToOpen(url, options.browser, signal) : null
      const view = await runDetached({kind: 'start', name, options, asks: !this.jsonEnabled()}, {...runtime, openBrowser, signal})
      return this.result(view, ({url}) => `${url}\nThe tunnel stays open in the background. Close it with \`jnode disconnect ${name}\`, end the job with \`jnode stop ${name}\`.`)
    }
    return foreground(() => start({name, options, answer: runtime.answer(options.cluster, signal), signal}, runtime.deps), {...runtime, ...options, name, signal})
  }
}
