/** Which of several head nodes of one name a session was reached by, so that other commands go to the same one. */
import {isAddress} from '../rules.ts'
import type {SessionFacts} from '../session/facts.ts'
import type {ClusterLink} from './deps.ts'

/** Answers whether it is another one than was known. */
export async function noteMachine(facts: SessionFacts, {machine}: ClusterLink): Promise<boolean> {
  const before = facts.headAddress
  // Also told by another process, which may be of an older jnode.
  const told = (await machine) ?? null
  facts.headAddress = told !== null && isAddress(told) ? told : before
  return facts.headAddress !== before
}
