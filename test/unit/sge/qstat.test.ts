import {describe, expect, test} from 'vitest'
import {parseJobList, readJobList, type Job} from '../../../src/sge/qstat.ts'
import {complained, fixture, printed} from './fixture.ts'

const jobList = (children: string, state = 'running') => `<job_list state="${state}">${children}</job_list>`
const listed = (name: string) => jobList(`<JB_job_number>7</JB_job_number><JB_name>${name}</JB_name><JB_owner>alice</JB_owner><state>r</state><queue_name>all.q@n1</queue_name><slots>2</slots>`)
const page = (running: string, pending = '') => `<?xml version='1.0'?>
<job_info  xmlns:xsd="http://example.org/qstat.xsd">
  <queue_info>
    ${running}
  </queue_info>
  <job_info>
    ${pending}
  </job_info>
</job_info>
`

function jobs(xml: string): Job[] {
  const list = parseJobList(xml)
  if (list.kind !== 'known') throw new Error(list.why)
  return list.jobs
}

/** What the list says for each job, without the names. */
const phases = (xml: string) => jobs(xml).map(({id, letters, phase, node}) => [id, letters, phase, node])

describe('answers of 8.1.9', () => {
  test('a running job has its queue, its node and its slots', () => {
    expect(jobs(fixture('qstat-running-pe.xml'))).toEqual([
      {id: '5', name: 'jn-brave-heron', owner: 'alice', letters: 'r', phase: 'running', queue: 'all.q', node: 'node2.local', slots: 4, taskId: null},
    ])
  })

  test('a waiting job has neither queue nor node', () => {
    expect(jobs(fixture('qstat-pending.xml'))).toEqual([
      {id: '2', name: 'jn-pending', owner: 'alice', letters: 'qw', phase: 'pending', queue: null, node: null, slots: 2, taskId: null},
    ])
  })

  test.each([
    ['qstat-held.xml', 'hqw', 'held'],
    ['qstat-error.xml', 'Eqw', 'error'],
    ['qstat-deleting.xml', 'dr', 'deleting'],
    ['qstat-suspended.xml', 's', 'suspended'],
    ['qstat-rerun.xml', 'Rr', 'running'],
    ['qstat-requests-running.xml', 'r', 'running'],
  ])('%s', (file, letters, phase) => {
    expect(jobs(fixture(file)).some((job) => job.letters === letters && job.phase === phase)).toBe(true)
  })

  test('no job at all is a list that can be trusted', () => {
    expect(jobs(fixture('qstat-empty.xml'))).toEqual([])
  })

  test('the form of -f tells the same, with the node of the queue instance', () => {
    const inOrder = (xml: string) => phases(xml).sort((a, b) => JSON.stringify(a) < JSON.stringify(b) ? -1 : 1)
    expect(inOrder(fixture('qstat-f.xml'))).toEqual(inOrder(fixture('qstat-many.xml')))
    expect(jobs(fixture('qstat-f.xml')).filter(({phase}) => phase === 'running').every(({node}) => node?.endsWith('.local'))).toBe(true)
  })

  test('tasks of an array keep their numbers', () => {
    const tasks = jobs(fixture('qstat-many.xml')).map(({taskId}) => taskId).filter(Boolean)
    expect(tasks.length).toBeGreaterThan(0)
  })

  test.each(['qstat-g-c.xml', 'qstat-j-running.xml', 'qstat-j-unknown.xml', 'qstat-j-unreachable.xml', 'qhost.xml', 'qquota.xml'])('%s is no list of jobs', (file) => {
    expect(parseJobList(fixture(file)).kind).toBe('unknown')
  })
})

