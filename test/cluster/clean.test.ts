/** What crashes leave, and `jnode clean`. */
import {afterEach, expect, onTestFinished, test} from 'vitest'
import type {Cleaning} from '../../src/flows/clean.ts'
import {answers, jnodeIn, leftovers, nothingLeft, OPEN, sweep} from './jnode.ts'
import {until} from './run.ts'
import {useLab} from './use-lab.ts'

const lab = await useLab()
const jnode = jnodeIn(lab)
const STATE = '~/.local/state/jnode'

afterEach(async ({task}) => {
  if (task.result?.state === 'fail') await sweep(lab)
})

const onLaptop = (line: string) => lab.exec('laptop', 'alice', line)
const onHead = (line: string) => lab.exec('head', 'alice', line)

test('finds what crashes left on both sides, and touches nothing that lives or is not its own', async () => {
  const lives = await jnode.ok('start lives --host head --node node1')
  // One whose job has ended, with its keeper killed; and one whose directory is gone while its job waits.
  const over = await jnode.ok('start over --host head --node node2')
  await onLaptop(`kill -KILL ${over.keeperPid}`)
  await onHead(`qdel ${over.jobId}`)
  const waits = await jnode.ok('start waits --host head --no-wait --sge-arg=-h')
  await onHead('rm -r ~/.jnode/sessions/waits')
  // Another job of the same kind of name; one of somebody else; a directory and a file that were cut short.
  const foreign = (await onHead('qsub -terse -h -b y -N jnode-mine -o /dev/null -j y sleep 60')).stdout.trim()
  onTestFinished(async () => void (await onHead(`qdel ${foreign}`)))
  await onHead('mkdir ~/.jnode/sessions/half && touch -d "1 hour ago" ~/.jnode/sessions/half')
  await onLaptop(`echo '{"version": 1, "na' >${STATE}/sessions/head/cut.json`)
  // `qstat -j` may know it for a moment longer than the list, and as long as it does, nothing is sure.
  await until('the job is gone', async () => (await onHead(`qstat -j ${over.jobId}`)).exitCode !== 0)

  const before = await leftovers(lab)
  const {found} = await jnode.ok<Cleaning>('clean --host head --dry-run')
  expect(found.map(({kind, name}) => `${kind} ${name}`).sort()).toEqual([
    'directory /home/alice/.jnode/sessions/half',
    'file /home/alice/.local/state/jnode/sessions/head/cut.json',
    `job ${waits.jobId}`,
    'session over',
    expect.stringMatching(/^socket .*\.sock$/),
    expect.stringMatching(/^socket .*\.sock\.pid$/),
  ])
  const unasked = await jnode.run('clean --host head')
  expect(unasked).toMatchObject({exitCode: 2, stdout: expect.stringContaining(`session over on head: its job ${over.jobId} has ended`) as string, stderr: expect.stringContaining('--yes') as string})
  const names = (lines: string[]) => lines.filter((line) => /file |^job /.test(line))
  expect(names(await leftovers(lab))).toEqual(names(before))

  const refused = jnode.spawn('clean --host head', {terminal: true})
  await refused.says('Remove all of this?')
  refused.type('n\r')
  expect(await refused.ended).toMatchObject({exitCode: 0, stdout: expect.stringContaining('Nothing was removed.') as string})

  expect(await jnode.ok<Cleaning>('clean --host head --yes')).toEqual({found, removed: found.length})
  expect(await jnode.run('clean --host head')).toMatchObject({exitCode: 0, stdout: 'There is nothing to clean.\n'})
  expect((await lab.jobs('alice')).map(({id}) => id).sort()).toEqual([lives.jobId, foreign].sort())
  expect(await answers(lab, lives.url!)).toEqual(OPEN)
  await onHead(`qdel ${foreign}`)
  await jnode.ok('stop lives')
  await nothingLeft(lab)
})
