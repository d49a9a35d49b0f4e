import {Args} from '@oclif/core'
import {BaseCommand} from '../base-command.ts'
import {runDetached} from '../daemon/detach.ts'
import {foreground, type Foreground} from '../daemon/foreground.ts'
import {JnodeError} from '../errors.ts'
import {connect} from '../flows/connect.ts'
import {findSession} from '../flows/find-session.ts'
import type {SessionView} from '../flows/session-view.ts'
import {heldView} from '../flows/session-view.ts'
import {loginFlags, runFlags, tunnelFlags} from './flags.ts'

export default class Connect extends BaseCommand {
  static override summary = 'Come back to a session, also to one that another computer started, or to any Jupyter job of yours'
  static override args = {target: Args.string({description: 'session, job number, or JOB:PORT of a job with several servers; may be left out where there is exactly one session'})}
  static override examples = ['<%= config.bin %> connect', '<%= config.bin %> connect nightly --detach', '<%= config.bin %> connect 4711']
  static override flags = {...loginFlags, ...tunnelFlags, ...runFlags}

  async run(): Promise<SessionView | Foreground> {
    const {args, flags} = await this.parse(Connect)
    const runtime = await this.outside(flags)
    const {signal} = this
    const options = runtime.resolveTunnel(flags)
    const {name, cluster} = await findSession(await runtime.wanted(args.target ?? null, flags), runtime.deps, signal)
    const openBrowser = options.openBrowser && !this.jsonEnabled() ? (url: string) => runtime.tryToOpen(url, options.browser, signal) : null
    const showHeld = async (): Promise<SessionView | null> => {
      const held = await heldView(cluster.name, name, runtime.deps)
      if (!held) return null
      await openBrowser?.(held.url!)
      return this.result(held, ({url, keeperPid}) => `${url}\nThis session's tunnel is open already (process ${keeperPid}).`)
    }
    const openTunnel = async (): Promise<SessionView | Foreground> => {
      if (!flags.detach && !this.jsonEnabled()) return foreground(() => connect({name, cluster, ...options, answer: runtime.answer(cluster, signal), signal}, runtime.deps), {...runtime, ...options, cluster, name, signal})
      const view = await runDetached({kind: 'connect', name, cluster, ...options, asks: !this.jsonEnabled()}, {...runtime, openBrowser, signal})
      return this.result(view, ({url}) => `${url}\nThe tunnel stays open in the background. Close it with \`jnode disconnect ${name}\`.`)
    }
    try {
      return (await showHeld()) ?? (await openTunnel())
    } catch (error) {
      // Two at the same moment: the session is connected, which is all that was asked for.
      const other = error instanceof JnodeError && error.code === 'session-exists' ? await showHeld() : null
      if (other) return other
      throw error
    }
  }
}
