import {expect, test} from 'vitest'
import {shareLink, type OwnLink} from '../../../src/daemon/shared-link.ts'
import {JnodeError} from '../../../src/errors.ts'

/** A head node that counts what it is asked, and fails as often as it is told to. */
function counted(failures = 0) {
  const asked: string[] = []
  const head = {
    closed: new Promise<string>(() => {}),
    async run(scripts: readonly string[]) {
      asked.push(...scripts)
      if (failures-- > 0) throw new JnodeError('connection-lost', 'gone')
      return scripts.map((script) => ({exitCode: 0, stdout: `${script} ${asked.length}`, stderr: ''}))
    },
  }
  const shared = shareLink({head, close: async () => {}} as unknown as OwnLink)
  return {asked, users: [shared.hold(), shared.hold(), shared.hold()]}
}

test('twenty who ask the same at the same time cost one question', async () => {
  const {asked, users} = counted()
  const answers = await Promise.all(Array.from({length: 20}, (_, i) => users[i % 3]!.head.run(['qstat'], {freshMs: 60_000})))
  expect(asked).toEqual(['qstat'])
  expect(new Set(answers.map(([answer]) => answer!.stdout))).toEqual(new Set(['qstat 1']))
})

test('what is asked otherwise, or wants the truth of this moment, is asked anew', async () => {
  const {asked, users: [one, two]} = counted()
  await one!.head.run(['qstat'], {freshMs: 60_000})
  await two!.head.run(['cat record'], {freshMs: 60_000})
  await two!.head.run(['qstat'])
  expect(asked).toEqual(['qstat', 'cat record', 'qstat'])
})

test('a failure is nobody else’s answer', async () => {
  const {asked, users: [one, two]} = counted(1)
  await expect(one!.head.run(['qstat'], {freshMs: 60_000})).rejects.toThrow('gone')
  expect((await two!.head.run(['qstat'], {freshMs: 60_000}))[0]!.stdout).toBe('qstat 2')
  expect(asked).toHaveLength(2)
})

test('a node’s connection is closed once, when the last who use it have gone, however often each has taken it', async () => {
  let logins = 0
  let closes = 0
  const node = {closed: new Promise<string>(() => {}), close: async () => void closes++}
  const head = {closed: new Promise<string>(() => {})}
  const shared = shareLink({head, toNode: async () => (logins++, node), close: async () => {}} as unknown as OwnLink)
  const address = {names: ['node1'], hostKeys: []}
  const [one, two, three] = [shared.hold(), shared.hold(), shared.hold()]
  for (const user of [one, one, one, two, two]) await user.toNode(address)
  expect(logins).toBe(1)
  await one.close()
  expect(closes).toBe(0)
  await two.close()
  expect(closes).toBe(1)
  await three.toNode(address)
  expect(logins).toBe(2)
})
