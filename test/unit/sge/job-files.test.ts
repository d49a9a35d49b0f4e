import {expect, test} from 'vitest'
import {readJobFiles} from '../../../src/sge/job-files.ts'

const job = (...lines: string[]) => ['job_number: 12', 'owner: alice', 'job_name: lab', 'sge_o_home: /home/alice', ...lines].join('\n')

test('a log is a file, with Grid Engine’s own variables in its path; or lies in a directory under its usual name', () => {
  expect(readJobFiles('12', job('stdout_path_list: NONE:NONE:$HOME/logs/$JOB_NAME.$JOB_ID.log'))?.logs).toContain('/home/alice/logs/lab.12.log')
  expect(readJobFiles('12', job('cwd: /work', 'stdout_path_list: NONE:NONE:/scratch/logs/'))?.logs).toEqual(expect.arrayContaining(['/scratch/logs//lab.o12', '/work/lab.o12']))
})

test('without any path it lies where the job was submitted, else at home; Jupyter writes to the one for errors', () => {
  const [first] = readJobFiles('12', job('cwd: /work'))!.logs.filter((path) => /lab\./.test(path))
  expect(first).toBe('/work/lab.e12')
  expect(readJobFiles('12', job())?.logs).toContain('/home/alice/lab.e12')
})

test('a text about no job is none', () => {
  expect(readJobFiles('12', 'Following jobs do not exist: \n12\n')).toBeNull()
})
