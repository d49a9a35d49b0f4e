import {describe, expect, test} from 'vitest'
import {discoverSite, type DiscoveryOptions} from '../../../src/sge/site.ts'
import {failureOf} from '../expect-error.ts'
import {fixture} from './fixture.ts'
import {headNode, type HeadNode} from './head-node.ts'

const NOTHING = {setup: null, learn: {parallelEnvironments: false, resources: false, account: false}}
const ALL: DiscoveryOptions = {setup: null, learn: {parallelEnvironments: true, resources: true, account: true}}

const HELP = `${fixture('qstat-help.txt').trimEnd()}\nusage: qstat [options]\n        [-xml]    display the information in XML format`
const print = (text: string) => `cat <<'END'\n${text}\nEND`

/** Grid Engine in a directory that is on nobody's PATH; it works only with SGE_ROOT. */
function install(head: HeadNode, directory: string): void {
  head.program(`${directory}/qsub`, '')
  head.program(`${directory}/qstat`, `[ -n "$SGE_ROOT" ] || { echo 'critical error: Please set the environment variable SGE_ROOT.' >&2; exit 1; }\n${print(HELP)}`)
}

const qconf = (cases: Record<string, string>) =>
  `case "$*" in\n${Object.entries(cases).map(([args, text]) => `'${args}') ${print(text)}\n;;`).join('\n')}\n*) echo "denied: host \\"head\\" is neither submit nor admin host" >&2; exit 1;;\nesac`

describe('the way to qsub', () => {
  test('as it is: nothing to set up', () => {
    const head = headNode()
    install(head, 'bin')
    const site = head.ask(discoverSite(NOTHING), {SGE_ROOT: '/opt/sge'})
    expect(site).toMatchObject({setup: '', found: 'PATH', engine: 'SGE 8.1.9', home: head.path(''), root: '/opt/sge', parallelEnvironments: null, resources: null})
    expect(site.user).not.toBe('')
    expect(site.hostname).not.toBe('')
  })

  test('a bash login shell, whatever it prints', () => {
    const head = headNode()
    install(head, 'site/bin')
    head.program('bin/bash', `echo 'Welcome! PATH=/wrong'; PATH=/wrong env; export PATH="${head.path('site/bin')}:$PATH" SGE_ROOT="/opt/my sge"; eval "$2"`)
    const site = head.ask(discoverSite(NOTHING))
    expect(site).toMatchObject({found: 'a bash login shell', root: '/opt/my sge'})
    // What was found works in a later script.
    const later = head.ask({script: `${site.setup}\nqstat -help; printf '%s' "$SGE_ROOT"`, read: ({stdout}) => stdout})
    expect(later).toMatch(/^SGE 8\.1\.9\n[^]*\/opt\/my sge$/)
  })

  test('the user\'s own login shell, where it is no bash', () => {
    const head = headNode()
    install(head, 'site/bin')
    head.program('bin/bash', 'eval "$2"')
    head.program('shells/tcsh', `[ "$*" = -l ] || exit 1; export PATH="${head.path('site/bin')}:$PATH" SGE_ROOT=/opt/sge; exec sh`)
    head.program('shells/fish', `export PATH="${head.path('site/bin')}:$PATH" SGE_ROOT=/opt/sge; eval "$2"`)
    for (const shell of ['tcsh', 'fish']) {
      expect(head.ask(discoverSite(NOTHING), {SHELL: head.path(`shells/${shell}`)}).found).toBe(`a ${head.path(`shells/${shell}`)} login shell`)
    }
  })

  test('settings.sh below SGE_ROOT', () => {
    const head = headNode()
    install(head, 'sge/bin/lx-amd64')
    head.program('sge/default/common/settings.sh', `SGE_ROOT=${head.path('sge')}; PATH=$SGE_ROOT/bin/lx-amd64:$PATH; export SGE_ROOT PATH`)
    const site = head.ask(discoverSite(NOTHING), {SGE_ROOT: head.path('sge')})
    expect(site).toMatchObject({found: head.path('sge/default/common/settings.sh'), root: head.path('sge')})
  })

  test('sge_setup goes first, and in a login shell where sh does not know its words', () => {
    const head = headNode()
    install(head, 'bin')
    install(head, 'other/bin')
    const setup = `export PATH="${head.path('other/bin')}:$PATH" SGE_ROOT='/opt/it''s'`
    expect(head.ask(discoverSite({...NOTHING, setup}), {SGE_ROOT: '/opt/sge'})).toMatchObject({found: 'sge_setup', root: '/opt/its'})
    head.program('bin/bash', `module() { ${setup}; }; eval "$2"`)
    const site = head.ask(discoverSite({...NOTHING, setup: 'module load sge || exit 1'}))
    expect(site).toMatchObject({found: 'sge_setup in a bash login shell', root: '/opt/its'})
    expect(site.setup).toContain(head.path('other/bin'))
  })

  test('a setup that ends the shell ends nothing else', () => {
    const head = headNode()
    install(head, 'bin')
    expect(head.ask(discoverSite({...NOTHING, setup: '. /nonexistent/settings.sh'}), {SGE_ROOT: '/opt/sge'}).found).toBe('PATH')
  })
})

