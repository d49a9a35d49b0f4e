/** One session as its cluster has it. */
import {JnodeError} from '../errors.ts'
import type {RemoteListing, RemoteSession} from '../session/remote-store.ts'

/** Throws `no-session` where there is none of that name, or one whose facts are of no use. */
export function onlySession({sessions, broken}: RemoteListing, name: string, cluster: string): RemoteSession {
  const there = sessions[0]
  if (there) return there
  throw broken[0] ? brokenSession(name, cluster, broken[0].why) : new JnodeError('no-session', `There is no session "${name}" on ${cluster}`, {hint: '`jnode list` shows those there are.'})
}

export function brokenSession(name: string, cluster: string, why: string): JnodeError {
  return new JnodeError('no-session', `Session "${name}" on ${cluster} cannot be read: ${why}`, {hint: `Remove it with \`jnode stop ${name}\`.`})
}
