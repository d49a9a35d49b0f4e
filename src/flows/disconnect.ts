/** `jnode disconnect`: closes tunnels of this computer. Asks nobody on any network, so it is instant and safe in a suspend hook. */
import {JnodeError} from '../errors.ts'
import type {Deps} from './deps.ts'

export interface DisconnectInput {
  names: string[]
  all: boolean
  /** Only sessions of this cluster; null for any. */
  cluster: string | null
}

/**
 * Names of the sessions whose tunnel was closed. A session without a tunnel is no error when it is known. One whose keeper
 * does not answer keeps no other open; it is thrown in the end, further ones are told. Takes seconds at most.
 */
export async function disconnect({names, all, cluster}: DisconnectInput, deps: Deps): Promise<string[]> {
  const {sessions} = await deps.store.list()
  const known = sessions.filter((facts) => cluster === null || facts.cluster === cluster)
  for (const name of names) {
    if (!known.some((facts) => facts.name === name || facts.jobId === name)) {
      throw new JnodeError('no-session', `No session "${name}" is known on this computer`, {hint: '`jnode list` shows those there are.'})
    }
  }
  const meant = names.length > 0 ? known.filter((facts) => names.includes(facts.name) || names.includes(facts.jobId ?? '')) : known
  const found = await Promise.allSettled(meant.map((facts) => deps.keepers.find(facts.cluster, facts.name)))
  const keepers = found.flatMap((each) => (each.status === 'fulfilled' && each.value ? [each.value] : []))
  if (names.length === 0 && !all && keepers.length > 1) {
    throw new JnodeError('usage', `Which session? ${keepers.map(({status}) => status.name).join(', ')} have a tunnel open`, {hint: 'Give names, or --all.'})
  }
  const closed = await Promise.allSettled(keepers.map((keeper) => keeper.disconnect()))
  const [failure, ...more] = [...found, ...closed].flatMap((each) => (each.status === 'rejected' ? [each.reason as Error] : []))
  for (const error of more) deps.tell({kind: 'warning', text: error.message})
  if (failure) throw failure
  return keepers.map(({status}) => status.name)
}
