/** Where the server's socket is made on nodes whose TMPDIR is no place for one. */
import {afterEach, expect, onTestFinished, test} from 'vitest'
import {jnodeIn, nothingLeft, sweep} from '../cluster/jnode.ts'
import {runCell} from '../cluster/kernel.ts'
import {useLab} from '../cluster/use-lab.ts'

const lab = await useLab()
const jnode = jnodeIn(lab)
const onNode = (command: string) => lab.exec('node1', 'root', command, {cwd: '/'})

afterEach(async ({task}) => {
  if (task.result?.state === 'fail') await sweep(lab)
})

/** Jobs get their TMPDIR below this directory of the node. */
async function jobsIn(directory: string, mode = '1777'): Promise<void> {
  await onNode(`mkdir -p '${directory}' && chmod ${mode} '${directory}'`)
  await lab.qconf(['-mattr', 'queue', 'tmpdir', directory, 'all.q'])
  onTestFinished(async () => {
    await lab.qconf(['-mattr', 'queue', 'tmpdir', '/tmp', 'all.q'])
    await onNode(`rm -rf '${directory}'`)
  })
}

const socketOf = async () => (await lab.exec('head', 'alice', `sed -n 's/^endpoint socket //p' ~/.jnode/sessions/place/record`)).stdout.trim()

test.each([
  ['as long as a socket may be', `/var/tmp/${'x'.repeat(63)}`, /^\/var\/tmp\/x{63}\/\d+\.1\.all\.q\/jnode\/sock$/, '1777'],
  ['longer', `/var/tmp/${'x'.repeat(90)}`, /^\/tmp\/jnode\.\w{8}\/sock$/, '1777'],
  ['that only root may enter', '/var/tmp/xclosed', /^\/tmp\/jnode\.\w{8}\/sock$/, '700'],
])('a TMPDIR %s', async (_, directory, where, mode) => {
  await jobsIn(directory, mode)
  const session = await jnode.ok('start place --host head --node node1')
  expect(await socketOf()).toMatch(where)
  expect((await runCell(lab, session.url!, {kernel: null, code: 'print(6 * 7)'})).output).toBe('42\n')
  await jnode.ok('stop place')
  await onNode('rm -rf /var/tmp/x*')
  await nothingLeft(lab)
})

test('no place anywhere: one sentence, and nothing is left', async () => {
  await jobsIn(`/var/tmp/${'x'.repeat(90)}`)
  onTestFinished(async () => void (await onNode('chmod 1777 /tmp')))
  await onNode('chmod 755 /tmp')
  expect(await jnode.fails('start place --host head --node node1')).toMatchObject({exitCode: 6, code: 'job-failed', message: expect.stringContaining('cannot make a private directory in TMPDIR or /tmp') as string})
  await onNode('chmod 1777 /tmp; rm -rf /var/tmp/x*')
  await nothingLeft(lab)
})
