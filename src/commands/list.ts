import {BaseCommand} from '../base-command.ts'
import {listSessions, type Listing} from '../flows/list.ts'
import {listText} from '../ui/views.ts'
import {loginFlags} from './flags.ts'

export default class List extends BaseCommand {
  static override summary = 'Show all sessions with state, node, time left and local URL'
  static override flags = {...loginFlags}

  async run(): Promise<Pick<Listing, 'sessions' | 'warnings'>> {
    const {flags} = await this.parse(List)
    const runtime = await this.outside(flags)
    const listing = await listSessions({clusters: await runtime.clustersToAsk(flags), signal: this.signal}, runtime.deps)
    if (!this.jsonEnabled()) for (const text of listing.warnings) runtime.deps.tell({kind: 'warning', text})
    return this.result({sessions: listing.sessions, warnings: listing.warnings}, ({sessions}) => listText(sessions, Date.now()))
  }
}
