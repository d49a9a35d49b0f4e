import {callsText} from '../sge/calls.ts'
import type {GridEngine} from '../sge/client.ts'
import type {Tell} from './events.ts'

/** For `-v`: what a session, or a list of them, has cost Grid Engine so far. */
export function tellCalls(what: string, {calls}: Pick<GridEngine, 'calls'>, tell: Tell): void {
  tell({kind: 'trace', text: `calls of Grid Engine for ${what}: ${callsText(calls)}`})
}
