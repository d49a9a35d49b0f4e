/** Which of several head nodes of one name a session was reached by, so that other commands go to the same one. */
import type {SessionFacts} from '../session/facts.ts'
import type {ClusterLink} from './deps.ts'

/** Answers whether it is another one than was known. */
export async function noteMachine(facts: SessionFacts, {machine}: ClusterLink): Promise<boolean> {
  const before = facts.headAddress
  facts.headAddress = (await machine) ?? before
  return facts.headAddress !== before
}
