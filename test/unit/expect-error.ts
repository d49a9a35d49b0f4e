import {expect} from 'vitest'
import {JnodeError} from '../../src/errors.ts'

/** What a user would be shown of a failure. */
export interface Told {
  code: string
  message: string
  hint: string | null
}

export function failureOf(action: () => unknown): Told {
  try {
    action()
  } catch (error) {
    return told(error)
  }
  throw new Error('it did not fail')
}

export async function rejectionOf(action: Promise<unknown>): Promise<Told> {
  return action.then(
    () => {
      throw new Error('it did not fail')
    },
    (error: unknown) => told(error),
  )
}

function told(error: unknown): Told {
  expect(error).toBeInstanceOf(JnodeError)
  const {code, message, hint} = error as JnodeError
  return {code, message, hint}
}
