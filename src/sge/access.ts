/** Who may use a queue, a parallel environment or a project. */
import type {Access} from './qconf.ts'

export interface Person {
  user: string
  groups: string[]
  /** Users and `@groups` by the list's name; null when not asked for, or when qconf does not answer. */
  accessLists: Map<string, string[]> | null
}

/** Whether access lists let this user in; `unknown` where they cannot be read. */
export function mayUse({allowed, denied}: Access, {user, groups, accessLists}: Person): 'yes' | 'no' | 'unknown' {
  if (allowed.length === 0 && denied.length === 0) return 'yes'
  if (accessLists === null) return 'unknown'
  const isIn = (list: string) => accessLists.get(list)?.some((entry) => entry === user || (entry.startsWith('@') && groups.includes(entry.slice(1)))) ?? false
  return (allowed.length === 0 || allowed.some(isIn)) && !denied.some(isIn) ? 'yes' : 'no'
}
