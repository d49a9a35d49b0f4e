import {expect, test} from 'vitest'
import {JnodeError} from '../../../src/errors.ts'
import {errorText} from '../../../src/ui/error-view.ts'

test('an error is a sentence and, below it, what to do next', () => {
  expect(errorText(new JnodeError('no-session', 'There is no session', {hint: 'Start one.'}), false)).toBe('Error: There is no session\n  Start one.')
  expect(errorText(new JnodeError('not-yours', 'Job 1 is not yours'), false)).toBe('Error: Job 1 is not yours')
})

test('what the user asked for with Ctrl-C is no error', () => {
  expect(errorText(new JnodeError('interrupted', 'The tunnel is closed; job 1 goes on', {hint: 'Come back.'}), false)).toBe('The tunnel is closed; job 1 goes on\n  Come back.')
})

test('what nobody foresaw is called a bug, with its stack only for -v', () => {
  const bug = new TypeError('x is not a function')
  expect(errorText(bug, false)).toMatch(/^Error: x is not a function\n {2}This is a bug in jnode\. Run it again with -v/)
  expect(errorText(bug, false)).not.toContain('error-view.test')
  expect(errorText(bug, true)).toContain('error-view.test')
})
