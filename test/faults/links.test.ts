/** What happens to the way between laptop and node: the session is there when it is over. */
import {afterEach, describe, onTestFinished, test} from 'vitest'
import {jnodeIn, nothingLeft, sweep} from '../cluster/jnode.ts'
import {openKernel} from '../cluster/kernel.ts'
import {useLab} from '../cluster/use-lab.ts'

const lab = await useLab()
const jnode = jnodeIn(lab)

afterEach(async ({task}) => {
  if (task.result?.state === 'fail') await sweep(lab)
})

const seconds = (n: number) => new Promise((resolve) => setTimeout(resolve, n * 1000))

describe('the laptop’s link is cut', () => {
  test.each([[5, 's']] as const)('for %i %s', async (length) => {
    const session = await jnode.ok('start cut --host head')
    const kernel = await openKernel(lab, session.url!)
    onTestFinished(() => lab.link('laptop').up())
    await lab.link('laptop').down()
    await seconds(length)
    await lab.link('laptop').up()
    await kernel.survives()
    kernel.close()
    await jnode.ok('stop cut')
    await nothingLeft(lab)
  })
})
