/** A hostile gateway, head node, node and job talk to the user's terminal; none of it is obeyed. */
import {afterAll, afterEach, beforeAll, expect, onTestFinished, test} from 'vitest'
import {jnodeIn, nothingLeft, sweep, type Who} from '../cluster/jnode.ts'
import {useLab} from '../cluster/use-lab.ts'

const lab = await useLab()
const jnode = jnodeIn(lab)

/** None of it is what jnode draws: a title, a link, the clipboard, a question that the terminal answers, device control; in eight bits, and text turned around. */
const ORDERS = '\u001B]0;pwned\u0007\u001B]8;;http://evil.example/\u001B\\\u001B]52;c;cm0gLXJmIH4=\u0007\u001B[6n\u001BPq\u001B\\\u009B6n\u009D0;pwned\u009C\u202E\u2066'
const OBEYED = /\u001B[\]P]|\u001B\[6n|[\u0080-\u009F\u202A-\u202E\u2066-\u2069]/

/** For printf, in single quotes. */
const octal = (text: string) => [...Buffer.from(text)].map((byte) => `\\${byte.toString(8).padStart(3, '0')}`).join('')

/** Runs a command to its end in a terminal; answers with what was drawn there, and fails if it holds an order. */
async function drawn(line: string, {until: said, ...who}: Who & {until?: string} = {}): Promise<string> {
  const running = jnode.spawn(line, {...who, terminal: true})
  if (said !== undefined) {
    await running.says(said)
    running.type('\u0003')
  }
  await running.ended
  const text = running.stdout()
  expect(OBEYED.exec(text)?.[0], `jnode ${line} drew ${JSON.stringify(text)}`).toBeUndefined()
  return text
}

beforeAll(async () => {
  // What another program of the user's over there could have written.
  await lab.exec('head', 'alice', `cp -p ~/.bashrc ~/.bashrc.kept; { printf '%s\\n' "printf '${octal(ORDERS)}hello'"; cat ~/.bashrc.kept; } >~/.bashrc`)
})
afterAll(async () => {
  await lab.exec('head', 'alice', 'mv ~/.bashrc.kept ~/.bashrc')
})
afterEach(async ({task}) => {
  if (task.result?.state === 'fail') await sweep(lab)
})

test('a job’s log, the words of a shell’s start-up file, and what is told of a session', async () => {
  const said = `\u001B[31mred\u001B[0m${ORDERS}end`
  const started = await drawn(`start loud -d --host head --setup "printf '"'${octal(said)}\\n'"'"`.replaceAll(`'"'`, `'\\''`))
  expect(started).toContain('http://')
  expect(await drawn('logs loud')).toContain('\u001B[31mred\u001B[0mend')
  expect(await drawn('logs loud -f', {until: 'end'})).toContain('\u001B[31mred\u001B[0mend')
  expect((await jnode.run('logs loud')).stdout).toContain(said)
  for (const command of ['list', 'status loud', 'url loud', 'ssh-config loud', 'logs loud --json']) expect(await drawn(command)).not.toContain('Error')
  const {stdout: log} = await lab.exec('laptop', 'alice', 'cat ~/.local/state/jnode/keeper.log')
  expect(log).toContain('keeping loud')
  expect(log).not.toMatch(OBEYED)
  expect(await drawn('stop loud')).toContain('loud')
  await nothingLeft(lab)
})

test('a session that fails, with the end of its log in the error', async () => {
  const failed = await drawn(`start loud --host head --setup "printf '"'${octal(`${ORDERS}end`)}\\n'"'; false"`.replaceAll(`'"'`, `'\\''`))
  expect(failed).toMatch(/The last lines of its log:[^]*end/)
  await nothingLeft(lab)
})

test.each(['ssh2', 'openssh'])('the banner of a gateway, by %s', async (transport) => {
  const settings = 'Banner /run/sshd-2201/banner\nPasswordAuthentication no'
  const close = await lab.sshd('gateway', {port: 2201, settings, before: `printf '${octal(`${ORDERS}Welcome\n`)}' >/run/sshd-2201/banner`})
  onTestFinished(close)
  const way = `--host head --jump gateway:2201 --transport ${transport}`
  expect(await drawn(`doctor ${way}`)).toContain('Grid Engine')
  // Nobody is let in, and the error may quote what was said.
  expect(await drawn(`list --host nobody@gateway:2201 --transport ${transport}`)).toMatch(/Error|Warning/)
})