describe('other engines', () => {
  test('Open Cluster Scheduler: another time element for waiting jobs, microseconds', () => {
    const pending = jobList('<JB_job_number>9</JB_job_number><JB_name>a</JB_name><JB_owner>alice</JB_owner><state>qw</state><JAT_submission_time>2026-03-14T13:37:31.653513</JAT_submission_time><queue_name></queue_name><slots>1</slots>', 'pending')
    expect(phases(page('', pending))).toEqual([['9', 'qw', 'pending', null]])
  })

  test('Univa: jclass_name, and a finished job that still carries the letters of its past', () => {
    const zombie = jobList('<JB_job_number>9</JB_job_number><state>qw</state><queue_name></queue_name><jclass_name></jclass_name><slots>1</slots>', 'zombie')
    expect(jobs(page('', zombie))).toEqual([])
    expect(jobs(page('', zombie.replace('"zombie"', '"finished_retained"')))).toEqual([])
  })

  test('jobs that have ended are no part of the list, whatever a site has qstat tell', () => {
    const ended = listed('old').replace('"running"', '"zombie"').replace('<state>r', '<state>z').replace('>7<', '>6<')
    expect(jobs(page(listed('a'), ended)).map(({id}) => id)).toEqual(['7'])
  })

  test('of a job whose slots are told one by one, the node that runs its script', () => {
    const text = fixture('qstat-g-t-two-hosts.xml')
    expect(jobs(text)).toMatchObject([{id: '6', node: 'node1.local'}])
    const [first, ...others] = text.match(/<job_list[^]*?<\/job_list>/g)!
    expect(jobs(page([...others, first].join('\n')))).toMatchObject([{id: '6', node: 'node1.local'}])
  })

  test('an old engine without prolog, on one line', () => {
    expect(phases(page(listed('a')).replace(/^.*\n/, '').replace(/\n\s*/g, ''))).toEqual([['7', 'r', 'running', 'n1']])
  })

  test('a Queue-List names the node once for its jobs, and has a state of its own', () => {
    const queue = `<Queue-List><name>long.q@n2</name><state>au</state>${listed('a').replace(/<queue_name>.*<\/queue_name>/, '')}</Queue-List>`
    expect(jobs(page(queue))[0]).toMatchObject({queue: 'long.q', node: 'n2', letters: 'r'})
  })

  test('PBS is called by its name', () => {
    expect(parseJobList('<?xml version="1.0"?>\n<Data></Data>')).toMatchObject({why: expect.stringContaining('PBS') as string})
    expect(readJobList(complained("qstat: invalid option -- 'm'", 2))).toMatchObject({why: expect.stringContaining('PBS') as string})
  })
})

describe('names', () => {
  test.each(['1e5', '007', '0x1F', 'true', 'null', 'a.b-c_d', 'name with blanks'])('%s stays as it is', (name) => {
    expect(jobs(page(listed(name)))[0]!.name).toBe(name)
  })

  test('entities and Grid Engine\'s own way to write < are read', () => {
    expect(jobs(page(listed('a%lt;b&gt;&amp;&quot;')))[0]!.name).toBe('a<b>&"')
  })

  test('a control character cannot reach a terminal', () => {
    expect(jobs(page(listed('a\x1B[2Jb')))[0]!.name).toBe('a?[2Jb')
  })
})

describe('what is not known', () => {
  test('a banner before the document is no part of it, even with tags in it', () => {
    expect(phases(`Welcome! See <the> manual & ask\n${page(listed('a'))}`)).toEqual([['7', 'r', 'running', 'n1']])
  })

  test.each([
    ['nothing', ''],
    ['a complaint', 'error: commlib error: got select error (Connection refused)\n'],
    ['text after the document', `${page('')}bash: warning: here\n`],
    ['two answers, the second one shorter', page(listed('a')) + page('')],
    ['an unclosed list', page('').replace('</job_info>\n</job_info>', '</job_info>')],
    ['a mismatched tag', page(listed('a')).replace('</queue_info>', '</queue>')],
    ['a document without the second list', "<?xml version='1.0'?><job_info><queue_info></queue_info></job_info>"],
    ['a job without a number', page(listed('a').replace('>7<', '><'))],
    ['a reserved name as a tag', page('<__proto__>1</__proto__>')],
    ['bytes of zero', '\0\0\0'],
    ['an ill-formed document for an unknown job', "<?xml version='1.0'?>\n<unknown_jobs>\n  <>\n    <ST_name>9</ST_name>\n  </>\n</unknown_jobs>"],
  ])('%s', (_, text) => {
    const list = parseJobList(text)
    expect(list.kind).toBe('unknown')
  })

  test('what was printed is quoted, short', () => {
    const list = parseJobList(`error: ${'x'.repeat(5000)}`)
    expect(list).toMatchObject({why: expect.stringMatching(/^qstat printed no XML: "error: x+…"$/) as string})
    expect((list as {why: string}).why.length).toBeLessThan(300)
  })

  test('a document means nothing when qstat failed', () => {
    expect(readJobList({...printed(page('')), exitCode: 1}).kind).toBe('unknown')
    expect(readJobList(complained(fixture('qstat-unreachable.txt')))).toMatchObject({why: expect.stringContaining('unable to send message to qmaster') as string})
    expect(readJobList(printed(page(''))).kind).toBe('known')
  })

  test.each(['qstat-many.xml', 'qstat-f.xml'])('%s cut anywhere is never a shorter list', (file) => {
    const text = fixture(file).trimEnd()
    const known = Array.from({length: text.length}, (_, end) => parseJobList(text.slice(0, end))).filter(({kind}) => kind === 'known')
    expect(known).toEqual([])
  })
})