test.each(['', 'relative'])('a HOME that is %j is refused in one sentence', (HOME) => {
  const head = headNode()
  install(head, 'bin')
  const {message, code} = failureOf(() => head.ask(discoverSite(NOTHING), {SGE_ROOT: '/opt/sge', HOME}))
  expect({message, code}).toEqual({message: expect.stringMatching(new RegExp(`^HOME on \\S+ must be an absolute path, not "${HOME}"$`)) as string, code: 'remote-storage'})
})

describe('no Grid Engine', () => {
  test('no qsub at all: what was tried', () => {
    const head = headNode()
    head.program('bin/bash', 'eval "$2"')
    expect(failureOf(() => head.ask(discoverSite({...NOTHING, setup: 'true'})))).toMatchObject({
      code: 'no-grid-engine',
      message: expect.stringMatching(/^There is no qsub on \S+ \(tried: sge_setup, sge_setup in a bash login shell, PATH, a bash login shell\)$/) as string,
      hint: expect.stringContaining('sge_setup') as string,
    })
  })

  test('a qsub that does not work: its own words', () => {
    const head = headNode()
    install(head, 'bin')
    expect(failureOf(() => head.ask(discoverSite(NOTHING))).message).toContain('Please set the environment variable SGE_ROOT.')
  })

  test('PBS', () => {
    const head = headNode()
    head.program('bin/qsub', '')
    head.program('bin/qstat', 'echo "qstat: illegally formed option -help, see PBS manual" >&2; exit 2')
    expect(failureOf(() => head.ask(discoverSite(NOTHING)))).toMatchObject({code: 'no-grid-engine', message: expect.stringContaining('belongs to PBS') as string})
  })

  test('no answer at all', () => {
    expect(failureOf(() => discoverSite(NOTHING).read({exitCode: 127, stdout: '', stderr: 'sh: not found\n'})).code).toBe('no-grid-engine')
  })
})

describe('what the site offers', () => {
  test('environments, queues and resources, as qconf shows them', () => {
    const head = headNode()
    install(head, 'bin')
    head.program('bin/qconf', qconf({
      '-spl': fixture('qconf-spl.txt'), '-sp make': fixture('qconf-sp-make.txt'), '-sp mpi': fixture('qconf-sp-mpi.txt'), '-sp smp': fixture('qconf-sp-smp.txt'),
      '-sq *': fixture('qconf-sq.txt'), '-sc': fixture('qconf-sc.txt'),
    }))
    const site = head.ask(discoverSite(ALL), {SGE_ROOT: '/opt/sge'})
    expect(site.parallelEnvironments?.map(({name, allocationRule}) => `${name} ${allocationRule}`)).toEqual(['make $round_robin', 'mpi $fill_up', 'smp $pe_slots'])
    expect(site.queues).toMatchObject([{name: 'all.q', parallelEnvironments: ['make', 'mpi', 'smp']}])
    expect(site.resources?.some(({name}) => name === 'gpu')).toBe(true)
  })

  test('a refusal, or no qconf, is not the answer that there are none', () => {
    const head = headNode()
    install(head, 'bin')
    const unknown = {parallelEnvironments: null, queues: null, resources: null}
    expect(head.ask(discoverSite(ALL), {SGE_ROOT: '/opt/sge'})).toMatchObject(unknown)
    head.program('bin/qconf', qconf({}))
    expect(head.ask(discoverSite(ALL), {SGE_ROOT: '/opt/sge'})).toMatchObject(unknown)
  })

  test('none defined is an answer', () => {
    const head = headNode()
    install(head, 'bin')
    head.program('bin/qconf', `[ "$1" = -spl ] && echo 'no parallel environment defined' >&2; exit 1`)
    expect(head.ask(discoverSite(ALL), {SGE_ROOT: '/opt/sge'}).parallelEnvironments).toEqual([])
  })
})
