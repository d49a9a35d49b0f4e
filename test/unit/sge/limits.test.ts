import {expect, test} from 'vitest'
import {runLimit} from '../../../src/sge/limits.ts'

const QUEUE = `qname                 all.q
notify                00:00:05
s_rt                  INFINITY
h_rt                  24:00:00,[node1.local=1:00:00]
s_cpu                 INFINITY
`
const job = (requests: string) => `==============================================================
job_number:                 7
hard resource_list:         ${requests}
soft resource_list:         h_rt=1
`
const read = (details: string, queue = '') => runLimit('7', 'all.q').read({exitCode: 0, stdout: `${details}\n@@jnode-queue\n${queue}`, stderr: ''})

test.each([
  ['what was asked for', job('h_rt=3600,mem_free=512M'), QUEUE, 3600],
  ['a softer limit that comes first', job('s_rt=3000,h_rt=3600'), '', 3000],
  ['the form with colons', job('h_rt=01:30:00'), '', 5400],
  ['the queue where nothing was asked for', job('mem_free=512M'), QUEUE, 86_400],
  ['the queue where it allows less', job('h_rt=999999'), QUEUE, 86_400],
])('%s', (_, details, queue, seconds) => {
  expect(read(details, queue)).toBe(seconds)
})

test('nothing where nobody says so', () => {
  expect(read(job('mem_free=1G'), 's_rt INFINITY\nh_rt INFINITY\n')).toBeNull()
  expect(read('')).toBeNull()
})
